// SPDX-License-Identifier: Apache-2.0
//
// The actions of accelctl: validate, bench, events, power cap, reset of a queue and of a card.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "tools.hpp"

namespace {

using Json = nlohmann::json;

class Act : public uapi::ToolTest {
  protected:
    /// The name of this process's queue for the tools.
    [[nodiscard]] static std::string queue_id() {
        const Json clients =
            uapi::document({"accelctl", "info", uapi::card(), "--json"})["clients"];
        for (const Json& client : clients) {
            if (client["pid"] == ::getpid() && !client["queues"].empty()) {
                return std::to_string(client["queues"][0]["id"].get<int>());
            }
        }
        throw std::runtime_error("this process has no queue");
    }
    [[nodiscard]] static std::string last_event(const std::string& name) {
        const Json document = uapi::document({"accelctl", "events", uapi::card(), "--json"});
        std::string found;
        for (const Json& event : document["events"]) {
            found = event["event"] == name ? event.dump() : found;
        }
        return found;
    }
};

// Processes can cause dumps at a limited rate, so the fault is repeated until there is one.
TEST_F(Act, CoredumpExplainsTheDumpOfAFault) {
    const auto dump = uapi::Card().folder() / "devcoredump/data";
    if (std::filesystem::exists(dump)) {
        ASSERT_EQ(uapi::write_file(dump, "1"), 0);
    }
    const uapi::File file;
    uapi::Queue queue(file);
    uapi::await("a dump", [&] {
        static_cast<void>(queue.run_to_error(uapi::fill(0x10000, 1, uapi::page)));
        EXPECT_EQ(queue.reset(), 0);
        ::usleep(200000);
        return std::filesystem::exists(dump);
    });
    const uapi::ToolResult doctor = uapi::run({"accelctl", "doctor"});
    EXPECT_NE(doctor.out.find("accelctl coredump"), std::string::npos) << doctor.out;
    const Json document = uapi::document({"accelctl", "coredump", "--json"});
    std::string meanings;
    for (const Json& section : document["sections"]) {
        for (const Json& entry : section["entries"]) {
            if (entry["meaning"].is_string()) {
                meanings += section["name"].get<std::string>() + ": " +
                            entry["meaning"].get<std::string>() + "\n";
            }
        }
    }
    for (const char* words : {"commands: FILL dst=0x10000 ", "registers: ready, enabled",
                              "page-table: ", "admin: CREATE_QUEUE "}) {
        EXPECT_NE(meanings.find(words), std::string::npos) << words << " in\n" << meanings;
    }
    EXPECT_EQ(uapi::write_file(dump, "1"), 0);
}

TEST_F(Act, ValidateAcceptsAGoodCard) {
    const Json document = uapi::document({"accelctl", "validate", uapi::card(), "--json"});
    EXPECT_EQ(document["failed"], 0) << document.dump(2);
    EXPECT_GE(document["passed"], 16) << document.dump(2);
    for (const Json& check : document["cards"][0]["checks"]) {
        EXPECT_EQ(check["result"],
                  check["name"] == "p2p" && uapi::Card::count() < 2 ? "SKIPPED" : "PASSED")
            << check.dump();
    }
}

TEST_F(Act, ValidateFailsWhenTheLinkIsDegradedOrTheCardHangs) {
    uapi::Monitor monitor;
    monitor.set(0, "trained-width", 1);
    const Json link =
        uapi::document({"accelctl", "validate", uapi::card(), "--only", "link", "--json"}, 1);
    monitor.set(0, "trained-width", 16);
    EXPECT_EQ(link["cards"][0]["checks"][0]["result"], "FAILED");
    monitor.set(0, "defect", "engines");
    const Json copy = uapi::document(
        {"accelctl", "validate", uapi::card(), "--only", "copy", "--timeout", "0.5", "--json"}, 1);
    monitor.set(0, "defect", "none");
    EXPECT_NE(copy["cards"][0]["checks"][0]["detail"].get<std::string>().find("not finished"),
              std::string::npos)
        << copy.dump();
}

TEST_F(Act, BenchMeasuresAndDrawsAChart) {
    const Json document =
        uapi::document({"accelctl", "bench", uapi::card(), "--seconds", "0.005", "--max-size", "1",
                        "--svg", "/results/bench.svg", "--json"});
    EXPECT_EQ(document["latency"].size(), 2U);
    EXPECT_EQ(document["rate"].size(), 5U);
    EXPECT_EQ(document["bandwidth"].size(), 15U);
    for (const Json& point : document["bandwidth"]) {
        EXPECT_GT(point["bytes_per_second"], 0);
    }
    const std::string svg = uapi::read_file("/results/bench.svg");
    EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

TEST_F(Act, PowerCapReachesTheCard) {
    EXPECT_EQ(uapi::document({"accelctl", "power-cap", uapi::card(), "--set", "33.5", "--json"})
                  .at("cap_watts"),
              33.5);
    for (const auto& entry :
         std::filesystem::directory_iterator(uapi::Card(0).folder() / "hwmon")) {
        EXPECT_EQ(uapi::read_file(entry.path() / "power1_cap"), "33500000\n");
    }
    EXPECT_EQ(uapi::run({"accelctl", "power-cap", uapi::card(), "--set", "40"}, true).status, 4);
    EXPECT_EQ(
        uapi::document({"accelctl", "power-cap", uapi::card(), "--max", "--json"}).at("cap_watts"),
        75.0);
}

TEST_F(Act, EventsAreShownAsTheyHappen) {
    uapi::ToolProcess follow({"accelctl", "events", uapi::card(), "--follow", "--json"});
    follow.await_output("\"started\"");
    const uapi::File file;
    uapi::Queue queue(file);
    static_cast<void>(queue.run_to_error(uapi::fill(16, 1, 4)));
    follow.await_output(R"("event":"queue-error")");
    uapi::Monitor monitor;
    monitor.set(0, "ambient", 120000);
    uapi::Queue other(file);
    const uapi::Buffer buffer(file, uapi::page, uapi::device);
    uapi::await("the event of the temperature", [&] {
        other.run(uapi::fill(buffer.address(), 7, uapi::page));
        return follow.out().find(R"("event":"hot")") != std::string::npos;
    });
    monitor.set(0, "ambient", 35000);
    follow.signal(SIGTERM);
    EXPECT_EQ(follow.wait().status, 0);
    const Json event = Json::parse(last_event("queue-error"));
    EXPECT_EQ(event["fields"]["pid"], ::getpid());
    EXPECT_EQ(event["fields"]["status"], static_cast<int>(ACCEL_FAULT_UNMAPPED));
}

TEST_F(Act, AStoppedQueueFailsItsJobsAndWorksAfterAReset) {
    const uapi::File file;
    const uapi::LongJob job(file);
    uapi::Queue queue(file);
    const std::uint64_t sequence = queue.submit(job.command());
    job.started().await(1);
    uapi::Queue innocent(file);
    const Json done = uapi::document(
        {"accelctl", "reset", uapi::card(), "--queue", queue_id(), "--yes", "--json"});
    EXPECT_EQ(done["affected"][0]["pid"], ::getpid());
    EXPECT_EQ(queue.wait(sequence), EIO);
    const accel_queue_query query = queue.query();
    EXPECT_EQ(query.error, static_cast<std::uint32_t>(ACCEL_ABORTED));
    EXPECT_EQ(query.error_sequence, sequence);
    // A program that polls without system calls sees the error, too.
    EXPECT_EQ(queue.status().state, static_cast<std::uint32_t>(ACCEL_QUEUE_ERROR));
    // Its doorbell has no effect, and causes no event.
    queue.ring_doorbell(5);
    EXPECT_EQ(last_event("bad-doorbell"), "");
    EXPECT_NE(last_event("queue-stopped"), "");
    innocent.run(uapi::nop());
    EXPECT_EQ(queue.reset(), 0);
    queue.run(uapi::nop());
    EXPECT_EQ(queue.query().error, 0U);
}

TEST_F(Act, AStoppedQueueCanBeDestroyedQueriedAndStoppedAgain) {
    const uapi::Capacity before = uapi::Capacity::measure();
    {
        const uapi::File file;
        uapi::Queue queue(file);
        queue.run(uapi::nop());
        const std::string id = queue_id();
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(uapi::run({"accelctl", "reset", uapi::card(), "--queue", id, "--yes"}).status,
                      0);
            EXPECT_EQ(queue.query().commands, 1U);
        }
        EXPECT_EQ(queue.destroy(), 0);
    }
    {
        const uapi::File file;
        const uapi::Queue queue(file);
        EXPECT_EQ(
            uapi::run({"accelctl", "reset", uapi::card(), "--queue", queue_id(), "-y"}).status, 0);
    }
    EXPECT_EQ(uapi::Capacity::measure(), before);
}

TEST_F(Act, AnUnusedQueueIsReportedAsUnused) {
    const uapi::ToolResult ended = uapi::run({"accelctl", "reset", uapi::card(), "--queue", "60"});
    EXPECT_EQ(ended.status, 2);
    EXPECT_NE(ended.err.find("no process has queue 60"), std::string::npos) << ended.err;
    EXPECT_EQ(
        uapi::write_file("/sys/class/accel-card/" + uapi::Card(0).name() + "/stop_queue", "x"),
        EINVAL);
}

TEST_F(Act, AResetNamesTheAffectedProcessesAndNeedsConsent) {
    const uapi::OneProcessor one;
    const uapi::File file;
    const uapi::Buffer buffer(file, uapi::page);
    uapi::ToolResult ended = uapi::run({"accelctl", "reset", uapi::card()});
    EXPECT_EQ(ended.status, 2);
    EXPECT_NE(ended.out.find("(pid " + std::to_string(::getpid())), std::string::npos);
    static_cast<void>(file.info());  // throws if the card was reset
    const Json done = uapi::document({"accelctl", "reset", uapi::card(), "--yes", "--json"});
    EXPECT_EQ(done["scope"], "function");
    EXPECT_EQ(done["affected"][0]["pid"], ::getpid());
    accel_info info{};
    EXPECT_EQ(file.call(ACCEL_IOCTL_INFO, info), ESTALE);
    EXPECT_NE(last_event("stopped"), "");
}

TEST_F(Act, APlainUserMayReadButNotChangeTheCard) {
    EXPECT_EQ(uapi::run({"accelctl", "info"}, true).status, 0);
    EXPECT_EQ(uapi::run({"accelctl", "events"}, true).status, 0);
    const uapi::ToolResult reset = uapi::run({"accelctl", "reset", uapi::card()}, true);
    EXPECT_EQ(reset.status, 4);
    EXPECT_NE(reset.err.find("root's"), std::string::npos);
    EXPECT_EQ(uapi::run({"accelctl", "validate", uapi::card()}, true).status, 4);
}

}  // namespace
