// SPDX-License-Identifier: Apache-2.0
//
// What is not a matter of C++: the installed package as a user finds it, the tutorial, the
// example's host half. Each is a CMake script of its own, run with what CMakeLists.txt passes down.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

namespace accel::test {
namespace {

struct Close {
    void operator()(FILE* file) const noexcept { pclose(file); }
};

// Runs a script of this folder; what it prints is the message if it fails.
testing::AssertionResult passes(const std::string& script) {
    const std::string command =
        std::string(SDK_TEST_COMMAND) + " -P " + SDK_TEST_SCRIPTS + "/" + script + ".cmake 2>&1";
    std::unique_ptr<FILE, Close> pipe(popen(command.c_str(), "r"));
    if (!pipe) {
        return testing::AssertionFailure() << "cannot run " << command;
    }
    std::string output;
    std::array<char, 4096> piece{};
    while (std::fgets(piece.data(), piece.size(), pipe.get()) != nullptr) {
        output += piece.data();
    }
    const int status = pclose(pipe.release());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << command << "\n" << output;
}

TEST(Tutorial, ShowsTheProgramThatIsBuilt) {
    EXPECT_TRUE(passes("tutorial_test"));
}

#ifndef SDK_TEST_SANITIZED  // a user's program is not
TEST(Installed, IsFoundByCMakeAndPkgConfigAndExportsNothingElse) {
    EXPECT_TRUE(passes("install_test"));
}
#endif

#ifdef SDK_TEST_EXAMPLE
TEST(Example, TrainsToTheSameBitsAndSaysWhatIsWrong) {
    EXPECT_TRUE(passes("example_test"));
}
#endif

}  // namespace
}  // namespace accel::test
