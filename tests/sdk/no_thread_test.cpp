// SPDX-License-Identifier: Apache-2.0
//
// Errors of a process that cannot start a thread.
#include <pthread.h>

#include <accel/event_loop.hpp>

#include "fixture.hpp"

namespace accel::test {
namespace {

// During its lifetime no thread starts, because its stack would be larger than all addresses.
class NoThreads {
  public:
    NoThreads() {
        EXPECT_EQ(::pthread_getattr_default_np(&before_), 0);
        ::pthread_attr_t huge;
        EXPECT_EQ(::pthread_attr_init(&huge), 0);
        EXPECT_EQ(::pthread_attr_setstacksize(&huge, std::size_t{1} << 47), 0);
        EXPECT_EQ(::pthread_setattr_default_np(&huge), 0);
        ::pthread_attr_destroy(&huge);
    }
    NoThreads(const NoThreads&) = delete;
    NoThreads& operator=(const NoThreads&) = delete;
    NoThreads(NoThreads&&) = delete;
    NoThreads& operator=(NoThreads&&) = delete;
    ~NoThreads() {
        ::pthread_setattr_default_np(&before_);
        ::pthread_attr_destroy(&before_);
    }

  private:
    ::pthread_attr_t before_{};
};

void expect_no_thread(const Error& error) {
    EXPECT_EQ(error.errc(), std::errc::resource_unavailable_try_again);
    expect_says(error, "cannot start a thread", "ulimit -u", "memory");
}

TEST(NoThread, AnEventLoopSaysIt) {
    const NoThreads none;
    expect_no_thread(error_of([] { static_cast<void>(EventLoop::with_thread()); }));
}

TEST(NoThread, AnEmulatedCardSaysIt) {
    for (const char* const name : {"emulated:serial=6401", "emulated:serial=6402,timing=model"}) {
        SCOPED_TRACE(name);
        {
            const NoThreads none;
            const Error error = error_of([&] { static_cast<void>(Device::open(name)); });
            expect_no_thread(error);
            expect_says(error, name);
        }
        EXPECT_TRUE(Device::open(name).info().emulated);
    }
}

}  // namespace
}  // namespace accel::test
