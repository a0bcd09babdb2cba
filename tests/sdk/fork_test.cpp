// SPDX-License-Identifier: Apache-2.0
//
// fork(): a child may destroy the handles that it inherits, and every other use throws. Nothing of
// the parent changes, whatever its threads do at that moment.
#include <atomic>
#include <cstdio>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "child.hpp"
#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;

// Everything that a program holds, so that a child can destroy it.
struct Program {
    explicit Program(Device opened) : card(std::move(opened)) {
        list.add(Nop{});
        list.close();
    }

    Device card;
    Buffer<float> host = card.allocate<float>({16});
    Buffer<float> device = card.allocate_device<float>({16});
    Queue queue = card.create_queue();
    CommandList list = card.create_command_list();
    Semaphore semaphore = card.create_semaphore();
};

class ForkTest : public SdkTest {
  protected:
    void SetUp() override { program.emplace(open()); }
    void TearDown() override {
        program.reset();
        SdkTest::TearDown();
    }

    // Whether the parent's objects still work.
    void expect_that_the_parent_works() {
        program->queue.submit(fill(program->host, 3.0F)).wait();
        EXPECT_EQ(program->host[7], 3.0F);
    }

    std::optional<Program> program;
};

TEST_F(ForkTest, AChildThatDestroysEveryHandleReachesNeitherDriverNorCard) {
    expect_that_the_parent_works();
    const std::uint64_t calls = driver->calls();
    const std::uint64_t rings = driver->rings();
    const int fd = program->card.fd();
    EXPECT_EQ(in_child([&] {
                  program.reset();
                  return driver->calls() == calls && driver->rings() == rings &&
                         driver->closed_in_child() == std::vector<int>{fd};
              }),
              0);
    EXPECT_EQ(driver->calls(), calls);
    expect_that_the_parent_works();
}

TEST_F(ForkTest, LoopsAndRequestsEndInAChildAndEachUseThrows) {
    Gate gate(program->card);
    EventLoop loop;
    std::optional<EventLoop> threaded(EventLoop::with_thread());
    std::optional<RequestQueue> requests(std::in_place, program->card);
    std::optional<DeviceGroup> group(std::in_place, std::span<const Device>(&program->card, 1));
    std::optional<Pipeline> pipeline(
        std::in_place, program->card, PipelineOptions{.inputs = {64}, .outputs = {64}},
        [](Queue& queue, std::span<const Operand>) { return queue.submit(Nop{}); });
    Request request = requests->submit(gate.closed());
    const Job job = program->queue.submit(gate.closed());
    std::atomic<int> calls = 0;
    job.then(loop, [&](const JobResult&) { ++calls; });
    job.then(*threaded, [&](const JobResult&) { ++calls; });
    std::jthread waiter([&] { request.wait(); });  // its condition variable has a waiter
    std::this_thread::sleep_for(2ms);
    const NamedUse uses[] = {
        {"then", [&] { job.then(loop, [](const JobResult&) {}); }},
        {"run_once", [&] { loop.run_once(); }},
        {"post", [&] { threaded->post([] {}); }},
        {"stop", [&] { threaded->stop(); }},
        {"loop fd", [&] { static_cast<void>(loop.fd()); }},
        {"request", [&] { requests->submit(Nop{}); }},
        {"wait", [&] { request.wait(); }},
        {"cancel", [&] { static_cast<void>(request.cancel()); }},
        {"synchronize", [&] { requests->synchronize(); }},
        {"group",
         [&] { group->submit([](Queue& queue, std::size_t) { return queue.submit(Nop{}); }); }},
        {"cards", [&] { static_cast<void>(group->cards()); }},
        {"pipeline", [&] { pipeline->submit({program->host}, {program->host}); }},
    };
    EXPECT_EQ(in_child([&] {
                  const bool right = request.done() && each_use_throws(uses);
                  loop = EventLoop();
                  threaded.reset();
                  request = Request();
                  requests.reset();
                  group.reset();
                  pipeline.reset();
                  return right && calls == 0;
              }),
              0);
    gate.open();
    waiter.join();
    loop.run_once();
    while (calls < 2) {
        std::this_thread::yield();
    }
    threaded.reset();
    pipeline.reset();
    group.reset();
    requests.reset();
    expect_that_the_parent_works();
}

TEST_F(ForkTest, EachUseInAChildThrows) {
    const Job job = program->queue.submit(fill(program->host, 1.0F));
    job.wait();
    Program& p = *program;
    std::vector<float> mine(16);
    const NamedUse uses[] = {
        {"info", [&] { static_cast<void>(p.card.info()); }},
        {"ended", [&] { static_cast<void>(p.card.ended()); }},
        {"fd", [&] { static_cast<void>(p.card.fd()); }},
        {"allocate", [&] { static_cast<void>(p.card.allocate<int>({1})); }},
        {"register", [&] { static_cast<void>(p.card.register_memory(std::span(mine))); }},
        {"create_queue", [&] { static_cast<void>(p.card.create_queue()); }},
        {"create_semaphore", [&] { static_cast<void>(p.card.create_semaphore()); }},
        {"buffer", [&] { p.host[0] = 1; }},
        {"slice", [&] { p.host.slice(1, 2).fill(1); }},
        {"semaphore", [&] { p.semaphore.set(1); }},
        {"submit", [&] { p.queue.submit(Nop{}); }},
        {"submit tensor", [&] { p.queue.submit(fill(p.host, 1.0F)); }},
        {"submit list", [&] { p.queue.submit(p.list); }},
        {"try_submit", [&] { static_cast<void>(p.queue.try_submit(Nop{})); }},
        {"batch", [&] { p.queue.batch().add(Nop{}); }},
        {"synchronize", [&] { p.queue.synchronize(); }},
        {"reset", [&] { p.queue.reset(); }},
        {"doorbell", [&] { p.queue.ring_doorbell(); }},
        {"notify", [&] { p.queue.notify(job); }},
        {"uring_wait", [&] { static_cast<void>(p.queue.uring_wait(job)); }},
        {"pending", [&] { static_cast<void>(p.queue.pending()); }},
        {"stats", [&] { static_cast<void>(p.queue.stats()); }},
        {"failure", [&] { static_cast<void>(p.queue.failure()); }},
        {"wait", [&] { job.wait(); }},
        {"wait for a time", [&] { static_cast<void>(job.wait(1s)); }},
        {"upload", [&] { upload(p.card, p.queue, p.device, mine); }},
    };
    const std::uint64_t calls = driver->calls();
    EXPECT_EQ(in_child([&] {
                  bool all = true;
                  for (const auto& [name, use] : uses) {
                      std::string text = "nothing was thrown";
                      try {
                          use();
                      } catch (const Error& error) {
                          text = error.what();
                          if (error.errc() == std::errc::operation_not_permitted &&
                              text.find("fork()") != std::string::npos) {
                              continue;
                          }
                      }
                      std::fprintf(stderr, "%s: %s\n", name, text.c_str());
                      all = false;
                  }
                  return all && driver->calls() == calls;
              }),
              0);
    expect_that_the_parent_works();
}

TEST_F(ForkTest, NoLoopInAChildWaitsForAJobOfTheParent) {
    const Gate gate(program->card);
    const Job jobs[] = {program->queue.submit(gate.closed()), program->queue.submit(Nop{})};
    EXPECT_EQ(in_child([&] { return jobs[0].done() && wait_any(jobs).has_value(); }), 0);
    EXPECT_FALSE(jobs[0].done());
    program->queue.reset();
}

TEST_F(ForkTest, AnOpenBatchStaysTheParents) {
    Batch batch = program->queue.batch();
    batch.add(Nop{});
    EXPECT_EQ(in_child([&] {
                  try {
                      batch.add(Nop{});
                  } catch (const Error&) {
                      const Batch gone = std::move(batch);
                      return true;
                  }
                  return false;
              }),
              0);
    batch.add(fill(program->host, 5.0F)).submit().wait();
    EXPECT_EQ(program->host[0], 5.0F);
}

TEST_F(ForkTest, AChildOfAChildIsAChild) {
    EXPECT_EQ(in_child([&] {
                  return in_child([&] {
                             program.reset();
                             return true;
                         }) == 0;
              }),
              0);
    expect_that_the_parent_works();
}

// The library's locks are in any state when another thread forks.
TEST_F(ForkTest, AChildEndsWhateverTheParentsThreadsDo) {
    std::atomic<bool> stop{false};
    std::jthread worker([&] {
        const Device card = program->card.alias();
        Queue queue = card.create_queue();
        while (!stop) {
            // The buffer retires, as its handle goes before the job is over.
            queue.submit(fill(card.allocate<float>({64}), 1.0F));
            const Queue other = card.create_queue();
        }
        queue.synchronize();
    });
    for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(in_child([&] {
                      program.reset();
                      return true;
                  }),
                  0)
            << "child " << i;
    }
    stop = true;
    worker.join();
    expect_that_the_parent_works();
}

}  // namespace
}  // namespace accel::test
