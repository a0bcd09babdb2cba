// SPDX-License-Identifier: Apache-2.0
//
// A user whose commands never end, in many contexts at once. Nobody waits for them: neither another
// user nor the administrator, and the death of their process frees all that it had.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

constexpr uid_t victim_user = 1001;
constexpr int hog_contexts = 8;
/// A call that does not end within this time waits for the hogs.
constexpr std::chrono::seconds ends{20};
/// The death of a process frees all it had within this time.
constexpr std::chrono::seconds freed{2};

enum class Kind : std::uint8_t { fill, gemm, list, wait };

std::string name_of(Kind kind) {
    constexpr std::array names{"Fill", "Gemm", "List", "Wait"};
    return names[static_cast<std::size_t>(kind)];
}

/// A command that takes longer than any test waits.
class Endless {
  public:
    Endless(const uapi::File& file, Kind kind)
        : never_(file), memory_(file, bytes, uapi::device), list_(file, list_bytes(kind)) {
        const std::uint64_t target = memory_.address() + uapi::page;
        switch (kind) {
            case Kind::fill:
                command_ = uapi::fill(target, 1, bytes / 2);
                command_.fill.rows = ~std::uint32_t{0};
                break;
            case Kind::gemm:
                command_ = batch(target);
                break;
            case Kind::list:
                fill_list(target);
                command_ = uapi::call(list_.address(), list_length);
                break;
            case Kind::wait:
                command_ = uapi::wait_for(never_.address(), 1);
                break;
        }
    }

    [[nodiscard]] const accel_command& command() const { return command_; }

  private:
    static constexpr std::size_t bytes = 1U << 20;
    static constexpr std::uint32_t list_length = 16384;
    static constexpr std::uint32_t size = 256;

    static std::size_t list_bytes(Kind kind) {
        return kind == Kind::list ? list_length * sizeof(accel_command) : uapi::page;
    }
    /// The same product, four thousand million times.
    [[nodiscard]] accel_command batch(std::uint64_t target) const {
        accel_gemm params{};
        params.type = ACCEL_TYPE_F32;
        params.m = params.n = params.k = size;
        params.lda = params.ldb = params.ldd = size;
        params.batch = ~std::uint32_t{0};
        std::memcpy(memory_.data(), &params, sizeof params);
        const std::uint64_t matrix = std::uint64_t{size} * size * sizeof(float);
        return uapi::gemm(target + 2 * matrix, target, target + matrix, memory_.address());
    }
    /// Each command of the list takes some milliseconds.
    void fill_list(std::uint64_t target) const {
        accel_command one = uapi::fill(target, 2, bytes / 2);
        one.fill.rows = 128;
        std::ranges::fill(list_.as<accel_command>(), one);
    }

    uapi::Semaphore never_;
    uapi::Buffer memory_;
    uapi::Buffer list_;
    accel_command command_{};
};

/// A file with an endless command in a queue.
class Hog {
  public:
    Hog(const std::string& node, Kind kind, std::uint32_t priority)
        : file_(std::make_unique<uapi::File>(node)),
          endless_(*file_, kind),
          queue_(*file_, 4, priority) {
        queue_.submit(endless_.command());
    }

    /// The card has begun with the command, which is not over.
    [[nodiscard]] bool hogs(Kind kind) const {
        const accel_queue_query query = queue_.query();
        uapi::check(query.state == ACCEL_QUEUE_RUNNING && query.completed == 0,
                    "an endless command ended");
        return kind == Kind::wait ? query.activity == ACCEL_ACTIVITY_BLOCKED : query.pieces > 0;
    }

  private:
    std::unique_ptr<uapi::File> file_;
    Endless endless_;
    uapi::Queue queue_;
};

/// Starts hogs in a process of a plain user, and returns when all of them hog.
uapi::Process start_hogs(const std::string& node, Kind kind, std::uint32_t priority) {
    const uapi::Counter ready;
    uapi::Process process([&] {
        uapi::become_user();
        std::vector<Hog> all;
        all.reserve(hog_contexts);
        for (int i = 0; i < hog_contexts; ++i) {
            all.emplace_back(node, kind, priority);
        }
        for (const Hog& one : all) {
            uapi::await("an endless command to begin", [&] { return one.hogs(kind); });
        }
        ready.add();
        ::pause();
    });
    ready.await(1);
    return process;
}

class Hogs : public testing::TestWithParam<Kind> {
  protected:
    void SetUp() override {
        const accel_info info = uapi::File().info();
        if ((info.features & ACCEL_FEATURE_SHARING) == 0) {
            GTEST_SKIP() << "this card does not preempt commands";
        }
    }
    void TearDown() override {
        if (IsSkipped()) {
            return;
        }
        ::chmod(card_.node().c_str(), 0600);
        uapi::require(uapi::write_file(attribute("time_limit_ms"), "30000"), "time_limit_ms");
        uapi::expect_working_card();
    }

    /// The highest priority that a plain user may give to a queue.
    [[nodiscard]] std::uint32_t highest_priority() const {
        const uapi::Mapping shared = uapi::Mapping::anonymous(uapi::page, MAP_SHARED);
        const std::string node = open_to_all();
        uapi::Process user([&] {
            uapi::become_user();
            shared.as<std::uint32_t>()[0] = uapi::File(node).info().priority_max;
        });
        EXPECT_EQ(user.wait(), 0);
        return shared.as<std::uint32_t>()[0];
    }
    /// Starts the hogs on a card without a time limit, which would end them.
    [[nodiscard]] uapi::Process start(std::uint32_t priority) const {
        const std::string node = open_to_all();
        uapi::require(uapi::write_file(attribute("time_limit_ms"), "0"), "time_limit_ms");
        return start_hogs(node, GetParam(), priority);
    }
    /// Expects that a process ends which does this.
    void expect_ends(const char* what, const std::function<void()>& body) const {
        const auto begin = std::chrono::steady_clock::now();
        uapi::Process process(body);
        EXPECT_EQ(process.wait(ends), 0) << what;
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - begin;
        std::printf("  %s: %-28s %6.0f ms\n", name_of(GetParam()).c_str(), what, took.count());
    }
    /// Expects that the victim's call ends.
    void expect_undelayed(const char* what, const std::function<void(uapi::File&)>& body) {
        const std::string node = card_.node();
        expect_ends(what, [&] {
            uapi::become_user({}, victim_user);
            uapi::File file(node);
            body(file);
        });
    }
    /// Kills the hogs, and expects that nothing of them is left.
    void expect_all_free_after(uapi::Process& hogs) const {
        const std::string node = card_.node();
        const std::int64_t deadline = uapi::deadline_in(freed);
        hogs.kill();
        uapi::Process user([&] {
            uapi::become_user();
            const uapi::File file(node);
            const auto all_free = [&] {
                const accel_info info = file.info();
                return info.contexts_used == 0 && info.queues_used == 0 && info.memory_used == 0 &&
                       info.host_memory_used == 0 && used("contexts_used") == 0 &&
                       used("queues_used") == 0 && used("memory_used") == 0;
            };
            bool done = false;
            while (!(done = all_free()) && uapi::deadline_in({}) < deadline) {
                ::usleep(1000);
            }
            uapi::check(done, "a dead process still holds resources");
        });
        EXPECT_EQ(user.wait(), 0);
    }

    [[nodiscard]] std::string attribute(const std::string& name) const {
        return "/sys/class/accel-card/" + card_.name() + "/" + name;
    }
    [[nodiscard]] std::uint64_t used(const std::string& name) const {
        return std::stoull(uapi::read_file(attribute(name)));
    }
    [[nodiscard]] const uapi::Card& card() const { return card_; }

  private:
    /// Lets every user open the node, which is a new one after each bind.
    [[nodiscard]] std::string open_to_all() const {
        ::chmod(card_.node().c_str(), 0666);
        return card_.node();
    }

    uapi::Card card_;
    /// QEMU with two processors may crash in a reset; see OneProcessor.
    uapi::OneProcessor one_;
};

/// Runs a job of its own at this priority.
void run_job(const uapi::File& file, std::uint32_t priority) {
    const uapi::Buffer buffer(file, uapi::page);
    const uapi::Product product(file, 8, 1, uapi::device);
    uapi::Queue queue(file, 4, priority);
    queue.run(uapi::fill(buffer.address(), 0x5eed, uapi::page));
    uapi::check(buffer.as<std::uint32_t>()[0] == 0x5eed, "the job had no effect");
    queue.run(product.command());
    uapi::check(product.correct(), "a product is wrong");
}

TEST_P(Hogs, DelayNoCallOfAnotherUser) {
    for (std::uint32_t priority = 0; priority <= highest_priority(); ++priority) {
        SCOPED_TRACE(priority);
        uapi::Process hogs = start(priority);
        expect_undelayed("open()", [](const uapi::File& file) {
            uapi::check(file.info().size == sizeof(accel_info), "INFO");
        });
        expect_undelayed("page fault of device memory", [](const uapi::File& file) {
            const uapi::Buffer memory(file, 16 * uapi::page, uapi::device);
            memory.data()[15 * uapi::page] = std::byte{1};
        });
        expect_undelayed("pread() and pwrite()", [](const uapi::File& file) {
            const uapi::Buffer memory(file, 16 * uapi::page, uapi::device);
            const auto at = static_cast<off_t>(memory.address());
            std::vector<std::byte> sent(16 * uapi::page, std::byte{7});
            std::vector<std::byte> back(sent.size());
            const auto bytes = static_cast<ssize_t>(sent.size());
            uapi::check(::pwrite(file.fd(), sent.data(), sent.size(), at) == bytes, "pwrite");
            uapi::check(::pread(file.fd(), back.data(), back.size(), at) == bytes, "pread");
            uapi::check(back == sent, "the data is wrong");
        });
        expect_undelayed("page fault of a doorbell", [](const uapi::File& file) {
            const uapi::Queue queue(file, 4);
            queue.ring_doorbell(0);
        });
        expect_undelayed("a job", [&](const uapi::File& file) { run_job(file, priority); });
        // The mappings hold the file until the end of the queue, which close() has not destroyed.
        expect_undelayed("close() with a job", [&](uapi::File& file) {
            const Endless endless(file, Kind::fill);
            uapi::Queue queue(file, 4, priority);
            queue.submit(endless.command());
            file.close();
        });
        expect_all_free_after(hogs);
    }
}

TEST_P(Hogs, DelayNoReadOfTheAdministrator) {
    for (std::uint32_t priority = 0; priority <= highest_priority(); ++priority) {
        SCOPED_TRACE(priority);
        uapi::Process hogs = start(priority);
        expect_ends("state and use in sysfs", [&] {
            uapi::check(uapi::read_file(attribute("state")) == "running\n", "the card is stopped");
            uapi::check(used("contexts_used") == hog_contexts, "contexts_used");
            uapi::check(used("queues_used") >= hog_contexts, "queues_used");
            for (const char* name : {"memory_used", "events", "quota/memory", "time_limit_ms"}) {
                static_cast<void>(uapi::read_file(attribute(name)));
            }
        });
        expect_ends("counters and sensors", [&] {
            for (const char* folder : {"counters", "device/hwmon"}) {
                for (const auto& entry :
                     std::filesystem::recursive_directory_iterator(attribute(folder))) {
                    if (entry.is_regular_file() && entry.path().filename() != "uevent") {
                        const uapi::Descriptor file(
                            ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
                        std::array<char, 4096> text{};
                        static_cast<void>(::read(file.get(), text.data(), text.size()));
                    }
                }
            }
        });
        expect_all_free_after(hogs);
    }
}

TEST_P(Hogs, DelayNoResetOfTheAdministrator) {
    for (std::uint32_t priority = 0; priority <= highest_priority(); ++priority) {
        SCOPED_TRACE(priority);
        uapi::Process hogs = start(priority);
        expect_ends("function-level reset", [&] { card().reset(); });
        expect_undelayed("a job afterwards",
                         [&](const uapi::File& file) { run_job(file, priority); });
        expect_all_free_after(hogs);
    }
}

// open() waits for the reset, and a page fault ends with it.
TEST_P(Hogs, DelayNobodyDuringAReset) {
    uapi::Process hogs = start(highest_priority());
    const uapi::Counter rounds;
    const uapi::Counter stop;
    uapi::Process victim([&] {
        while (stop.value() == 0) {
            try {
                const uapi::File file;
                const uapi::Buffer memory(file, 16 * uapi::page, uapi::device);
                memory.data()[15 * uapi::page] = std::byte{1};
            } catch (const std::system_error& error) {
                uapi::check(error.code().value() == ESTALE, error.what());
            }
            static_cast<void>(uapi::read_file(attribute("state")));
            rounds.add();
        }
    });
    rounds.await(2);
    expect_ends("function-level reset", [&] { card().reset(); });
    rounds.await(rounds.value() + 2);
    stop.add();
    EXPECT_EQ(victim.wait(ends), 0);
    expect_all_free_after(hogs);
}

TEST_P(Hogs, DelayNoUnbindOfTheDriver) {
    uapi::Process hogs = start(highest_priority());
    expect_ends("unbind", [&] { card().unbind(); });
    expect_ends("bind", [&] { card().bind(); });
    expect_ends("a job afterwards", [] { run_job(uapi::File(), 0); });
    hogs.kill();
    // A card that is bound again while an old file is open gets another number.
    card().unbind();
    card().bind();
}

TEST_P(Hogs, DelayNoUnloadOfTheModule) {
    uapi::Process hogs = start(highest_priority());
    expect_ends("rmmod of a module in use", [] {
        uapi::check(uapi::Card::unload() == EWOULDBLOCK, "the module of an open file is gone");
    });
    expect_all_free_after(hogs);
    expect_ends("rmmod", [] { uapi::require(uapi::Card::unload(), "rmmod"); });
    expect_ends("insmod", [] { uapi::require(uapi::Card::load(), "insmod"); });
}

INSTANTIATE_TEST_SUITE_P(Tenants, Hogs,
                         testing::Values(Kind::fill, Kind::gemm, Kind::list, Kind::wait),
                         [](const auto& info) { return name_of(info.param); });

}  // namespace
