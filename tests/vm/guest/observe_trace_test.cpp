// SPDX-License-Identifier: Apache-2.0
//
// Tracepoints of the lifetimes of jobs, transfers and cards, read through tracefs. Each test uses
// its own tracing instance.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

class Trace : public testing::Test {
  protected:
    struct Event {
        std::string name;
        std::string text;

        /// The value of `key=`; empty if there is none.
        [[nodiscard]] std::string value(const std::string& key) const {
            const std::string padded = " " + text + " ";
            const std::size_t at = padded.find(" " + key + "=");
            if (at == std::string::npos) {
                return "";
            }
            const std::size_t start = at + key.size() + 2;
            return padded.substr(start, padded.find(' ', start) - start);
        }
    };

    void SetUp() override {
        uapi::require(::mkdir(instance.c_str(), 0700) == 0 ? 0 : errno, instance);
        uapi::require(uapi::write_file(instance + "/buffer_size_kb", "256"), "buffer_size_kb");
        // Names of processes are recorded by a probe in the scheduler. For it the kernel patches
        // code that all processors run, and QEMU 7.2 may then execute the old code forever.
        uapi::require(uapi::write_file(instance + "/trace_options", "norecord-cmd"), "options");
        uapi::require(uapi::write_file(instance + "/events/accel_card/enable", "1"), "enable");
    }
    void TearDown() override { ::rmdir(instance.c_str()); }

    /// The events so far, oldest first.
    [[nodiscard]] static std::vector<Event> events() {
        std::vector<Event> all;
        std::istringstream lines(uapi::read_file(instance + "/trace"));
        for (std::string line; std::getline(lines, line);) {
            const std::size_t at = line.find(": accel_");
            if (line.starts_with('#') || at == std::string::npos) {
                continue;
            }
            const std::size_t colon = line.find(": ", at + 2);
            all.push_back({line.substr(at + 2, colon - at - 2), line.substr(colon + 2)});
        }
        return all;
    }
    /// The names of the events whose `key` has this value, in order; repeated names count once.
    [[nodiscard]] static std::vector<std::string> names(const std::string& key,
                                                        const std::string& value) {
        std::vector<std::string> found;
        for (const Event& event : events()) {
            if (event.value(key) == value && (found.empty() || found.back() != event.name)) {
                found.push_back(event.name);
            }
        }
        return found;
    }
    [[nodiscard]] static Event only(const std::string& name) {
        std::vector<Event> found = events();
        std::erase_if(found, [&](const Event& event) { return event.name != name; });
        EXPECT_EQ(found.size(), 1U) << name;
        return found.empty() ? Event{} : found.front();
    }

    static inline const std::string instance = "/sys/kernel/tracing/instances/accel_test";
};

using Names = std::vector<std::string>;

TEST_F(Trace, ShowsTheLifeOfAJobInOrder) {
    std::string client;
    {
        const uapi::File file;
        uapi::Queue queue(file, 16, 2);
        const uapi::Semaphore gate(file);
        EXPECT_EQ(uapi::wait_asleep(queue, gate), 0);
        client = only("accel_queue_create").value("client");
        EXPECT_EQ(only("accel_queue_create").value("handle"), std::to_string(queue.handle()));
    }
    const Event create = only("accel_queue_create");
    EXPECT_EQ(create.value("entries"), "16");
    EXPECT_EQ(create.value("priority"), "2");
    EXPECT_EQ(names("client", client),
              (Names{"accel_queue_create", "accel_wait_begin", "accel_queue_arm",
                     "accel_queue_wake", "accel_wait_end", "accel_queue_destroy"}));
    EXPECT_EQ(only("accel_wait_begin").value("sequence"), "1");
    EXPECT_EQ(only("accel_wait_begin").value("completed"), "0");
    EXPECT_EQ(only("accel_wait_end").value("completed"), "1");
    EXPECT_EQ(only("accel_wait_end").value("error"), "0");
    // The interrupt of the queue's vector occurs between arming and waking.
    bool armed = false;
    bool interrupted = false;
    for (const Event& event : events()) {
        armed |= event.name == "accel_queue_arm";
        interrupted |=
            armed && event.name == "accel_irq" && event.value("vector") == create.value("vector");
        if (event.name == "accel_queue_wake") {
            EXPECT_TRUE(interrupted);
        }
    }
}

TEST_F(Trace, HasNoEventForAJobWithoutAWait) {
    const uapi::File file;
    uapi::Queue queue(file);
    const std::size_t before = events().size();
    const std::uint64_t sequence = queue.submit(uapi::nop());
    uapi::await("the job", [&] { return queue.status().completed >= sequence; });
    EXPECT_EQ(events().size(), before);
}

TEST_F(Trace, ShowsTheCommandThatStoppedAQueue) {
    const uapi::File file;
    uapi::Queue queue(file);
    queue.run(uapi::nop());
    static_cast<void>(queue.run_to_error(uapi::fill(0x5000, 1, 4)));
    ASSERT_EQ(queue.reset(), 0);
    const Event error = only("accel_queue_error");
    EXPECT_EQ(error.value("handle"), std::to_string(queue.handle()));
    EXPECT_EQ(error.value("status"), "FAULT_UNMAPPED");
    EXPECT_EQ(error.value("sequence"), "2");
    EXPECT_EQ(error.value("address"), "0x5000");
    EXPECT_EQ(error.value("opcode"), "0x11");
    EXPECT_EQ(error.value("list_index"), "-1");
    EXPECT_EQ(only("accel_queue_reset").value("error"), "0");
}

TEST_F(Trace, ShowsTheResultOfAWaitThatTimesOut) {
    const uapi::File file;
    const uapi::Queue queue(file);
    EXPECT_EQ(queue.wait_until(1, 0), ETIMEDOUT);
    EXPECT_EQ(only("accel_wait_end").value("error"), std::to_string(-ETIMEDOUT));
}

TEST_F(Trace, ShowsATransferFromSubmitToComplete) {
    const uapi::File file;
    const uapi::Buffer buffer(file, 2 * uapi::page, uapi::device);
    const std::vector<std::byte> data(5000);
    ASSERT_EQ(::pwrite(file.fd(), data.data(), data.size(), static_cast<off_t>(buffer.address())),
              static_cast<ssize_t>(data.size()));
    const Event submit = only("accel_transfer_submit");
    const Event complete = only("accel_transfer_complete");
    EXPECT_EQ(submit.value("bytes"), "5000");
    EXPECT_TRUE(submit.text.ends_with(" write"));
    EXPECT_EQ(complete.value("sequence"), submit.value("sequence"));
    EXPECT_EQ(complete.value("error"), "0");
    EXPECT_EQ(names("bytes", "5000"), (Names{"accel_transfer_submit", "accel_transfer_complete"}));
}

TEST_F(Trace, ShowsTheCardStopAndStart) {
    uapi::Card().reset();
    EXPECT_EQ(only("accel_card_stop").value("error"), std::to_string(-ESTALE));
    EXPECT_EQ(only("accel_card_start").value("error"), "0");
    EXPECT_EQ(only("accel_card_start").value("generation"),
              only("accel_card_stop").value("generation"));
    uapi::expect_working_card();
}

// The events are removed with the module, also during a recording.
TEST_F(Trace, SurvivesTheRemovalOfTheDriver) {
    ASSERT_EQ(uapi::Card::unload(), 0);
    EXPECT_FALSE(std::filesystem::exists(instance + "/events/accel_card"));
    EXPECT_TRUE(events().empty());
    ASSERT_EQ(uapi::Card::load(), 0);
    EXPECT_TRUE(std::filesystem::exists(instance + "/events/accel_card/accel_irq"));
    uapi::expect_working_card();
}

}  // namespace
