// SPDX-License-Identifier: Apache-2.0
//
// Sums the floats of a file on the card, with one io_uring for all waits. Each block is read into
// host memory, then written to device memory by the card's DMA, then summed by a job. Two blocks
// are in flight at a time.
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

constexpr std::size_t block_floats = 1U << 18;

// A block in flight.
struct Block {
    std::vector<float> host = std::vector<float>(block_floats);
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
    std::array<Block, 2> blocks;
    std::array<iovec, 2> registered{};
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        blocks[i].device = card.allocate_device<float>({block_floats});
        blocks[i].sum = card.allocate<float>({1});
        registered[i] = {blocks[i].host.data(), block_floats * sizeof(float)};
    }
    io_uring ring{};
    require(io_uring_queue_init(8, &ring, 0), "cannot set up io_uring");
    require(io_uring_register_buffers(&ring, registered.data(), registered.size()),
            "cannot register buffers with io_uring");
    double total = 0;
    std::size_t started = 0;  // bytes of the file
    std::size_t in_flight = 0;
    const auto start = [&](std::size_t i) {
        Block& block = blocks[i];
        block.bytes =
            static_cast<unsigned int>(std::min(size - started, block_floats * sizeof(float)));
        if (block.bytes == 0) {
            return;
        }
        io_uring_sqe* entry = io_uring_get_sqe(&ring);
        io_uring_prep_read_fixed(entry, file, block.host.data(), block.bytes, started, int(i));
        entry->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
        entry = io_uring_get_sqe(&ring);
        io_uring_prep_write_fixed(entry, card.fd(), block.host.data(), block.bytes,
                                  std::uint64_t(block.device.address()), int(i));
        entry->user_data = i;
        started += block.bytes;
        ++in_flight;
    };
    for (start(0), start(1); in_flight != 0;) {
        require(io_uring_submit_and_wait(&ring, 1), "cannot submit to io_uring");
        io_uring_cqe* done = nullptr;
        require(io_uring_wait_cqe(&ring, &done), "cannot wait for io_uring");
        require(done->res, "cannot move a block of the file");
        const std::size_t i = done->user_data % blocks.size();
        Block& block = blocks[i];
        if (done->user_data == i) {  // the block is in device memory
            const auto count = static_cast<std::uint32_t>(block.bytes / sizeof(float));
            block.job =
                queue.submit(accel::Reduce{.dst = block.sum, .src = block.device, .n = count});
            const accel::UringWait wait = queue.uring_wait(block.job);
            io_uring_sqe* entry = io_uring_get_sqe(&ring);
            io_uring_prep_rw(IORING_OP_URING_CMD, entry, wait.fd, nullptr, 0, wait.cmd_op);
            std::memcpy(entry->cmd, wait.payload.data(), wait.payload.size());
            entry->user_data = i + blocks.size();
        } else {
            block.job.wait();  // the job is over; this throws if it failed
            total += block.sum[0];
            --in_flight;
            start(i);
        }
        io_uring_cqe_seen(&ring, done);
    }
    io_uring_queue_exit(&ring);
    return total;
}

int main(int count, char** arguments) try {
    if (count != 2) {
        std::fprintf(stderr, "usage: stream FILE, of 32-bit floats\n");
        return 2;
    }
    const int file = open(arguments[1], O_RDONLY | O_CLOEXEC);
    require(file < 0 ? -errno : 0, arguments[1]);
    const std::size_t floats = std::size_t(lseek(file, 0, SEEK_END)) / sizeof(float);
    std::printf("%zu floats, sum %.9g\n", floats, sum(file, floats * sizeof(float)));
} catch (const std::exception& error) {
    std::fprintf(stderr, "stream: %s\n", error.what());
    return 1;
}
