// SPDX-License-Identifier: Apache-2.0
//
// The output of lsaccel and accelctl agrees with lspci, QEMU's monitor and the driver.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "tools.hpp"

namespace {

using Json = nlohmann::json;

using uapi::ToolTest;

using Lsaccel = ToolTest;
using Show = ToolTest;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

TEST_F(Lsaccel, AgreesWithLspciOnEveryFieldThatBothShow) {
    if (uapi::run({"lspci", "--version"}).status != 0) {
        GTEST_SKIP() << "there is no lspci";
    }
    for (const char* level : {"-v", "-vv"}) {
        const auto theirs = lines_of(uapi::run({"lspci", level, "-d", "1234:acc1"}).out);
        const auto ours = lines_of(uapi::run({"lsaccel", level}).out);
        const std::set<std::string> known(theirs.begin(), theirs.end());
        std::size_t shared = 0;
        for (const std::string& line : ours) {
            // Fields that lspci does not have use other names.
            const bool own =
                line.find("\tAccelerator:") == 0 || line.find("\tDevice memory:") == 0 ||
                line.find("\tInterrupt vectors:") == 0 || line.find("\tLink errors") == 0 ||
                line.find("\tHeld by:") == 0 || line.find("\tWARNING:") == 0;
            shared += known.contains(line) ? 1 : 0;
            EXPECT_TRUE(own || known.contains(line)) << level << ": " << line;
        }
        // No field of lspci is missing, except registers that do not describe the card.
        const std::set<std::string> mine(ours.begin(), ours.end());
        for (const std::string& line : theirs) {
            const bool left_out = line.find("DevCap2:") != std::string::npos ||
                                  line.find("DevCtl2:") != std::string::npos ||
                                  line.find("LnkSta2:") != std::string::npos ||
                                  line.find("\t\t\t ") == 0;
            EXPECT_TRUE(left_out || mine.contains(line)) << level << ": " << line;
        }
        EXPECT_GT(shared, 20U);
    }
}

TEST_F(Lsaccel, ShowsTheLinkThatTheCardIsTrainedTo) {
    uapi::Monitor monitor;
    monitor.set(0, "trained-width", 2);
    monitor.set(0, "trained-speed", "5");
    const Json device = uapi::document({"lsaccel", "--json"})["devices"][0];
    const std::string text = uapi::run({"lsaccel"}).out;
    monitor.set(0, "trained-width", 16);
    monitor.set(0, "trained-speed", "16");
    for (const Json& link : {device["link"], device["card"]["link"]}) {
        EXPECT_EQ(link["width"], 2);
        EXPECT_EQ(link["speed_gts"], 5.0);
        EXPECT_EQ(link["max_width"], 16);
        EXPECT_TRUE(link["downgraded"]);
    }
    EXPECT_NE(text.find("WARNING: the link runs at 5 GT/s x2"), std::string::npos) << text;
    EXPECT_FALSE(uapi::document({"lsaccel", "--json"})["devices"][0]["link"]["downgraded"]);
}

TEST_F(Lsaccel, CountsLinkErrors) {
    if (uapi::Card::count() < 2 || ::access("/dev/aer_inject", F_OK) != 0) {
        GTEST_SKIP() << "no errors can be injected here";
    }
    const auto count = [] {
        return uapi::document(
                   {"lsaccel", "--json"})["devices"][1]["card"]["aer"]["correctable"]["BadTLP"]
            .get<int>();
    };
    const int before = count();
    struct {
        std::uint8_t bus = 2;
        std::uint8_t device = 0;
        std::uint8_t function = 0;
        std::uint32_t uncorrectable = 0;
        std::uint32_t correctable = 1U << 6;  // a bad packet
        std::uint32_t header[4] = {1, 2, 3, 4};
        std::uint32_t domain = 0;
    } error;
    const uapi::Descriptor file(::open("/dev/aer_inject", O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::write(file.get(), &error, sizeof error), static_cast<ssize_t>(sizeof error));
    uapi::await("the count of the error", [&] { return count() == before + 1; });
}

TEST_F(Lsaccel, NamesTheProcessesThatUseACard) {
    const uapi::File file(uapi::Card(1).node());
    const Json devices = uapi::document({"lsaccel", "--json"})["devices"];
    EXPECT_TRUE(devices[0]["clients"].empty());
    ASSERT_EQ(devices[1]["clients"].size(), 1U);
    EXPECT_EQ(devices[1]["clients"][0]["pid"], ::getpid());
}

TEST_F(Lsaccel, WorksForAPlainUserAndNamesTheHiddenFields) {
    const uapi::File file;
    const uapi::ToolResult ended = uapi::run({"lsaccel", "-vv"}, true);
    EXPECT_EQ(ended.status, 0);
    EXPECT_NE(ended.out.find("Capabilities: <access denied>"), std::string::npos);
    EXPECT_NE(ended.out.find("/dev/accel0, running"), std::string::npos);
    EXPECT_NE(ended.err.find("cannot inspect"), std::string::npos) << ended.err;
}

TEST_F(Show, SensorsMatchTheCard) {
    uapi::Monitor monitor;
    const auto celsius = [&] { return monitor.get(0, "temperature").get<double>() / 1000; };
    for (const int ambient : {35000, 20000}) {
        monitor.set(0, "ambient", ambient);
        const double before = celsius();
        const Json card = uapi::document({"accelctl", "info", uapi::card(), "--json"})["cards"][0];
        const double after = celsius();
        EXPECT_GE(card["sensors"]["celsius"].get<double>(), std::min(before, after) - 0.01);
        EXPECT_LE(card["sensors"]["celsius"].get<double>(), std::max(before, after) + 0.01);
        EXPECT_NEAR(card["sensors"]["watts"].get<double>(),
                    monitor.get(0, "power").get<double>() / 1000, 5);
        EXPECT_EQ(card["sensors"]["clock_hz"].get<double>(),
                  monitor.get(0, "core-clock").get<double>() * 1e6);
    }
    monitor.set(0, "ambient", 35000);
}

TEST_F(Show, AHotCardIsShownThrottledEverywhere) {
    uapi::Monitor monitor;
    monitor.set(0, "ambient", 110000);
    uapi::await("the lower clock", [&] { return monitor.get(0, "core-clock") == 500; });
    const Json card = uapi::document({"accelctl", "info", uapi::card(), "--json"})["cards"][0];
    const Json doctor = uapi::document({"accelctl", "doctor", "--json"});
    const std::string metrics = uapi::run({"accelctl", "metrics"}).out;
    monitor.set(0, "ambient", 35000);
    EXPECT_EQ(card["state"], "throttled");
    EXPECT_EQ(card["sensors"]["clock_hz"], 5e8);
    EXPECT_TRUE(std::any_of(doctor["findings"].begin(), doctor["findings"].end(),
                            [](const Json& finding) { return finding["id"] == "throttled"; }));
    EXPECT_NE(metrics.find("accel_throttled{address=\"" + uapi::Card(0).address()),
              std::string::npos);
    EXPECT_EQ(uapi::document({"accelctl", "info", uapi::card(), "--json"})["cards"][0]["state"],
              "running");
}

TEST_F(Show, CountersAndMemoryMatchTheDriver) {
    const uapi::File file;
    const uapi::Buffer buffer(file, 3 << 20, uapi::device);
    uapi::Queue queue(file);
    queue.run(uapi::fill(buffer.address(), 7, uapi::page));
    const Json document = uapi::document({"accelctl", "info", uapi::card(), "--json"});
    const Json& card = document["cards"][0];
    const std::string folder = "/sys/class/accel-card/" + uapi::Card(0).name() + "/";
    EXPECT_EQ(card["counters"]["commands"].get<std::uint64_t>(),
              std::stoull(uapi::read_file(folder + "counters/commands")));
    EXPECT_EQ(card["memory"]["used"], 3 << 20);
    EXPECT_EQ(card["used"]["queues"], 1);
    const Json& client = document["clients"][0];
    EXPECT_EQ(client["pid"], ::getpid());
    EXPECT_EQ(client["device_bytes"], 3 << 20);
    EXPECT_EQ(client["queues"][0]["completed"], 1);
}

TEST_F(Show, TopShowsTheWorkingProcess) {
    uapi::Process worker([] {
        const uapi::File file;
        const uapi::LongJob job(file);
        uapi::Queue queue(file);
        queue.submit(job.command());
        ::pause();
    });
    uapi::await("a busy engine", [&] {
        const Json document =
            uapi::document({"accelctl", "top", uapi::card(), "--once", "--json", "-i", "0.3"});
        const Json& rates = document["cards"][0]["rates"];
        const auto client =
            std::find_if(document["clients"].begin(), document["clients"].end(),
                         [&](const Json& json) { return json["pid"] == worker.pid(); });
        return rates.is_object() && rates["compute_busy"].get<double>() > 0.9 &&
               client != document["clients"].end() && client->at("queues").size() == 1 &&
               client->at("queues")[0]["pending"] == 1;
    });
    worker.kill();
}

// Its jobs make no progress, and neither the card nor the driver is at fault.
TEST_F(Show, AQueueThatWaitsForASemaphoreIsBlockedAndNotStalled) {
    const uapi::File file;
    const uapi::Semaphore gate(file);
    uapi::Queue queue(file);
    const std::uint64_t sequence = queue.submit(uapi::wait_for(gate.address(), 1));
    uapi::await("a blocked queue", [] {
        const Json document =
            uapi::document({"accelctl", "top", uapi::card(), "--once", "--json", "-i", "0.3"});
        const Json& queues = document["clients"].at(0)["queues"];
        return queues.size() == 1 && queues[0]["activity"] == "blocked" &&
               queues[0]["pending"] == 1 && !queues[0]["stalled"].get<bool>();
    });
    const std::string text =
        uapi::run({"accelctl", "top", uapi::card(), "--once", "-i", "0.3"}).out;
    EXPECT_NE(text.find(" blocked"), std::string::npos) << text;
    gate.set(1);
    queue.ring_doorbell(1);
    EXPECT_EQ(queue.wait(sequence), 0);
}

TEST_F(Show, TopologyShowsThatTwoCardsReachEachOther) {
    if (uapi::Card::count() < 2) {
        GTEST_SKIP() << "this machine has one card";
    }
    const Json peers = uapi::document({"accelctl", "topology", "--json"})["peers"];
    ASSERT_EQ(peers.size(), 4U);
    EXPECT_EQ(peers[1]["from"], uapi::Card(0).address());
    EXPECT_EQ(peers[1]["relation"], "PHB");
    EXPECT_EQ(peers[1]["reach"], "yes") << peers[1]["reason"];
}

TEST_F(Show, OneScreenShowsEveryCard) {
    const uapi::ToolResult ended = uapi::run({"accelctl"});
    EXPECT_EQ(ended.status, 0);
    EXPECT_NE(ended.out.find(uapi::Card(0).address()), std::string::npos);
    EXPECT_NE(ended.out.find("No process holds a card."), std::string::npos);
}

}  // namespace
