// SPDX-License-Identifier: Apache-2.0
//
// A card that fails is reset by the driver; a card that no reset helps is wedged, until an
// administrator resets it or binds the driver anew.
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <climits>
#include <thread>

#include "commands.hpp"
#include "health.hpp"
#include "sanity.hpp"
#include "stale_context.hpp"
#include "uevents.hpp"

namespace {

class Recovery : public uapi::Health {
  protected:
    void await_state(const std::string& wanted) const {
        uapi::await(wanted.c_str(), [&] { return state() == wanted; });
    }
    /// Makes the driver send an admin command. The result does not matter.
    static void send_admin_command() {
        try {
            const uapi::File file;
            const uapi::Buffer buffer(file, uapi::page);
        } catch (const std::system_error& error) {
            EXPECT_TRUE(error.code().value() == EIO || error.code().value() == ESTALE ||
                        error.code().value() == ENOTRECOVERABLE)
                << error.what();
        }
    }
    /// Wedges the card: it loses its link, and no reset brings it back.
    void wedge() const {
        plant("dead");
        send_admin_command();
        await_state("wedged");
    }
};

TEST_F(Recovery, ACardThatDoesNotAnswerIsReset) {
    const uapi::File file;
    const std::uint64_t generation = file.info().generation;
    uapi::Queue queue(file);
    const uapi::Semaphore never(file);
    const std::uint64_t sequence = queue.submit(uapi::wait_for(never.address(), 1));
    ASSERT_EQ(queue.notify(sequence), 0);
    int ended = 0;
    int ready = 0;
    std::jthread waiter([&] { ended = queue.wait_until(sequence, INT64_MAX); });
    std::jthread poller([&] { ready = file.poll(); });
    uapi::await("arming", [&] { return queue.status().arm == sequence; });
    uapi::Uevents uevents;
    plant("admin");
    send_admin_command();
    waiter.join();
    poller.join();
    EXPECT_EQ(ended, ESTALE);
    EXPECT_NE(ready & POLLHUP, 0);
    const accel_context_query end = uapi::context_of(file);
    EXPECT_EQ(end.reason, ACCEL_REASON_RECOVERY);
    EXPECT_EQ(end.error, static_cast<std::uint32_t>(ESTALE));
    EXPECT_EQ(uevents.await("RECOVERY")["RECOVERY"], "admin");
    EXPECT_EQ(uapi::File().info().generation, generation + 1);
    EXPECT_TRUE(logged("recovery cause=admin"));
    uapi::expect_working_card();
}

TEST_F(Recovery, ACardThatNoResetHelpsIsWedged) {
    uapi::StaleContext old;
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Semaphore never(file);
    const std::uint64_t sequence = queue.submit(uapi::wait_for(never.address(), 1));
    int ended = 0;
    std::jthread waiter([&] { ended = queue.wait_until(sequence, INT64_MAX); });
    uapi::await("arming", [&] { return queue.status().arm == sequence; });
    uapi::Uevents uevents;
    wedge();
    waiter.join();
    // The driver tries a reset first.
    EXPECT_EQ(ended, ESTALE);
    EXPECT_EQ(old.file().poll(), POLLHUP | POLLERR);
    old.expect_every_call(ENOTRECOVERABLE);
    old.expect_stale_mappings();
    EXPECT_EQ(open_error(), ENOTRECOVERABLE);
    EXPECT_FALSE(bus_master());
    EXPECT_EQ(uapi::context_of(file).reason, ACCEL_REASON_WEDGED);
    EXPECT_NE(uapi::read_file("/proc/self/fdinfo/" + std::to_string(file.fd()))
                  .find("accel-state:\twedged"),
              std::string::npos);
    const uapi::Uevents::Properties uevent = uevents.await("WEDGED");
    EXPECT_EQ(uevent.at("WEDGED"), "rebind,bus-reset");
    EXPECT_EQ(uevent.at("ACTION"), "change");
    EXPECT_EQ(uevent.at("DEVNAME"), card().name());
    EXPECT_TRUE(logged("wedged"));
}

TEST_F(Recovery, AResetByTheAdministratorBringsAWedgedCardBack) {
    const uapi::File old;
    wedge();
    plant("none");
    card().reset();
    EXPECT_EQ(state(), "running");
    uapi::expect_working_card();
    // The file of before stays what it is.
    EXPECT_EQ(uapi::context_of(old).reason, ACCEL_REASON_WEDGED);
    accel_info info{};
    EXPECT_EQ(old.call(ACCEL_IOCTL_INFO, info), ENOTRECOVERABLE);
}

TEST_F(Recovery, ANewBindBringsAWedgedCardBack) {
    uapi::StaleContext old;
    wedge();
    plant("none");
    card().unbind();
    old.expect_every_call(ENODEV);
    card().bind();
    EXPECT_EQ(state(), "running");
    uapi::expect_working_card();
}

TEST_F(Recovery, AResetThatDoesNotEndWedgesTheCard) {
    const uapi::File file;
    uapi::Uevents uevents;
    plant("reset");
    card().reset();
    EXPECT_EQ(state(), "wedged");
    EXPECT_EQ(uapi::context_of(file).reason, ACCEL_REASON_WEDGED);
    EXPECT_TRUE(uevents.await("WEDGED").contains("WEDGED"));
}

// The driver waits for the recovery, and the recovery must not wait for the driver.
TEST_F(Recovery, AnUnbindDuringARecoveryEnds) {
    plant("dead");
    send_admin_command();
    card().unbind();
    EXPECT_FALSE(card().bound());
    plant("none");
    card().bind();
    uapi::expect_working_card();
}

}  // namespace
