// SPDX-License-Identifier: Apache-2.0
//
// Sums the floats of a file on the card, with one ring of io_uring: a block is read into registered
// memory, linked to that the card writes it to device memory, and a job sums it. Two at a time.
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include <accel/accel.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <vector>

constexpr std::size_t block = 1U << 18;  // floats

struct Slot {
    std::vector<float> memory = std::vector<float>(block);
    accel::Buffer<float> device;
    accel::Buffer<float> sum;
    accel::Job job;
    unsigned int bytes = 0;
};

static void require(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(-result, std::generic_category(), what);
    }
}

static double sum(int file, std::size_t size) {
    const accel::Device card = accel::Device::open(0);
    accel::Queue queue = card.create_queue();
    std::array<Slot, 2> slots;
    std::array<iovec, 2> registered{};
    for (std::size_t i = 0; i < slots.size(); ++i) {
        slots[i].device = card.allocate_device<float>({block});
        slots[i].sum = card.allocate<float>({1});
        registered[i] = {slots[i].memory.data(), block * sizeof(float)};
    }
    io_uring ring{};
    require(io_uring_queue_init(8, &ring, 0), "a ring");
    require(io_uring_register_buffers(&ring, registered.data(), registered.size()), "its buffers");
    double total = 0;
    std::size_t begun = 0, busy = 0;
    const auto begin = [&](std::size_t i) {
        Slot& slot = slots[i];
        slot.bytes = static_cast<unsigned int>(std::min(size - begun, block * sizeof(float)));
        if (slot.bytes == 0) {
            return;
        }
        io_uring_sqe* entry = io_uring_get_sqe(&ring);
        io_uring_prep_read_fixed(entry, file, slot.memory.data(), slot.bytes, begun, int(i));
        entry->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
        entry = io_uring_get_sqe(&ring);
        io_uring_prep_write_fixed(entry, card.fd(), slot.memory.data(), slot.bytes,
                                  std::uint64_t(slot.device.address()), int(i));
        entry->user_data = i;
        begun += slot.bytes;
        ++busy;
    };
    for (begin(0), begin(1); busy != 0;) {
        require(io_uring_submit_and_wait(&ring, 1), "submit");
        io_uring_cqe* done = nullptr;
        require(io_uring_wait_cqe(&ring, &done), "wait");
        require(done->res, "a block of the file");
        const std::size_t i = done->user_data % slots.size();
        Slot& slot = slots[i];
        if (done->user_data == i) {  // it is in device memory
            const auto count = static_cast<std::uint32_t>(slot.bytes / sizeof(float));
            slot.job = queue.submit(accel::Reduce{.dst = slot.sum, .src = slot.device, .n = count});
            const accel::UringWait wait = queue.uring_wait(slot.job);
            io_uring_sqe* entry = io_uring_get_sqe(&ring);
            io_uring_prep_rw(IORING_OP_URING_CMD, entry, wait.fd, nullptr, 0, wait.cmd_op);
            std::memcpy(entry->cmd, wait.payload.data(), wait.payload.size());
            entry->user_data = i + slots.size();
        } else {
            slot.job.wait();  // it is over; this throws if it failed
            total += slot.sum[0];
            --busy;
            begin(i);
        }
        io_uring_cqe_seen(&ring, done);
    }
    io_uring_queue_exit(&ring);
    return total;
}

int main(int count, char** arguments) try {
    const int file = open(count == 2 ? arguments[1] : "", O_RDONLY | O_CLOEXEC);
    require(file < 0 ? -errno : 0, "usage: stream FILE, of 32-bit floats");
    const std::size_t floats = std::size_t(lseek(file, 0, SEEK_END)) / sizeof(float);
    std::printf("%zu floats, sum %.9g\n", floats, sum(file, floats * sizeof(float)));
} catch (const std::exception& error) {
    std::fprintf(stderr, "stream: %s\n", error.what());
    return 1;
}
