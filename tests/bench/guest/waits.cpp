// SPDX-License-Identifier: Apache-2.0
//
// Submits without the kernel and waits in the kernel: by the ioctl, and by io_uring.
#include <array>
#include <cstring>

#include "copies.hpp"
#include "io_uring.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::size_t batch_size = 32;
constexpr std::size_t transfer_size = 4096;
constexpr QueueOptions sleeping{.spin = std::chrono::nanoseconds(0)};

// Each job has its own wait entry; one system call submits all of them.
void by_uring(Report& report, const Device& card, const std::string& name, unsigned flags) {
    constexpr std::uint64_t job_count = 1024;
    Queue queue = card.create_queue();
    Copies copies(card, batch_size, transfer_size);
    IoUring ring(64, flags);
    bool right = true;
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t done = 0; done < jobs; done += batch_size) {
            for (const Command& command : copies.commands()) {
                const UringWait wait = queue.uring_wait(queue.submit(command));
                io_uring_sqe* const sqe = ring.entry();
                io_uring_prep_rw(IORING_OP_URING_CMD, sqe, wait.fd, nullptr, 0, wait.cmd_op);
                std::memcpy(sqe->cmd, wait.payload.data(), wait.payload.size());
            }
            right &= ring.finish(batch_size);
        }
    };
    copies.poison(queue, 1);
    Region region(report, name, {.jobs = job_count, .bytes = transfer_size, .interrupts = "accel"});
    run(4 * batch_size);
    region.begin();
    run(job_count);
    region.end();
    region.verify(right && copies.arrived(queue), "a wait failed or a copy did not arrive");
}

void by_ioctl(Report& report, const Device& card) {
    constexpr std::uint64_t job_count = 512;
    Queue queue = card.create_queue(sleeping);
    Copies copies(card, batch_size, transfer_size);
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t i = 0; i < jobs; ++i) {
            queue.submit(copies.commands()[i % batch_size]).wait();
        }
    };
    copies.poison(queue, 2);
    Region region(report, "accel.sleep.1",
                  {.jobs = job_count, .bytes = transfer_size, .interrupts = "accel"});
    run(batch_size);
    region.begin();
    run(job_count);
    region.end();
    region.verify(copies.arrived(queue), "a copy did not arrive");
}

// 32 jobs in flight, and one wait for the last of them.
void for_the_last(Report& report, const Device& card) {
    constexpr std::uint64_t job_count = 2048;
    Queue queue = card.create_queue(sleeping);
    Copies copies(card, batch_size, transfer_size);
    const auto run = [&](std::uint64_t jobs) {
        for (std::uint64_t done = 0; done < jobs; done += batch_size) {
            Batch batch = queue.batch();
            for (const Command& command : copies.commands()) {
                batch.add(command);
            }
            batch.submit().wait();
        }
    };
    copies.poison(queue, 3);
    Region region(report, "accel.sleep.32",
                  {.jobs = job_count, .bytes = transfer_size, .interrupts = "accel"});
    run(4 * batch_size);
    region.begin();
    run(job_count);
    region.end();
    region.verify(copies.arrived(queue), "a copy did not arrive");
}

// The latency of one interrupt for 32 jobs: from the submission to the program's knowledge that the
// last job is complete. The program is woken once for the last job, or once for each.
void coalescing(Report& report, const Device& card) {
    constexpr int round_count = 256;
    Queue queue = card.create_queue(sleeping);
    Copies copies(card, batch_size, transfer_size);
    for (const bool each : {false, true}) {
        copies.poison(queue, each ? 4 : 5);
        std::vector<std::uint64_t> samples;
        for (int round = 0; round < round_count; ++round) {
            std::array<Job, batch_size> jobs;
            const std::uint64_t start = now_ns();
            for (std::size_t i = 0; i < batch_size; ++i) {
                jobs.at(i) = queue.submit(copies.commands()[i]);
            }
            if (each) {
                for (const Job& job : jobs) {
                    job.wait();
                }
            } else {
                jobs.back().wait();
            }
            samples.push_back(now_ns() - start);
        }
        report.latency(each ? "accel.sleep.each.latency" : "accel.sleep.32.latency", samples,
                       copies.arrived(queue));
    }
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        by_uring(report, card, "accel.uring.32", 0);
        by_uring(
            report, card, "accel.uring.32.defer",
            IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
        by_ioctl(report, card);
        for_the_last(report, card);
        coalescing(report, card);
    });
}
