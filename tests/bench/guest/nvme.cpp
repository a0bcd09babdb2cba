// SPDX-License-Identifier: Apache-2.0
//
// The peer: NVMe passthrough to an emulated controller with a null backend, so that only the path
// to the controller and back is measured. The commands are reads. The backend moves no data, so the
// check is that every command completed without an error.
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>

#include "copies.hpp"
#include "io_uring.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::uint8_t read = 0x02;
constexpr std::size_t block_size = 512;

struct Options {
    std::string name;
    unsigned depth;
    std::size_t bytes;
    bool registered;
    std::uint64_t jobs;
};

template <typename Command>
void fill_read(Command& command, const void* data, std::size_t bytes, std::uint64_t index) {
    std::memset(&command, 0, sizeof command);
    command.opcode = read;
    command.nsid = 1;
    command.addr = reinterpret_cast<std::uintptr_t>(data);
    command.data_len = static_cast<std::uint32_t>(bytes);
    const std::uint64_t block = index * (bytes / block_size) % (std::uint64_t{512} * 1024);
    command.cdw10 = static_cast<std::uint32_t>(block);
    command.cdw11 = static_cast<std::uint32_t>(block >> 32);
    command.cdw12 = static_cast<std::uint32_t>(bytes / block_size - 1);
}

void by_ioctl(Report& report, int file) {
    constexpr std::uint64_t job_count = 512;
    Pages memory(4096);
    bool right = true;
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t i = 0; i < jobs; ++i) {
            nvme_passthru_cmd command;
            fill_read(command, memory.data(), 4096, i);
            right &= ioctl(file, NVME_IOCTL_IO_CMD, &command) == 0;
        }
    };
    Region region(report, "nvme.ioctl.1", {.jobs = job_count, .bytes = 4096, .interrupts = "nvme"});
    run(32);
    region.begin();
    run(job_count);
    region.end();
    region.verify(right, "a command failed");
}

void by_uring(Report& report, int file, const Options& options) {
    Pages memory(options.depth * options.bytes);
    IoUring ring(64, IORING_SETUP_SQE128 | IORING_SETUP_CQE32);
    if (options.registered) {
        ring.register_slots(std::as_writable_bytes(memory.span()), options.depth);
    }
    bool right = true;
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t done = 0; done < jobs; done += options.depth) {
            for (unsigned i = 0; i < options.depth; ++i) {
                // An entry of 128 bytes: 48 of io_uring, then the command.
                io_uring_sqe* const sqe = ring.entry();
                std::memset(sqe, 0, 2 * sizeof *sqe);
                sqe->opcode = IORING_OP_URING_CMD;
                sqe->fd = file;
                sqe->cmd_op = NVME_URING_CMD_IO;
                if (options.registered) {
                    sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
                    sqe->buf_index = static_cast<std::uint16_t>(i);
                }
                auto* const at = reinterpret_cast<std::byte*>(memory.data()) + i * options.bytes;
                fill_read(*reinterpret_cast<nvme_uring_cmd*>(sqe->cmd), at, options.bytes,
                          done + i);
            }
            right &= ring.finish(options.depth);
        }
    };
    Region region(report, options.name,
                  {.jobs = options.jobs, .bytes = options.bytes, .interrupts = "nvme"});
    run(4UL * options.depth);
    region.begin();
    run(options.jobs);
    region.end();
    region.note("depth", options.depth);
    region.verify(right, "a command failed");
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const int file = open("/dev/ng0n1", O_RDWR | O_CLOEXEC);
        require(file < 0 ? -errno : 0, "/dev/ng0n1");
        by_ioctl(report, file);
        by_uring(report, file, {"nvme.uring_cmd.1", 1, 4096, true, 512});
        by_uring(report, file, {"nvme.uring_cmd.32", 32, 4096, true, 1024});
        by_uring(report, file, {"nvme.uring_cmd.registered.64k", 16, 65536, true, 256});
        by_uring(report, file, {"nvme.uring_cmd.unregistered.64k", 16, 65536, false, 256});
        close(file);
    });
}
