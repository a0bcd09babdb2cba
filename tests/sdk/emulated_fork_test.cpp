// SPDX-License-Identifier: Apache-2.0
//
// Emulated cards and processes: fork(), the end of a child, the end of a program with open devices.
#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "child.hpp"
#include "fixture.hpp"

namespace accel::test {
namespace {

void expect_that_it_computes(const Device& card) {
    const auto memory = card.allocate<float>({64});
    Queue queue = card.create_queue();
    queue.submit(fill(memory, 2.5F)).wait();
    EXPECT_EQ(memory[63], 2.5F);
}

bool computes(const Device& card) {
    const auto memory = card.allocate<float>({64});
    Queue queue = card.create_queue();
    queue.submit(fill(memory, 2.5F)).wait();
    return memory[63] == 2.5F;
}

class EmulatedFork : public ::testing::Test {
  protected:
    void SetUp() override {
#ifdef __SANITIZE_THREAD__
        GTEST_SKIP() << "ThreadSanitizer does not follow the threads of a child";
#endif
        expect_that_it_computes(*card);
    }

    std::unique_ptr<Device> card = std::make_unique<Device>(Device::open("emulated"));
};

TEST_F(EmulatedFork, AnInheritedDeviceIsAnErrorInTheChild) {
    EXPECT_EQ(in_child([&] {
                  try {
                      static_cast<void>(card->allocate<int>({1}));
                  } catch (const Error& error) {
                      return error.errc() == std::errc::operation_not_permitted;
                  }
                  return false;
              }),
              0);
    expect_that_it_computes(*card);
}

TEST_F(EmulatedFork, AChildThatDestroysAndExitsEndsNothingOfTheParent) {
    const auto memory = card->allocate<int>({16});
    Queue queue = card->create_queue();
    const Gate gate(*card);
    const Job job = queue.submit(gate.closed());
    EXPECT_EQ(in_child([&] {
                  card.reset();
                  // NOLINTNEXTLINE(concurrency-mt-unsafe): the child has one thread
                  std::exit(0);  // runs the destructors of static objects
                  return false;
              }),
              0);
    EXPECT_FALSE(job.done());
    queue.reset();
    expect_that_it_computes(*card);
}

TEST_F(EmulatedFork, AChildOpensADeviceOfItsOwn) {
    EXPECT_EQ(in_child([&] {
                  const Device own = Device::open("emulated");
                  return computes(own) && own.info().user_contexts.used == 1;
              }),
              0);
    // And a child that has ended the inherited one.
    EXPECT_EQ(in_child([&] {
                  card.reset();
                  const auto own = std::make_unique<Device>(Device::open("emulated"));
                  return computes(*own);
              }),
              0);
    expect_that_it_computes(*card);
}

TEST_F(EmulatedFork, AChildHoldsNoFileDescriptorOfTheParentsDevice) {
    const auto memory = card->allocate_device<int>({16});
    EXPECT_EQ(in_child([] {
                  int found = 0;
                  DIR* const folder = ::opendir("/proc/self/fd");
                  // NOLINTNEXTLINE(concurrency-mt-unsafe): the child has one thread
                  while (const dirent* entry = ::readdir(folder)) {
                      std::array<char, 256> target{};
                      const std::string link = std::string("/proc/self/fd/") + entry->d_name;
                      const auto length = ::readlink(link.c_str(), target.data(), target.size());
                      const std::string_view name(
                          target.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
                      found += name.starts_with("/memfd:accel") ? 1 : 0;
                  }
                  ::closedir(folder);
                  return found == 0;
              }),
              0);
}

TEST_F(EmulatedFork, AProgramThatEndsWithOpenDevicesEndsNormally) {
    EXPECT_EQ(in_child([] {
                  static Device kept = Device::open("emulated");
                  static Queue queue = kept.create_queue();
                  static const auto memory = kept.allocate<float>({64});
                  // A device that nothing destroys. The pointer stays in memory, for leak checkers.
                  static std::atomic<Device*> undestroyed{nullptr};
                  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory)
                  undestroyed = new Device(Device::open("emulated:timing=model"));
                  queue.submit(fill(memory, 1.0F)).wait();
                  std::exit(0);  // NOLINT(concurrency-mt-unsafe)
                  return false;
              }),
              0);
}

// The machine under the hooks of the tests: only they can end a card.
class EmulatedEnd : public SdkTest {};

TEST_F(EmulatedEnd, PollReportsIt) {
    const Device card = open();
    pollfd entry{.fd = card.fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 0);
    driver->remove_card();
    EXPECT_EQ(::poll(&entry, 1, 0), 1);
    EXPECT_NE(entry.revents & POLLHUP, 0);
    EXPECT_NE(entry.revents & POLLERR, 0);
}

TEST_F(EmulatedEnd, PollReportsItWhileAChildOfForkLives) {
    const Device card = open();
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[1]);
        char token = 0;
        [[maybe_unused]] const auto got = ::read(ends[0], &token, 1);
        ::_exit(0);
    }
    driver->remove_card();
    pollfd entry{.fd = card.fd(), .events = POLLIN, .revents = 0};
    // The child closes its descriptors when it first runs, which may be later.
    EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
    EXPECT_NE(entry.revents & POLLHUP, 0);
    ::close(ends[1]);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace accel::test
