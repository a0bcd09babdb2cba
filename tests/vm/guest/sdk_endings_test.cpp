// SPDX-License-Identifier: Apache-2.0
//
// The SDK on the real driver: children of fork(), daemon(), waits without an end, and the reasons
// why a device ended.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "accel/accel.hpp"
#include "card.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

using namespace std::chrono_literals;

// The objects of a program. They live until exit(), as many programs have them.
struct Program {
    accel::Device card = accel::Device::open(uapi::Card().node());
    accel::Buffer<float> source = card.allocate<float>({1024});
    accel::Buffer<float> result = card.allocate<float>({1024});
    accel::Buffer<float> device =
        card.allocate<float>({1024}, {.placement = accel::Placement::device_mapped});
    accel::Queue queue = card.create_queue();

    [[nodiscard]] bool works(float value) {
        source.fill(value);
        result.fill(0);
        return queue.submit(accel::copy(result, source)).wait(10s) == accel::WaitResult::done &&
               result[7] == value;
    }
};

std::unique_ptr<Program> program;

class Sdk : public testing::Test {
  protected:
    void SetUp() override { program = std::make_unique<Program>(); }
    void TearDown() override {
        program.reset();
        uapi::expect_working_card();
    }
};

// The exit status of a child, or 128 + the signal that ended it. The child is killed if it hangs.
int status_of(const std::function<void()>& body) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(60);
        body();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// 0 if the call throws the error of a handle in a child.
template <typename Use>
void expect_refused(Use use) {
    try {
        use();
    } catch (const accel::Error& error) {
        if (error.errc() == std::errc::operation_not_permitted) {
            return;
        }
        std::fprintf(stderr, "%s\n", error.what());
    }
    ::_exit(1);
}

std::string contexts_in_use() {
    const uapi::Card card;
    return uapi::read_file(card.folder() / "accel-card" / card.name() / "contexts_used");
}

TEST_F(Sdk, AChildThatExitsLeavesTheParentAlone) {
    ASSERT_TRUE(program->works(3));
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the child has one thread
    EXPECT_EQ(status_of([] { std::exit(0); }), 0);  // destroys the objects
    EXPECT_TRUE(program->works(4));
    EXPECT_EQ(status_of([] { program.reset(); }), 0);
    EXPECT_TRUE(program->works(5));
}

TEST_F(Sdk, AHandleInAChildIsAnErrorAndNoSignal) {
    const accel::Job job = program->queue.submit(accel::copy(program->result, program->source));
    job.wait();
    EXPECT_EQ(status_of([&] {
                  expect_refused([] { program->source.fill(9); });
                  expect_refused([] { program->device.fill(9); });
                  expect_refused([] { program->queue.submit(accel::Nop{}); });
                  expect_refused([] { program->queue.ring_doorbell(); });
                  expect_refused([] { program->queue.reset(); });
                  expect_refused([] { static_cast<void>(program->card.info()); });
                  expect_refused([&] { job.wait(); });
                  // The child opens the card for itself.
                  Program own;
                  if (!own.works(6)) {
                      ::_exit(2);
                  }
              }),
              0);
    EXPECT_TRUE(program->works(7));
}

// The parent of a daemon ends at once. The handles that the daemon inherited hold nothing.
TEST_F(Sdk, ADaemonHoldsNothingOfTheProcessThatOpenedTheCard) {
    program.reset();
    const uapi::Counter done;
    EXPECT_EQ(status_of([&] {
                  Program opened;
                  if (!opened.works(1) || ::daemon(1, 1) != 0) {
                      ::_exit(1);
                  }
                  ::alarm(60);
                  expect_refused([&] { opened.source.fill(2); });
                  expect_refused([&] { opened.queue.submit(accel::Nop{}); });
                  while (std::stoul(contexts_in_use()) != 0) {
                      std::this_thread::sleep_for(5ms);
                  }
                  Program again;
                  done.add(again.works(2) ? 1 : 2);
              }),
              0);
    done.await(1);
    EXPECT_EQ(done.value(), 1U);
    while (std::stoul(contexts_in_use()) != 0) {  // the end of the daemon
        std::this_thread::sleep_for(5ms);
    }
}

TEST_F(Sdk, ATimeoutBeyondNanosecondsIsForEver) {
    program->queue.set_spin(0ns);
    const std::function<bool(const accel::Job&)> waits[] = {
        [](const accel::Job& job) {
            return job.wait(std::chrono::milliseconds::max()) == accel::WaitResult::done;
        },
        [](const accel::Job& job) {
            return job.wait(std::chrono::hours::max()) == accel::WaitResult::done;
        },
        [](const accel::Job& job) {
            return accel::wait_any({&job, 1}, std::chrono::seconds::max()).has_value();
        },
    };
    for (const auto& wait : waits) {
        auto gate = program->card.create_semaphore();
        const accel::Job job = program->queue.submit(gate.wait(1));
        std::jthread opener([&] {
            std::this_thread::sleep_for(20ms);
            gate.set(1);
        });
        EXPECT_TRUE(wait(job));
    }
}

TEST_F(Sdk, AnErrorTellsThatAnAdministratorResetTheCard) {
    const uapi::OneProcessor one;
    EXPECT_FALSE(program->card.ended().has_value());
    uapi::Card().reset();
    try {
        static_cast<void>(program->card.info());
        ADD_FAILURE() << "the call works";
    } catch (const accel::Error& error) {
        EXPECT_EQ(error.code().value(), ESTALE);
        EXPECT_EQ(error.reason(), accel::Reason::reset) << error.what();
    }
    const auto end = program->card.ended();
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->reason, accel::Reason::reset);
    EXPECT_EQ(end->card_generation, end->generation + 1);
    EXPECT_TRUE(Program().works(8));  // open() waits for the end of the reset
}

// The number of a node changes while a file of the old one is open.
TEST_F(Sdk, OpenNamesTheNodeThatTheCardHasNow) {
    const uapi::OneProcessor one;
    const uapi::Card card;
    const std::string old = card.node();
    card.unbind();
    card.bind();
    const std::string now = card.node();
    ASSERT_NE(now, old);
    EXPECT_EQ(program->card.ended()->reason, accel::Reason::removed);
    try {
        static_cast<void>(accel::Device::open(old));
        ADD_FAILURE() << old << " can be opened";
    } catch (const accel::Error& error) {
        EXPECT_NE(std::string(error.what()).find("the nodes of this machine are"),
                  std::string::npos)
            << error.what();
        EXPECT_NE(std::string(error.what()).find(now), std::string::npos) << error.what();
    }
}

}  // namespace
