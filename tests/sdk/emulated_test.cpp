// SPDX-License-Identifier: Apache-2.0
//
// Emulated cards in this process: their names and options, ACCEL_DEVICE, waits and file
// descriptors, and their threads.
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fixture.hpp"

namespace accel::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// A variable of the environment during the lifetime of this object. No thread reads it meanwhile.
// NOLINTBEGIN(concurrency-mt-unsafe)
class Variable {
  public:
    explicit Variable(const std::string& value) { ::setenv("ACCEL_DEVICE", value.c_str(), 1); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    Variable(Variable&&) = delete;
    Variable& operator=(Variable&&) = delete;
    ~Variable() { ::unsetenv("ACCEL_DEVICE"); }
};
// NOLINTEND(concurrency-mt-unsafe)

void expect_that_it_computes(const Device& card) {
    const auto memory = card.allocate_device<float>({64});
    const auto result = card.allocate<float>({64});
    Queue queue = card.create_queue();
    queue.submit(fill(memory, 1.5F));
    queue.submit(copy(result, memory)).wait();
    EXPECT_EQ(result[63], 1.5F);
}

// ---- Names

TEST(Emulated, ANameOpensACardThatComputes) {
    const Device card = Device::open("emulated");
    const DeviceInfo info = card.info();
    EXPECT_TRUE(info.emulated);
    EXPECT_EQ(info.path, "emulated");
    EXPECT_EQ(info.memory_size, 256U << 20);
    expect_that_it_computes(card);
}

TEST(Emulated, OptionsDescribeTheCards) {
    const Device card = Device::open(
        "emulated:memory=64M,queues=3,contexts=2,serial=0x10,cards=3,card=2,timing=model");
    const DeviceInfo info = card.info();
    EXPECT_EQ(info.memory_size, 64U << 20);
    EXPECT_EQ(info.max_queues, 3U);
    EXPECT_EQ(info.max_contexts, 2U);
    EXPECT_EQ(info.serial, 0x12U);
    EXPECT_EQ(info.pci.bus, 3U);
    expect_that_it_computes(card);
}

TEST(Emulated, ThePathOpensTheSameCardAgain) {
    const Device first = Device::open("emulated:card=1,serial=7,cards=2");
    const std::string path = first.info().path;
    const Device second = Device::open(path);
    EXPECT_EQ(second.info().path, path);
    EXPECT_EQ(second.info().serial, 8U);
    EXPECT_EQ(second.info().user_contexts.used, 2U) << "it is the same machine";
}

TEST(Emulated, NamesThatMeanTheSameShareAMachine) {
    const Device first = Device::open("emulated:memory=1G,cards=2");
    const Device second = Device::open("emulated:cards=0x2,memory=1024M,timing=fast");
    EXPECT_EQ(first.info().user_contexts.used, 2U);
    const Device other = Device::open("emulated:cards=2");
    EXPECT_EQ(other.info().user_contexts.used, 1U);
}

TEST(Emulated, AMachineEndsWithItsLastDevice) {
    std::optional<Device> card = Device::open("emulated:serial=99");
    auto kept = card->allocate_device<int>({256});
    card.reset();
    // The buffer keeps its device open.
    EXPECT_EQ(Device::open("emulated:serial=99").info().user_contexts.used, 2U);
    kept = {};
    const DeviceInfo fresh = Device::open("emulated:serial=99").info();
    EXPECT_EQ(fresh.user_contexts.used, 1U);
    EXPECT_EQ(fresh.memory_free, fresh.memory_size);
}

struct BadName {
    const char* name;
    const char* says;
};

class EmulatedBadName : public ::testing::TestWithParam<BadName> {};

TEST_P(EmulatedBadName, IsAnErrorThatNamesTheOption) {
    const Error error =
        error_of([] { static_cast<void>(Device::open(std::string_view(GetParam().name))); });
    EXPECT_EQ(error.errc(), std::errc::invalid_argument);
    expect_says(error, GetParam().name, GetParam().says, "the options are", "memory=");
}

INSTANTIATE_TEST_SUITE_P(
    , EmulatedBadName,
    ::testing::Values(BadName{"emulated:color=red", "no option \"color\""},
                      BadName{"emulated:cards", "option cards is \"\""},
                      BadName{"emulated:cards=0", "must be 1 to 16"},
                      BadName{"emulated:cards=17", "must be 1 to 16"},
                      BadName{"emulated:threads=1025", "option threads is \"1025\""},
                      BadName{"emulated:memory=1X", "option memory is \"1X\""},
                      BadName{"emulated:memory=4097", "multiple of 4096"},
                      BadName{"emulated:memory=99999999999999999999", "option memory"},
                      BadName{"emulated:timing=slow", "must be fast or model"},
                      BadName{"emulated:cards=2,card=2", "2 cards, from number 0 on"},
                      BadName{"emulated:card=1", "one card, which has number 0"},
                      BadName{"emulated:cards=2,,card=1", "options is empty"},
                      BadName{"emulated:memory=1G,", "options is empty"},
                      BadName{"emulated:,", "options is empty"},
                      BadName{"emulated:cards=2,cards=3", "option cards twice"},
                      BadName{"emulated:serial=1,cards=2,serial=1", "option serial twice"}));

TEST(Emulated, LongAndUnprintableNamesAreShortInErrors) {
    const auto text_of = [](const std::string& name) {
        return std::string(error_of([&] { static_cast<void>(Device::open(name)); }).what());
    };
    for (const std::string start : {"emulated:", "emulated:color=", "/dev/", "card"}) {
        const std::string text = text_of(start + "\n\x1b[2J" + std::string(5000, 'x'));
        EXPECT_LT(text.size(), 1000U) << text;
        EXPECT_THAT(text, HasSubstr("\\x0a\\x1b[2Jx"));
        EXPECT_THAT(text, HasSubstr("xxx..."));
        EXPECT_EQ(text.find_first_of("\n\x1b"), std::string::npos) << text;
    }
}

TEST(Emulated, OtherNamesAreNoEmulatedCards) {
    for (const std::string_view name : {"emulate", "emulatedx", "Emulated"}) {
        expect_says(error_of([&] { static_cast<void>(Device::open(name)); }), name, "\"emulated\"");
    }
}

// ---- ACCEL_DEVICE

TEST(EmulatedByEnvironment, OpensAndLists) {
    const Variable variable("emulated:cards=2,serial=5");
    EXPECT_EQ(Device::open().info().serial, 5U);
    EXPECT_EQ(Device::open(1).info().serial, 6U);
    EXPECT_EQ(Device::open("6").info().path, "emulated:cards=2,serial=5,card=1");
    EXPECT_EQ(Device::open("0000:01:00.0").info().serial, 5U);
    const auto list = Device::list();
    ASSERT_EQ(list.size(), 2U);
    EXPECT_TRUE(list[1].info && list[1].info->emulated);
    EXPECT_EQ(list[1].path, "emulated:cards=2,serial=5,card=1");
    const Error error = error_of([] { static_cast<void>(Device::open(2)); });
    EXPECT_EQ(error.errc(), std::errc::no_such_device);
    expect_says(error, "card 2", "ACCEL_DEVICE=emulated:cards=2", "2 cards");
}

TEST(EmulatedByEnvironment, ANameOfOneCardStandsForThatCard) {
    const Variable variable("emulated:cards=2,serial=5,card=1");
    EXPECT_EQ(Device::open(0).info().serial, 6U);
    EXPECT_EQ(Device::list().size(), 1U);
    expect_says(error_of([] { static_cast<void>(Device::open(1)); }), "one card");
}

TEST(EmulatedByEnvironment, AnExplicitNameIgnoresIt) {
    const Variable variable("emulated:cards=2");
    EXPECT_EQ(Device::open("emulated").info().path, "emulated");
    expect_says(error_of([] { static_cast<void>(Device::open("/dev/accel77")); }),
                "cannot open /dev/accel77");
}

TEST(EmulatedByEnvironment, AnErrorNamesTheVariable) {
    for (const char* const value : {"emulated:cards=x", "nonsense", "/dev/accel77"}) {
        const Variable variable(value);
        const Error error = error_of([] { static_cast<void>(Device::open()); });
        expect_says(error, std::string("ACCEL_DEVICE=") + value, "in the environment");
        EXPECT_THAT(error.what(), ::testing::EndsWith(error.code().message()));
    }
}

TEST(EmulatedByEnvironment, AnEmptyValueCountsAsNotSet) {
    const Variable variable("");
    for (const DeviceEntry& entry : Device::list()) {
        EXPECT_THAT(entry.path, ::testing::StartsWith("/dev/"));
    }
}

// ---- Waits

TEST(EmulatedWait, EpollReportsAFinishedJobUntilTheNotificationEnds) {
    const Device card = Device::open("emulated");
    Queue queue = card.create_queue();
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    queue.notify(job);
    const FileDescriptor loop(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{.events = EPOLLIN, .data = {}};
    ASSERT_EQ(::epoll_ctl(loop.get(), EPOLL_CTL_ADD, card.fd(), &event), 0);
    EXPECT_EQ(::epoll_wait(loop.get(), &event, 1, 0), 0);
    gate.open();
    ASSERT_EQ(::epoll_wait(loop.get(), &event, 1, 60000), 1);
    EXPECT_TRUE(job.done());
    EXPECT_EQ(::epoll_wait(loop.get(), &event, 1, 0), 1) << "it is level-triggered";
    queue.notify(Job());
    EXPECT_EQ(::epoll_wait(loop.get(), &event, 1, 0), 0);
}

TEST(EmulatedWait, PollReportsAFailureWithOtherFileDescriptors) {
    const Device card = Device::open("emulated");
    Queue queue = card.create_queue();
    const Job job = queue.submit(Fill{.dst = nowhere, .bytes = 4});
    queue.notify(job);
    const FileDescriptor other(::eventfd(0, EFD_CLOEXEC));
    std::vector<pollfd> fds{{.fd = other.get(), .events = POLLIN, .revents = 0},
                            {.fd = card.fd(), .events = POLLIN, .revents = 0}};
    ASSERT_EQ(::poll(fds.data(), fds.size(), 60000), 1);
    EXPECT_NE(fds[1].revents & POLLIN, 0);
    EXPECT_THROW(job.wait(), Error);
}

TEST(EmulatedWait, ManyQueuesOfManyCardsWakeTheirOwnWaiters) {
    constexpr std::size_t cards = 3;
    std::vector<Device> devices;
    for (std::size_t i = 0; i < cards; ++i) {
        devices.push_back(Device::open("emulated:cards=3,card=" + std::to_string(i)));
    }
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4 * cards; ++t) {
        threads.emplace_back([&, t] {
            const Device& card = devices[t % cards];
            Queue queue = card.create_queue({.spin = 0ns});
            const auto memory = card.allocate<std::uint32_t>({16});
            for (std::uint32_t round = 0; round < 100; ++round) {
                queue.submit(fill(memory, round)).wait();
                ASSERT_EQ(memory[15], round);
            }
        });
    }
}

TEST(EmulatedWait, AnyOfTwoCardsSleepsUntilOneIsDone) {
    const Device first = Device::open("emulated:cards=2");
    const Device second = Device::open("emulated:cards=2,card=1");
    Queue one = first.create_queue({.spin = 0ns});
    Queue two = second.create_queue({.spin = 0ns});
    Gate never(first);
    Gate gate(second);
    const std::vector<Job> jobs{one.submit(never.closed()), two.submit(gate.closed())};
    EXPECT_FALSE(wait_any(jobs, 5ms).has_value());
    const std::jthread opener([&] { gate.open(); });
    EXPECT_EQ(wait_any(jobs), 1U);
    never.open();
    one.synchronize();
}

TEST(EmulatedWait, IoUringIsAClearError) {
    const Device card = Device::open("emulated");
    Queue queue = card.create_queue();
    const Job job = queue.submit(Nop{});
    const Error error = error_of([&] { static_cast<void>(queue.uring_wait(job)); });
    EXPECT_EQ(error.errc(), std::errc::operation_not_supported);
    expect_says(error, "io_uring", "emulated", "wait_any()");
}

// ---- Time

TEST(EmulatedTime, ATimingModelTakesTheSameTicksInEachRun) {
    const auto ticks = [] {
        const Device card = Device::open("emulated:timing=model");
        const auto memory = card.allocate_device<float>({1 << 16});
        const auto record = card.allocate<CompletionRecord>({1});
        Queue queue = card.create_queue();
        Batch batch = queue.batch();
        batch.add(fill(memory, 1.0F)).add(Command(fill(memory, 2.0F)).with_record(record));
        batch.submit().wait();
        return record[0].end - record[0].start;
    };
    const auto first = ticks();
    EXPECT_GT(first, 0U);
    EXPECT_EQ(ticks(), first);
}

// ---- Threads

// A line of /proc/self/task/*/status of each thread of emulated cards.
std::vector<std::string> status_lines(const std::string& field) {
    std::vector<std::string> lines;
    DIR* const tasks = ::opendir("/proc/self/task");
    while (const dirent* entry = ::readdir(tasks)) {  // NOLINT(concurrency-mt-unsafe): own stream
        std::ifstream status(std::string("/proc/self/task/") + entry->d_name + "/status");
        std::string line;
        bool ours = false;
        while (std::getline(status, line)) {
            ours = ours || line == "Name:\taccel-emulated";
            if (ours && line.starts_with(field)) {
                lines.push_back(line);
            }
        }
    }
    ::closedir(tasks);
    return lines;
}

TEST(EmulatedThreads, AreAsManyAsTheOptionSays) {
    const auto with = [](const std::string& name) {
        const Device card = Device::open(name);
        const std::filesystem::directory_iterator threads("/proc/self/task");
        return std::distance(begin(threads), end(threads));
    };
    EXPECT_EQ(with("emulated:threads=5"), with("emulated:threads=1") + 4);
}

TEST(EmulatedThreads, LeaveSignalsToTheThreadsOfTheProgram) {
    const Device card = Device::open("emulated");
    expect_that_it_computes(card);
    const auto lines = status_lines("SigBlk:");
    EXPECT_FALSE(lines.empty());
    for (const std::string& line : lines) {
        const std::uint64_t blocked = std::stoull(line.substr(line.find('\t') + 1), nullptr, 16);
        EXPECT_NE(blocked >> (SIGTERM - 1) & 1, 0U) << line;
        EXPECT_NE(blocked >> (SIGUSR1 - 1) & 1, 0U) << line;
        EXPECT_EQ(blocked >> (SIGSEGV - 1) & 1, 0U) << line;
    }
}

TEST(EmulatedThreads, SleepWhileNothingIsToDo) {
    const Device card = Device::open("emulated:cards=4");
    Queue queue = card.create_queue();
    Gate gate(card);
    const Job job = queue.submit(gate.closed());
    queue.notify(job);
    const auto cpu_time = [] {
        timespec time{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    const auto before = cpu_time();
    std::this_thread::sleep_for(1s);
    // One thread that polls would use nearly all of the second.
    EXPECT_LT(cpu_time() - before, 500ms);
    gate.open();
    job.wait();
}

}  // namespace
}  // namespace accel::test
