// SPDX-License-Identifier: Apache-2.0
//
// The tools with a card that hangs, dies or is unplugged while they run; and `accelctl doctor` on
// typical problems of administrators.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
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

using uapi::ToolTest;

class Hung : public ToolTest {
  protected:
    void TearDown() override {
        if (!IsSkipped()) {
            uapi::Monitor().set(0, "defect", "none");
        }
        ToolTest::TearDown();
    }
    /// QEMU with two processors may crash in a reset; see OneProcessor.
    uapi::OneProcessor one_;
};

TEST_F(Hung, EnginesAreReportedStalledAndAFunctionResetRepairsThem) {
    uapi::Monitor monitor;
    uapi::Process victim([&] {
        const uapi::File file;
        uapi::Queue queue(file);
        queue.run(uapi::nop());
        monitor.set(0, "defect", "engines");
        queue.submit(uapi::nop());
        ::pause();
    });
    uapi::await("a stalled queue", [&] {
        const Json top = uapi::document({"accelctl", "top", "--once", "--json", "-i", "0.2"});
        return std::any_of(top["clients"].begin(), top["clients"].end(), [](const Json& client) {
            return !client["queues"].empty() && client["queues"][0]["stalled"];
        });
    });
    uapi::ToolProcess top({"accelctl", "top", uapi::card(), "-i", "0.1"});
    top.await_output("stalled");
    const uapi::ToolResult ended = uapi::run({"accelctl", "reset", uapi::card(), "--yes"});
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_FALSE(top.ended());
    top.signal(SIGINT);
    EXPECT_EQ(top.wait().status, 0);
    EXPECT_EQ(monitor.get(0, "defect"), "none");
    victim.kill();
}

TEST_F(Hung, ACardThatDoesNotAnswerIsResetByTheDriver) {
    uapi::Monitor monitor;
    uapi::Process victim([] {
        const uapi::File file;
        const uapi::Queue queue(file);
        ::pause();
    });
    std::string queue;
    uapi::await("the queue", [&] {
        const Json info = uapi::document({"accelctl", "info", uapi::card(), "--json"});
        for (const Json& client : info["clients"]) {
            if (client["pid"] == victim.pid() && !client["queues"].empty()) {
                queue = std::to_string(client["queues"][0]["id"].get<int>());
            }
        }
        return !queue.empty();
    });
    uapi::ToolProcess top({"accelctl", "top", uapi::card(), "-i", "0.1"});
    top.await_output("running");
    // The log also tells of failures before this one, so the generation tells them apart.
    const auto card = [] {
        return uapi::document({"accelctl", "info", uapi::card(), "--json"})["cards"][0];
    };
    const auto generation = card()["generation"].get<std::uint64_t>();
    monitor.set(0, "defect", "admin");
    const uapi::ToolResult stop =
        uapi::run({"accelctl", "reset", uapi::card(), "--queue", queue, "--yes"});
    // 2: the tool took so long that the recovery, which `top` causes as well, ended the queue.
    EXPECT_TRUE(stop.status == 5 || stop.status == 2) << stop.status << stop.out << stop.err;
    uapi::await("the recovery", [&] {
        return card()["generation"] == generation + 1 && card()["state"] == "running";
    });
    const std::string events = uapi::run({"accelctl", "events", uapi::card()}).out;
    const std::size_t unresponsive = events.rfind("unresponsive");
    const std::size_t recovery = events.rfind("recovery");
    const std::size_t started = events.rfind("started");
    ASSERT_NE(unresponsive, std::string::npos) << events;
    EXPECT_LT(unresponsive, recovery) << events;
    EXPECT_LT(recovery, started) << events;
    EXPECT_FALSE(top.ended());
    top.signal(SIGTERM);
    EXPECT_EQ(top.wait().status, 0);
    victim.kill();
}

TEST_F(Hung, ADeadCardIsReportedAndWorksAfterAPowerCycle) {
    uapi::Monitor monitor;
    uapi::ToolProcess top({"accelctl", "top", uapi::card(), "-i", "0.1"});
    top.await_output("running");
    monitor.set(0, "defect", "dead");
    const uapi::ToolResult reset = uapi::run({"accelctl", "reset", uapi::card()});
    EXPECT_EQ(reset.status, 5) << reset.out;
    EXPECT_NE(reset.err.find("did not come back"), std::string::npos) << reset.err;
    top.await_output("gone");
    EXPECT_FALSE(top.ended());
    EXPECT_EQ(uapi::run({"accelctl", "doctor"}).status, 1);
    EXPECT_EQ(uapi::run({"lsaccel", "-vv"}).status, 0);
    monitor.set(0, "defect", "none");
    EXPECT_EQ(uapi::run({"accelctl", "reset", uapi::card()}).status, 0);
}

TEST_F(Hung, AResetBeyondItsTimeLimitIsGivenUp) {
    uapi::Monitor monitor;
    monitor.set(0, "defect", "reset");
    const uapi::ToolResult reset =
        uapi::run({"accelctl", "reset", uapi::card(), "--timeout", "0.5"});
    EXPECT_EQ(reset.status, 6) << reset.err;
    EXPECT_NE(reset.err.find("the kernel goes on"), std::string::npos) << reset.err;
    monitor.set(0, "defect", "none");
    // The kernel's own reset must end before the next one.
    uapi::await("a reset that works", [] {
        return uapi::run({"accelctl", "reset", uapi::card()}).status == 0;
    });
}

TEST_F(ToolTest, TopAndEventsReportAnUnpluggedCard) {
    if (uapi::Card::count() < 2) {
        GTEST_SKIP() << "this machine has one card";
    }
    const uapi::OneProcessor one;
    const uapi::Card card(1);
    const std::string name = card.name();
    uapi::ToolProcess top({"accelctl", "top", "-i", "0.1"});
    uapi::ToolProcess only({"accelctl", "top", name, "-i", "0.1"});
    uapi::ToolProcess events({"accelctl", "events", name, "--follow"});
    top.await_output(card.address());
    only.await_output(card.address());
    events.await_output("started");
    ASSERT_EQ(uapi::write_file(card.folder() / "remove", "1"), 0);
    top.await_output(card.address() + " is gone");
    only.await_output(card.address() + " is gone");
    const uapi::ToolResult ended = events.wait();
    EXPECT_EQ(ended.status, 5);
    EXPECT_NE(ended.err.find("is gone"), std::string::npos) << ended.err;
    EXPECT_EQ(uapi::run({"accelctl", "reset", card.address(), "--yes"}).status, 3);
    ASSERT_EQ(uapi::write_file("/sys/bus/pci/rescan", "1"), 0);
    uapi::await("the card to be bound", [&] { return card.bound(); });
    for (uapi::ToolProcess* running : {&top, &only}) {
        EXPECT_FALSE(running->ended());
        running->signal(SIGTERM);
        EXPECT_EQ(running->wait().status, 0);
    }
}

/// The names of the problems that `accelctl doctor` finds.
std::vector<std::string> problems(bool as_user = false) {
    const uapi::ToolResult ended = uapi::run({"accelctl", "doctor", "--json"}, as_user);
    const Json document = Json::parse(ended.out);
    std::vector<std::string> ids;
    for (const Json& finding : document["findings"]) {
        if (finding["severity"] == "problem") {
            EXPECT_FALSE(finding["fixes"].empty()) << finding.dump();
            ids.push_back(finding["id"]);
        }
    }
    EXPECT_EQ(ended.status, ids.empty() ? 0 : 1);
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

using Names = std::vector<std::string>;

TEST_F(ToolTest, DoctorFindsNoProblemOnAGoodMachine) {
    EXPECT_EQ(problems(), Names());
}

TEST_F(ToolTest, DoctorFindsAModuleThatIsNotLoadedOrOfAnotherKernel) {
    utsname names{};
    ASSERT_EQ(::uname(&names), 0);
    const std::filesystem::path folder = std::string("/lib/modules/") + names.release;
    ASSERT_EQ(uapi::Card::unload(), 0);
    const Names missing = problems();
    std::filesystem::create_directories(folder / "updates");
    const std::string module = uapi::read_file("/vm/modules/accel.ko");
    std::ofstream(folder / "updates/accel.ko", std::ios::binary) << module;
    const Names unloaded = problems();
    std::string other = module;
    const std::size_t at = other.find(std::string("vermagic=") + names.release);
    EXPECT_NE(at, std::string::npos);
    other.replace(at + 9, 1, "9");
    std::ofstream(folder / "updates/accel.ko", std::ios::binary) << other;
    const Names wrong = problems();
    std::filesystem::remove_all(folder / "updates");
    ASSERT_EQ(uapi::Card::load(), 0);
    EXPECT_EQ(missing, Names{"module-not-installed"});
    EXPECT_EQ(unloaded, Names{"module-not-loaded"});
    EXPECT_EQ(wrong, Names{"module-wrong-kernel"});
}

TEST_F(ToolTest, DoctorFindsACardWithoutADriver) {
    const uapi::Card card;
    card.unbind();
    const Names found = problems();
    card.bind();
    EXPECT_EQ(found, Names{"not-bound"});
}

TEST_F(ToolTest, DoctorFindsAMissingPermissionForTheNode) {
    EXPECT_EQ(problems(true), Names{"no-permission"});
    const uapi::ToolResult ended = uapi::run({"accelctl", "doctor"}, true);
    EXPECT_NE(ended.out.find("usermod -aG accel"), std::string::npos) << ended.out;
}

TEST_F(ToolTest, DoctorFindsANodeThatIsMissingOrNotTheCards) {
    const std::string node = uapi::Card().node();
    struct stat status {};
    ASSERT_EQ(::stat(node.c_str(), &status), 0);
    ASSERT_EQ(::unlink(node.c_str()), 0);
    const Names missing = problems();
    ASSERT_EQ(::mknod(node.c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    const Names wrong = problems();
    ASSERT_EQ(::unlink(node.c_str()), 0);
    ASSERT_EQ(::mknod(node.c_str(), status.st_mode, status.st_rdev), 0);
    ASSERT_EQ(::chmod(node.c_str(), status.st_mode & 07777), 0);
    EXPECT_EQ(missing, Names{"node-missing"});
    EXPECT_EQ(wrong, Names{"node-wrong"});
}

}  // namespace
