// SPDX-License-Identifier: Apache-2.0
//
// Children of fork(), for tests.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>

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

}  // namespace accel::test
