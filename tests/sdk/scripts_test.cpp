// SPDX-License-Identifier: Apache-2.0
//
// Tests that are CMake scripts: the installed package, the tutorial, and the host side of the
// example. CMakeLists.txt passes their variables.
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

// Runs a script of this folder; its output is the message of a failure.
testing::AssertionResult passes(const std::string& script) {
    const std::string command =
        std::string(SDK_TEST_COMMAND) + " -P " + SDK_TEST_SCRIPTS + "/" + script + ".cmake 2>&1";
    std::unique_ptr<FILE, Close> pipe(popen(command.c_str(), "r"));
    if (!pipe) {
        return testing::AssertionFailure() << "cannot run " << command;
    }
    std::string output;
    std::array<char, 4096> chunk{};
    while (std::fgets(chunk.data(), chunk.size(), pipe.get()) != nullptr) {
        output += chunk.data();
    }
    const int status = pclose(pipe.release());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << command << "\n" << output;
}

TEST(Tutorial, ShowsTheProgramsThatAreBuilt) {
    EXPECT_TRUE(passes("tutorial_test"));
}

#ifndef SDK_TEST_SANITIZED  // a sanitized library does not link into a plain program
TEST(Installed, IsFoundByCMakeAndPkgConfigAndExportsOnlyItsOwn) {
    EXPECT_TRUE(passes("install_test"));
}
#endif

#ifdef SDK_TEST_EXAMPLE
TEST(Example, TrainsToTheSameBitsAndExplainsErrors) {
    EXPECT_TRUE(passes("example_test"));
}
#endif

}  // namespace
}  // namespace accel::test
