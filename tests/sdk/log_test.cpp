// SPDX-License-Identifier: Apache-2.0
//
// The log: levels, destinations, bad settings, and the events that it has.
#include "accel/log.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "fixture.hpp"
#include "logger.hpp"

namespace accel::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string content(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::string repeated(char letter, char separator) {
    std::string text(200, letter);
    text += separator;
    text += letter;
    return text;
}

class LogTest : public ::testing::Test {
  protected:
    void TearDown() override {
        std::fclose(error_);  // NOLINT(cppcoreguidelines-owning-memory)
        std::filesystem::remove(file_);
    }

    // Writes a line of each level, and returns what standard error has then.
    std::string lines(const std::string& setting) {
        {
            const detail::Logger logger(setting, ::fileno(error_));
            logger.write(LogLevel::error, "an error");
            logger.write(LogLevel::warn, "a warning");
            logger.write(LogLevel::info, "a fact");
            logger.write(LogLevel::debug, "a detail");
        }
        std::string text;
        std::rewind(error_);
        for (int c = std::fgetc(error_); c != EOF; c = std::fgetc(error_)) {
            text += static_cast<char>(c);
        }
        EXPECT_EQ(::ftruncate(::fileno(error_), 0), 0);
        std::rewind(error_);
        return text;
    }

    std::FILE* error_ = std::tmpfile();
    std::filesystem::path file_ =
        std::filesystem::temp_directory_path() / ("accel log " + std::to_string(::getpid()));
};

TEST_F(LogTest, ALevelIncludesThoseBeforeIt) {
    EXPECT_THAT(lines(""), IsEmpty());
    EXPECT_THAT(lines("off"), IsEmpty());
    EXPECT_THAT(lines("error"),
                MatchesRegex("20[0-9-]+T[0-9:]+\\.[0-9]+Z accel\\[[0-9]+\\] error: an error\n"));
    EXPECT_THAT(lines("warn"), HasSubstr(" warn: a warning\n"));
    EXPECT_THAT(lines("warn"), Not(HasSubstr("a fact")));
    EXPECT_THAT(lines("info"), HasSubstr(" info: a fact\n"));
    EXPECT_THAT(lines("info"), Not(HasSubstr("a detail")));
    EXPECT_THAT(lines("debug"), HasSubstr(" debug: a detail\n"));
}

TEST_F(LogTest, AFileIsAppendedTo) {
    std::ofstream(file_) << "before\n";
    EXPECT_THAT(lines("info," + file_.string()), IsEmpty());
    EXPECT_THAT(content(file_), HasSubstr("before\n20"));
    EXPECT_THAT(content(file_), HasSubstr("a fact\n"));
}

TEST_F(LogTest, ABadSettingIsToldOnceAndNothingIsLogged) {
    for (const std::string setting : {"verbose", "INFO", "2", "info;file", ",file"}) {
        const std::string text = lines(setting);
        EXPECT_THAT(text, HasSubstr("ACCEL_LOG is '" + setting + "'"));
        EXPECT_THAT(text, HasSubstr("error, warn, info or debug"));
        EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
    }
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsToldAndTheLogIsOnStandardError) {
    const std::string text = lines("error,/nonexistent/accel.log");
    EXPECT_THAT(text, HasSubstr("/nonexistent/accel.log"));
    EXPECT_THAT(text, HasSubstr("No such file"));
    EXPECT_THAT(text, HasSubstr(" error: an error\n"));
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
    {
        const detail::Logger logger("info," + file_.string(), ::fileno(error_));
        std::vector<std::jthread> threads;
        for (char t = 'a'; t < 'e'; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < 50; ++i) {
                    logger.write(LogLevel::info, repeated(t, '\n'));
                }
            });
        }
    }
    std::ifstream stream(file_);
    int count = 0;
    for (std::string line; std::getline(stream, line); ++count) {
        const std::string text = line.substr(line.find("info: ") + 6);
        EXPECT_EQ(text, repeated(text[0], ' '));
    }
    EXPECT_EQ(count, 200);
}

TEST_F(LogTest, WithoutTheVariableNothingIsEnabled) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
    if (::getenv("ACCEL_LOG") == nullptr) {
        EXPECT_FALSE(log_enabled(LogLevel::error));
    }
    EXPECT_FALSE(log_enabled(LogLevel::off));
}

// Some events of the library, in another process with the variable.
class LogEventsTest : public SdkTest {};

TEST_F(LogEventsTest, OfAProgram) {
    const Device card = open();
    Queue queue = card.create_queue();
    static_cast<void>(card.allocate<int>({1}));
    const Job job = queue.submit(Fill{.dst = nowhere, .bytes = 4});
    EXPECT_THROW(job.wait(), Error);
    EXPECT_THROW(job.wait(), Error);
    queue.reset();
}

TEST_F(LogTest, HasTheEventsOfTheLibrary) {
    std::array<char, 4096> self{};
    ASSERT_GT(::readlink("/proc/self/exe", self.data(), self.size() - 1), 0);
    const std::string command = "ACCEL_LOG='debug," + file_.string() + "' '" + self.data() +
                                "' --gtest_filter=LogEventsTest.OfAProgram >/dev/null 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe): one thread
    const std::string text = content(file_);
    EXPECT_THAT(text, HasSubstr("info: opened /dev/accel0"));
    EXPECT_THAT(text, HasSubstr("info: created queue 1 on /dev/accel0: 64 entries"));
    EXPECT_THAT(text,
                HasSubstr("debug: allocated and mapped memory on /dev/accel0: 4 bytes at 0x"));
    EXPECT_THAT(text, HasSubstr("error: queue 1 on /dev/accel0 stopped at command 1 (FILL)"));
    EXPECT_THAT(text, HasSubstr("info: reset queue 1 on /dev/accel0"));
    EXPECT_EQ(text.find("stopped at"), text.rfind("stopped at")) << "a failure is told once";
}

}  // namespace
}  // namespace accel::test
