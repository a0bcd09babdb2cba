// SPDX-License-Identifier: Apache-2.0
//
// Children of fork(), for tests.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <accel/error.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <span>
#include <utility>

namespace accel::test {

/// Runs `body` in a child: true means that it worked. The result is 0 then, and else the exit code,
/// or 128 and the signal. A deadlock ends the child.
[[nodiscard]] inline int in_child(const std::function<bool()>& body) {
    std::fflush(nullptr);  // or the child prints it again
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(60);
        int result = 1;
        try {
            result = body() ? 0 : 1;
        } catch (const std::exception& error) {
            std::fprintf(stderr, "the child: %s\n", error.what());
        }
        ::_exit(result);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// A use of an object, with its name for messages.
using NamedUse = std::pair<const char*, std::function<void()>>;

/// For in_child(): whether each use of an object of the parent throws what such a use must.
[[nodiscard]] inline bool each_use_throws(std::span<const NamedUse> uses) {
    bool right = true;
    for (const auto& [name, use] : uses) {
        try {
            use();
            std::fprintf(stderr, "the child: %s did not throw\n", name);
            right = false;
        } catch (const Error& error) {
            right = right && error.errc() == std::errc::operation_not_permitted;
        }
    }
    return right;
}

}  // namespace accel::test
