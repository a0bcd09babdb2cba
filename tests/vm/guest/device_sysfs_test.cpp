// SPDX-License-Identifier: Apache-2.0
//
// sysfs and hwmon: all values are correct.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

class Sysfs : public testing::Test {
  protected:
    [[nodiscard]] std::filesystem::path folder() const {
        const std::string node = card_.node();
        return "/sys/class/accel-card/" + node.substr(node.rfind('/') + 1);
    }
    [[nodiscard]] std::string text(const std::string& name) const {
        std::string all = uapi::read_file(folder() / name);
        EXPECT_TRUE(all.ends_with('\n')) << name;
        all.pop_back();
        return all;
    }
    [[nodiscard]] std::uint64_t number(const std::string& name) const {
        return std::stoull(text(name));
    }
    [[nodiscard]] std::filesystem::path hwmon() const {
        for (const auto& entry : std::filesystem::directory_iterator(card_.folder() / "hwmon")) {
            return entry.path();
        }
        throw std::runtime_error("no hwmon");
    }

    uapi::Card card_;
};

TEST_F(Sysfs, DescribesTheCard) {
    const accel_info info = uapi::File().info();
    EXPECT_EQ(std::stoull(text("serial"), nullptr, 16), info.serial);
    EXPECT_EQ(number("memory_size"), info.memory_size);
    EXPECT_EQ(text("hardware_version"), std::to_string(info.hw_version >> 16) + "." +
                                            std::to_string(info.hw_version & 0xffff));
    EXPECT_EQ(number("generation"), info.generation);
    EXPECT_EQ(text("state"), "running");
}

TEST_F(Sysfs, CountsObjectsInUse) {
    EXPECT_EQ(number("contexts_used"), 0U);
    EXPECT_EQ(number("queues_used"), 0U);
    EXPECT_EQ(number("memory_used"), 0U);
    {
        const uapi::File file;
        const uapi::Queue one(file);
        const uapi::Queue two(file);
        const uapi::Buffer buffer(file, 3 * uapi::page, uapi::device);
        EXPECT_EQ(number("contexts_used"), 1U);
        EXPECT_EQ(number("queues_used"), 2U);
        EXPECT_EQ(number("memory_used"), 3 * uapi::page);
    }
    EXPECT_EQ(number("contexts_used"), 0U);
    EXPECT_EQ(number("queues_used"), 0U);
    EXPECT_EQ(number("memory_used"), 0U);
}

TEST_F(Sysfs, CountsTheWorkOfTheCard) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Buffer buffer(file, uapi::page, uapi::device);
    const std::uint64_t commands = number("counters/commands");
    const std::uint64_t written = number("counters/memory_written_bytes");
    const std::uint64_t faults = number("counters/faults");
    queue.run(uapi::fill(buffer.address(), 7, uapi::page));
    queue.run(uapi::nop());
    EXPECT_EQ(number("counters/commands") - commands, 2U);
    EXPECT_EQ(number("counters/memory_written_bytes") - written, uapi::page);
    EXPECT_EQ(queue.run_to_error(uapi::fill(16, 1, 4)).error,
              static_cast<std::uint32_t>(ACCEL_FAULT_UNMAPPED));
    EXPECT_EQ(number("counters/faults") - faults, 1U);
}

// Tools read the counters twice: the difference is the work in between.
TEST_F(Sysfs, ShowsHowBusyTheEnginesAre) {
    const accel_info info = uapi::File().info();
    EXPECT_EQ(number("engines/dma_count"), info.engines & 0xff);
    EXPECT_EQ(number("engines/compute_count"), info.engines >> 8);
    const std::uint64_t clock = number("engines/clock_ns");
    const std::uint64_t dma = number("engines/dma_busy_ns");
    const std::uint64_t compute = number("engines/compute_busy_ns");
    const uapi::File file;
    const uapi::Product product(file, 64, 5);
    uapi::Queue queue(file);
    queue.run(product.command());
    const std::uint64_t busy = number("engines/compute_busy_ns") - compute;
    const std::uint64_t passed = number("engines/clock_ns") - clock;
    EXPECT_GT(busy, 0U);
    EXPECT_LE(busy, passed * (info.engines >> 8));
    EXPECT_EQ(number("engines/dma_busy_ns"), dma);
}

// The files of the PCI core, which lspci and other programs read.
TEST_F(Sysfs, HasTheStandardLinkAttributes) {
    for (const char* name : {"current_link_speed", "max_link_speed"}) {
        EXPECT_NE(text("device/" + std::string(name)).find("GT/s"), std::string::npos) << name;
    }
    EXPECT_GE(number("device/current_link_width"), 1U);
    EXPECT_LE(number("device/current_link_width"), number("device/max_link_width"));
}

TEST_F(Sysfs, CountsResets) {
    const std::uint64_t before = number("generation");
    card_.reset();
    EXPECT_EQ(number("generation"), before + 1);
    EXPECT_EQ(text("state"), "running");
    uapi::expect_working_card();
}

struct Event {
    std::uint64_t sequence = 0;
    std::uint64_t time = 0;
    std::string name;
    std::string fields;
};

std::vector<Event> parse_events(const std::string& text) {
    std::vector<Event> events;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        Event event;
        words >> event.sequence >> event.time >> event.name;
        std::getline(words >> std::ws, event.fields);
        events.push_back(event);
    }
    return events;
}

TEST_F(Sysfs, ReportsEventsInOrderAndWithoutGaps) {
    card_.reset();
    const auto events = parse_events(text("events") + "\n");
    ASSERT_GE(events.size(), 2U);
    for (std::size_t i = 1; i < events.size(); ++i) {
        EXPECT_GT(events[i].sequence, events[i - 1].sequence);
        EXPECT_GE(events[i].time, events[i - 1].time);
    }
    EXPECT_EQ(events.rbegin()[1].name, "stopped");
    EXPECT_EQ(events.back().name, "started");
    EXPECT_EQ(events.back().sequence, events.rbegin()[1].sequence + 1);
    EXPECT_EQ(events.back().fields, "generation=" + text("generation"));
}

TEST_F(Sysfs, ErrorsOfQueuesDoNotEvictEventsOfTheCard) {
    const auto started = [&] {
        std::uint64_t sequence = 0;
        for (const Event& event : parse_events(text("events"))) {
            sequence = event.name == "started" ? event.sequence : sequence;
        }
        return sequence;
    };
    const std::uint64_t before = started();
    ASSERT_NE(before, 0U);
    const uapi::File file;
    uapi::Queue queue(file);
    for (int i = 0; i < 40; ++i) {
        static_cast<void>(queue.run_to_error(uapi::fill(16, 1, 4)));
        ASSERT_EQ(queue.reset(), 0);
    }
    EXPECT_EQ(started(), before);
    const auto events = parse_events(text("events"));
    EXPECT_LE(events.size(), 32U);
    EXPECT_EQ(std::count_if(events.begin(), events.end(),
                            [](const Event& event) { return event.name == "queue-error"; }),
              16);
    EXPECT_NE(events.back().fields.find("pid=" + std::to_string(::getpid())), std::string::npos)
        << events.back().fields;
}

TEST_F(Sysfs, LogsEachSettingThatAnAdministratorChanges) {
    for (const char* name : {"time_limit_ms", "quota/queues", "quota/host_memory"}) {
        const std::string value = text(name);
        uapi::require(uapi::write_file(folder() / name, value), name);
        const Event last = parse_events(text("events")).back();
        EXPECT_EQ(last.name, "setting");
        EXPECT_EQ(last.fields, "name=" + std::filesystem::path(name).filename().string() +
                                   " value=" + value + " pid=" + std::to_string(::getpid()));
    }
}

TEST_F(Sysfs, NamesProcessesByTheirNumbersInTheNamespaceOfTheReader) {
    const auto last = [&] { return parse_events(text("events")).back().fields; };
    uapi::Process outer([&] {
        uapi::require(::unshare(CLONE_NEWPID) == 0 ? 0 : errno, "unshare");
        uapi::Process inner([&] {
            const uapi::File file;
            uapi::Queue queue(file);
            static_cast<void>(queue.run_to_error(uapi::fill(16, 1, 4)));
            uapi::check(last().ends_with(" pid=1"), "the first process is not number 1");
        });
        uapi::check(inner.wait() == 0, "the process in the namespace failed");
    });
    EXPECT_EQ(outer.wait(), 0);
    EXPECT_NE(last().find(" pid="), std::string::npos) << last();
    EXPECT_FALSE(last().ends_with(" pid=1")) << last();
}

TEST_F(Sysfs, WakesPollersForEvents) {
    const uapi::Descriptor events(::open((folder() / "events").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> text{};
    ASSERT_GT(::read(events.get(), text.data(), text.size()), 0);
    pollfd fd{.fd = events.get(), .events = POLLPRI, .revents = 0};
    EXPECT_EQ(::poll(&fd, 1, 0), 0);
    const uapi::File file;
    uapi::Queue queue(file);
    static_cast<void>(queue.run_to_error(uapi::fill(16, 1, 4)));
    EXPECT_EQ(::poll(&fd, 1, 60000), 1);
    EXPECT_NE(fd.revents & POLLPRI, 0);
}

TEST_F(Sysfs, LetsOnlyRootStopAQueue) {
    const uapi::File file;
    uapi::Queue queue(file);
    const auto stop = folder() / "stop_queue";
    uapi::Process user([&] {
        uapi::become_user();
        uapi::check(uapi::write_file(stop, "0") == EACCES, "a plain user could write it");
    });
    EXPECT_EQ(user.wait(), 0);
    queue.run(uapi::nop());
    for (const auto& [text, error] : {std::pair<std::string, int>{"", 0},
                                      {"x", EINVAL},
                                      {"-1", EINVAL},
                                      {"4294967296", ERANGE},
                                      {"4294967295", ENOENT},
                                      {"63", ENOENT}}) {
        if (!text.empty()) {
            EXPECT_EQ(uapi::write_file(stop, text), error) << text;
        }
    }
    queue.run(uapi::nop());
}

TEST_F(Sysfs, TellsTheOwnerWhyItsQueueStopped) {
    const uapi::File file;
    uapi::Queue queue(file);
    const uapi::Semaphore never(file);
    const std::uint64_t sequence = queue.submit(uapi::wait_for(never.address(), 1));
    EXPECT_EQ(queue.query().reason, std::uint32_t{ACCEL_REASON_NONE});
    const auto id = (queue.created().doorbell - (1ULL << 30)) / ACCEL_DOORBELL_STRIDE;
    ASSERT_EQ(uapi::write_file(folder() / "stop_queue", std::to_string(id)), 0);
    EXPECT_EQ(queue.wait(sequence), EIO);
    EXPECT_EQ(queue.query().error, std::uint32_t{ACCEL_ABORTED});
    EXPECT_EQ(queue.query().reason, std::uint32_t{ACCEL_REASON_STOPPED});
    EXPECT_EQ(uapi::write_file(folder() / "stop_queue", std::to_string(id)), EALREADY);
    ASSERT_EQ(queue.reset(), 0);
    EXPECT_EQ(queue.query().reason, std::uint32_t{ACCEL_REASON_NONE});
    queue.run(uapi::nop());
}

TEST_F(Sysfs, ShowsTheSensors) {
    const long temperature = std::stol(uapi::read_file(hwmon() / "temp1_input"));
    EXPECT_GT(temperature, 0);
    EXPECT_LT(temperature, 120'000);
    EXPECT_GT(std::stol(uapi::read_file(hwmon() / "power1_input")), 0);
    EXPECT_EQ(uapi::read_file(hwmon() / "name"), "accel\n");
    const unsigned long clock = std::stoul(uapi::read_file(hwmon() / "freq1_input"));
    EXPECT_GE(clock, 1'000'000U);
    EXPECT_EQ(clock % 1'000'000, 0U);
    EXPECT_EQ(uapi::read_file(hwmon() / "freq1_label"), "core\n");
}

TEST_F(Sysfs, LetsOnlyRootSetThePowerCapWithinItsBounds) {
    const auto cap = hwmon() / "power1_cap";
    const std::string before = uapi::read_file(cap);
    const long lowest = std::stol(uapi::read_file(hwmon() / "power1_cap_min"));
    const long highest = std::stol(uapi::read_file(hwmon() / "power1_cap_max"));
    ASSERT_LT(lowest, highest);
    EXPECT_EQ(uapi::write_file(cap, std::to_string(lowest)), 0);
    EXPECT_EQ(std::stol(uapi::read_file(cap)), lowest);
    EXPECT_EQ(uapi::write_file(cap, std::to_string(lowest - 1000)), EINVAL);
    EXPECT_EQ(uapi::write_file(cap, std::to_string(highest + 1000)), EINVAL);
    EXPECT_EQ(uapi::write_file(cap, "-1"), EINVAL);
    EXPECT_EQ(std::stol(uapi::read_file(cap)), lowest);
    uapi::Process user([&] {
        uapi::become_user();
        uapi::check(uapi::write_file(cap, std::to_string(highest)) == EACCES,
                    "a plain user could write it");
        uapi::check(!uapi::read_file(cap).empty(), "a plain user cannot read it");
    });
    EXPECT_EQ(user.wait(), 0);
    EXPECT_EQ(uapi::write_file(cap, before), 0);
}

}  // namespace
