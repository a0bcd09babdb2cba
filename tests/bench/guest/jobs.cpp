// SPDX-License-Identifier: Apache-2.0
//
// Submits and reaps jobs through the public API, without the kernel: in batches, one by one, small
// and large, with commands that are built once or for each job.
#include <deque>

#include "copies.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::size_t batch_size = 32;
// Enough jobs to hide a tick of the kernel's clock, which occurs every four million instructions.
constexpr std::uint64_t job_count = 16384;
constexpr std::size_t small = 4096;
constexpr std::size_t large = 65536;

// `fresh`: each command is built for its job, and not once for all jobs.
void batches(Report& report, const Device& card, const std::string& name, std::size_t bytes,
             bool fresh) {
    Queue queue = card.create_queue();
    Copies copies(card, batch_size, bytes);
    const auto run = [&](Region& region, std::uint64_t jobs) {
        for (std::uint64_t done = 0; done < jobs; done += batch_size) {
            Batch batch = queue.batch();
            if (fresh) {
                for (std::size_t i = 0; i < batch_size; ++i) {
                    batch.add(copies.fresh(i));
                }
            } else {
                for (const Command& command : copies.commands()) {
                    batch.add(command);
                }
            }
            const Job job = batch.submit();
            see_finished(region, queue, job);
        }
    };
    copies.poison(queue, fresh ? 3 : 1);
    Region region(report, name, {.jobs = job_count, .bytes = bytes, .interrupts = "accel"});
    run(region, 4 * batch_size);
    region.begin();
    run(region, job_count);
    region.end();
    region.verify(copies.arrived(queue), "a copy did not arrive");
}

void one_by_one(Report& report, const Device& card) {
    Queue queue = card.create_queue();
    Copies copies(card, batch_size, small);
    const auto commands = copies.commands();
    const auto run = [&](Region& region, std::uint64_t jobs) {
        for (std::uint64_t i = 0; i < jobs; ++i) {
            const Job job = queue.submit(commands[i % batch_size]);
            see_finished(region, queue, job);
        }
    };
    copies.poison(queue, 2);
    Region region(report, "accel.submit.1",
                  {.jobs = job_count, .bytes = small, .interrupts = "accel"});
    run(region, 2 * batch_size);
    region.begin();
    run(region, job_count);
    region.end();
    region.verify(copies.arrived(queue), "a copy did not arrive");
}

// Always 32 jobs in flight: each complete job is replaced, so the card is never idle. The plugin
// counts the doorbells that reach the card.
void kept_busy(Report& report, const Device& card) {
    Queue queue = card.create_queue();
    Copies copies(card, batch_size, large);
    const auto commands = copies.commands();
    copies.poison(queue, 4);
    Region region(report, "accel.busy.32",
                  {.jobs = job_count, .bytes = large, .interrupts = "accel"});
    std::deque<Job> flying;
    std::uint64_t next = 0;
    const auto submit = [&] { flying.push_back(queue.submit(commands[next++ % batch_size])); };
    while (flying.size() < batch_size) {
        submit();
    }
    const auto replace_oldest = [&] {
        region.pause();
        while (queue.pending() == batch_size) {
        }
        region.resume();
        if (!flying.front().done()) {
            std::terminate();
        }
        flying.pop_front();
        submit();
    };
    for (std::size_t i = 0; i < 2 * batch_size; ++i) {
        replace_oldest();
    }
    const std::uint64_t doorbells = queue.doorbells();
    region.begin();
    for (std::uint64_t i = 0; i < job_count; ++i) {
        replace_oldest();
    }
    region.end();
    region.note("doorbells", queue.doorbells() - doorbells);
    queue.synchronize();
    region.verify(copies.arrived(queue), "a copy did not arrive");
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        batches(report, card, "accel.submit.32", small, false);
        batches(report, card, "accel.copy.64k", large, false);
        one_by_one(report, card);
        batches(report, card, "accel.submit.fresh.32", small, true);
        kept_busy(report, card);
    });
}
