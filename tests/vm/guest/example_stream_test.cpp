// SPDX-License-Identifier: Apache-2.0
//
// Runs the example `stream`, which does all transfers and waits on one io_uring.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "reference.hpp"
#include "transfer.hpp"

namespace {

struct Outcome {
    int status;
    std::string output;
};

Outcome run(const std::string& command) {
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::string output;
    std::array<char, 256> line{};
    while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
        output += line.data();
    }
    return {WEXITSTATUS(::pclose(pipe)), output};
}

class Stream : public testing::Test {
  protected:
    void SetUp() override {
        if (run("command -v stream").status != 0) {
            GTEST_SKIP() << "the examples are not built";
        }
    }
    void TearDown() override { std::remove(file_.c_str()); }

    /// Writes `count` numbers to a file; returns the total of the example's block sums.
    [[nodiscard]] double write_numbers(std::size_t count) const {
        constexpr std::size_t block = 1U << 18;
        std::vector<float> numbers(count);
        double total = 0;
        for (std::size_t begin = 0; begin < count; begin += block) {
            const std::size_t end = std::min(count, begin + block);
            for (std::size_t i = begin; i < end; ++i) {
                numbers[i] = static_cast<float>(i % 1000) / 8;
            }
            total += accel::reference::sum({&numbers[begin], &numbers[end - 1] + 1});
        }
        std::ofstream file(file_, std::ios::binary);
        file.write(reinterpret_cast<const char*>(numbers.data()),
                   static_cast<std::streamsize>(count * sizeof(float)));
        return total;
    }

    std::string file_ = "/tmp/numbers";
};

TEST_F(Stream, SumsAFileOnTheCard) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{1} << 18, std::size_t{1'500'003}}) {
        const double expected = write_numbers(count);
        const std::uint64_t written = uapi::counter("memory_written_bytes");
        const Outcome outcome = run("stream " + file_);
        std::array<char, 100> line{};
        std::snprintf(line.data(), line.size(), "%zu floats, sum %.9g\n", count, expected);
        EXPECT_EQ(outcome.output, line.data());
        EXPECT_EQ(outcome.status, 0);
        EXPECT_GE(uapi::counter("memory_written_bytes") - written, count * sizeof(float));
    }
}

TEST_F(Stream, ReportsErrors) {
    EXPECT_EQ(run("stream").status, 2);
    EXPECT_NE(run("stream /nowhere").output.find("No such file"), std::string::npos);
    static_cast<void>(write_numbers(0));
    EXPECT_EQ(run("stream " + file_).output, "0 floats, sum 0\n");
}

}  // namespace
