// SPDX-License-Identifier: Apache-2.0
//
// The peer: NVMe and virtio block devices, by pread and by io_uring with registered buffers. Their
// backend moves no data, so the check is that every read returned all of its bytes.
#include <fcntl.h>
#include <unistd.h>

#include "copies.hpp"
#include "io_uring.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::size_t transfer_size = 4096;

void by_pread(Report& report, int file) {
    constexpr std::uint64_t job_count = 256;
    Pages memory(transfer_size);
    bool right = true;
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t i = 0; i < jobs; ++i) {
            right &=
                pread(file, memory.data(), transfer_size, static_cast<off_t>(i * transfer_size)) ==
                static_cast<ssize_t>(transfer_size);
        }
    };
    Region region(report, "block.pread.1",
                  {.jobs = job_count, .bytes = transfer_size, .interrupts = "nvme"});
    run(32);
    region.begin();
    run(job_count);
    region.end();
    region.verify(right, "a read failed");
}

void by_uring(Report& report, int file, const std::string& name, const std::string& interrupts) {
    constexpr unsigned depth = 32;
    constexpr std::uint64_t job_count = 1024;
    Pages memory(depth * transfer_size);
    IoUring ring(64);
    ring.register_slots(std::as_writable_bytes(memory.span()), depth);
    bool right = true;
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t done = 0; done < jobs; done += depth) {
            for (unsigned i = 0; i < depth; ++i) {
                io_uring_prep_read_fixed(
                    ring.entry(), file,
                    reinterpret_cast<std::byte*>(memory.data()) + i * transfer_size, transfer_size,
                    (done + i) * transfer_size, static_cast<int>(i));
            }
            right &= ring.finish(depth, transfer_size);
        }
    };
    Region region(report, name,
                  {.jobs = job_count, .bytes = transfer_size, .interrupts = interrupts});
    run(4UL * depth);
    region.begin();
    run(job_count);
    region.end();
    region.verify(right, "a read failed");
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const int nvme = open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC);
        require(nvme < 0 ? -errno : 0, "/dev/nvme0n1");
        by_pread(report, nvme);
        by_uring(report, nvme, "block.uring.32", "nvme");
        close(nvme);
        const int virtio = open("/dev/vda", O_RDONLY | O_DIRECT | O_CLOEXEC);
        require(virtio < 0 ? -errno : 0, "/dev/vda");
        by_uring(report, virtio, "virtio.uring.32", "virtio");
        close(virtio);
    });
}
