// SPDX-License-Identifier: Apache-2.0
//
// What accelctl does to a card: validate, bench, events, power cap, reset of a queue and of a card.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <fstream>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"
#include "tools.hpp"

namespace {

using Json = nlohmann::json;

class Act : public bench::ToolTest {
  protected:
    /// The queue of this process on the card, as the tools call it.
    [[nodiscard]] static std::string queue_id() {
        const Json clients =
            bench::document({"accelctl", "info", bench::card(), "--json"})["clients"];
        for (const Json& client : clients) {
            if (client["pid"] == ::getpid() && !client["queues"].empty()) {
                return std::to_string(client["queues"][0]["id"].get<int>());
            }
        }
        throw std::runtime_error("this process has no queue");
    }
    [[nodiscard]] static std::string last_event(const std::string& name) {
        const bench::Ended ended = bench::run({"accelctl", "events", bench::card(), "--json"});
        std::istringstream lines(ended.out);
        std::string found;
        for (std::string line; std::getline(lines, line);) {
            const Json event = Json::parse(line);
            found = event["event"] == name ? event.dump() : found;
        }
        return found;
    }
};

TEST_F(Act, ValidateFindsACardThatIsAsItShouldBe) {
    const Json document = bench::document({"accelctl", "validate", bench::card(), "--json"});
    EXPECT_EQ(document["failed"], 0) << document.dump(2);
    EXPECT_GE(document["passed"], 16) << document.dump(2);
    for (const Json& check : document["cards"][0]["checks"]) {
        EXPECT_EQ(check["result"],
                  check["name"] == "p2p" && bench::Card::count() < 2 ? "SKIPPED" : "PASSED")
            << check.dump();
    }
}

TEST_F(Act, ValidateFailsWhenTheLinkIsDegradedOrTheCardHangs) {
    bench::Monitor monitor;
    monitor.set(0, "trained-width", 1);
    const Json link =
        bench::document({"accelctl", "validate", bench::card(), "--only", "link", "--json"}, 1);
    monitor.set(0, "trained-width", 16);
    EXPECT_EQ(link["cards"][0]["checks"][0]["result"], "FAILED");
    monitor.set(0, "defect", "engines");
    const Json copy = bench::document(
        {"accelctl", "validate", bench::card(), "--only", "copy", "--timeout", "0.5", "--json"}, 1);
    monitor.set(0, "defect", "none");
    EXPECT_NE(copy["cards"][0]["checks"][0]["detail"].get<std::string>().find("not finished"),
              std::string::npos)
        << copy.dump();
}

TEST_F(Act, BenchMeasuresAndDraws) {
    const Json document =
        bench::document({"accelctl", "bench", bench::card(), "--seconds", "0.005", "--max-size",
                         "1", "--svg", "/results/bench.svg", "--json"});
    EXPECT_EQ(document["latency"].size(), 2U);
    EXPECT_EQ(document["rate"].size(), 5U);
    EXPECT_EQ(document["bandwidth"].size(), 15U);
    for (const Json& point : document["bandwidth"]) {
        EXPECT_GT(point["bytes_per_second"], 0);
    }
    const std::string svg = bench::read_file("/results/bench.svg");
    EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

TEST_F(Act, PowerCapIsTheCards) {
    EXPECT_EQ(bench::document({"accelctl", "power-cap", bench::card(), "--set", "33.5", "--json"})
                  .at("cap_watts"),
              33.5);
    for (const auto& entry :
         std::filesystem::directory_iterator(bench::Card(0).folder() / "hwmon")) {
        EXPECT_EQ(bench::read_file(entry.path() / "power1_cap"), "33500000\n");
    }
    EXPECT_EQ(bench::run({"accelctl", "power-cap", bench::card(), "--set", "40"}, true).status, 4);
    EXPECT_EQ(bench::document({"accelctl", "power-cap", bench::card(), "--max", "--json"})
                  .at("cap_watts"),
              75.0);
}

TEST_F(Act, EventsAreFollowedAsTheyHappen) {
    bench::Running follow({"accelctl", "events", bench::card(), "--follow", "--json"});
    follow.await_output("\"started\"");
    const bench::File file;
    bench::Queue queue(file);
    static_cast<void>(queue.run_to_error(bench::fill(16, 1, 4)));
    follow.await_output(R"("event":"queue-error")");
    bench::Monitor monitor;
    monitor.set(0, "ambient", 120000);
    bench::Queue other(file);
    const bench::Buffer buffer(file, bench::page, bench::device);
    bench::await("the heat", [&] {
        other.run(bench::fill(buffer.address(), 7, bench::page));
        return follow.out().find(R"("event":"hot")") != std::string::npos;
    });
    monitor.set(0, "ambient", 35000);
    follow.signal(SIGTERM);
    EXPECT_EQ(follow.wait().status, 0);
    const Json event = Json::parse(last_event("queue-error"));
    EXPECT_EQ(event["fields"]["pid"], ::getpid());
    EXPECT_EQ(event["fields"]["status"], static_cast<int>(ACCEL_FAULT_UNMAPPED));
}

TEST_F(Act, AStoppedQueueFailsItsJobsAndGoesOnAfterItsOwnerResetIt) {
    const bench::File file;
    const bench::LongJob job(file);
    bench::Queue queue(file);
    const std::uint64_t sequence = queue.submit(job.command());
    job.started().await(1);
    bench::Queue innocent(file);
    const Json done = bench::document(
        {"accelctl", "reset", bench::card(), "--queue", queue_id(), "--yes", "--json"});
    EXPECT_EQ(done["affected"][0]["pid"], ::getpid());
    EXPECT_EQ(queue.wait(sequence), EIO);
    const accel_queue_query query = queue.query();
    EXPECT_EQ(query.error, static_cast<std::uint32_t>(ACCEL_ABORTED));
    EXPECT_EQ(query.error_sequence, sequence);
    // What polls without a system call sees it, too.
    EXPECT_EQ(queue.status().state, static_cast<std::uint32_t>(ACCEL_QUEUE_ERROR));
    // Its doorbell leads nowhere, and reports nothing.
    queue.ring_doorbell(5);
    EXPECT_EQ(last_event("bad-doorbell"), "");
    EXPECT_NE(last_event("queue-stopped"), "");
    innocent.run(bench::nop());
    EXPECT_EQ(queue.reset(), 0);
    queue.run(bench::nop());
    EXPECT_EQ(queue.query().error, 0U);
}

TEST_F(Act, AStoppedQueueCanBeDestroyedAskedAndStoppedAgain) {
    const bench::Capacity before = bench::Capacity::measure();
    {
        const bench::File file;
        bench::Queue queue(file);
        queue.run(bench::nop());
        const std::string id = queue_id();
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(
                bench::run({"accelctl", "reset", bench::card(), "--queue", id, "--yes"}).status, 0);
            EXPECT_EQ(queue.query().commands, 1U);
        }
        EXPECT_EQ(queue.destroy(), 0);
    }
    {
        const bench::File file;
        const bench::Queue queue(file);
        EXPECT_EQ(
            bench::run({"accelctl", "reset", bench::card(), "--queue", queue_id(), "-y"}).status,
            0);
    }
    EXPECT_EQ(bench::Capacity::measure(), before);
}

TEST_F(Act, AQueueThatIsNobodysIsNamedAsSuch) {
    const bench::Ended ended = bench::run({"accelctl", "reset", bench::card(), "--queue", "60"});
    EXPECT_EQ(ended.status, 2);
    EXPECT_NE(ended.err.find("no process has queue 60"), std::string::npos) << ended.err;
    EXPECT_EQ(
        bench::write_file("/sys/class/accel-card/" + bench::Card(0).name() + "/stop_queue", "x"),
        EINVAL);
}

TEST_F(Act, AResetNamesWhoIsHurtAndWantsAYes) {
    const bench::OneProcessor one;
    const bench::File file;
    const bench::Buffer buffer(file, bench::page);
    bench::Ended ended = bench::run({"accelctl", "reset", bench::card()});
    EXPECT_EQ(ended.status, 2);
    EXPECT_NE(ended.out.find("(pid " + std::to_string(::getpid())), std::string::npos);
    static_cast<void>(file.info());  // nothing happened
    const Json done = bench::document({"accelctl", "reset", bench::card(), "--yes", "--json"});
    EXPECT_EQ(done["scope"], "function");
    EXPECT_EQ(done["affected"][0]["pid"], ::getpid());
    accel_info info{};
    EXPECT_EQ(file.call(ACCEL_IOCTL_INFO, info), ESTALE);
    EXPECT_NE(last_event("stopped"), "");
}

TEST_F(Act, AUserMayLookAndNotTouch) {
    EXPECT_EQ(bench::run({"accelctl", "info"}, true).status, 0);
    EXPECT_EQ(bench::run({"accelctl", "events"}, true).status, 0);
    const bench::Ended reset = bench::run({"accelctl", "reset", bench::card()}, true);
    EXPECT_EQ(reset.status, 4);
    EXPECT_NE(reset.err.find("root's"), std::string::npos);
    EXPECT_EQ(bench::run({"accelctl", "validate", bench::card()}, true).status, 4);
}

}  // namespace
