// SPDX-License-Identifier: Apache-2.0
//
// Runs an operation of the driver with its first fault point failing, then its second, and so on,
// until it has no more. Each failure must be an errno that the interface names, must leave nothing
// behind, and the next attempt must succeed.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "uapi.hpp"

namespace uapi {

/// An operation. Its constructor prepares everything that many attempts need.
class Operation {
  public:
    Operation() = default;
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    Operation(Operation&&) = delete;
    Operation& operator=(Operation&&) = delete;
    virtual ~Operation() = default;

    /// Makes what one attempt needs; keeps what a failed attempt left usable. Nothing fails here.
    virtual void prepare() {}
    /// The operation itself, in which the failure is injected: 0 or an errno. It allocates no
    /// memory of the process, and makes no other system calls.
    [[nodiscard]] virtual int attempt() = 0;
    /// Completes an attempt that ended with `error`, without failures: the result, 0 or an errno.
    [[nodiscard]] virtual int finish(int error) { return error; }
    /// Checks the effect of a successful attempt, and reverts it.
    virtual void undo() {}
};

struct FailureCase {
    std::string name;
    std::function<std::unique_ptr<Operation>()> make;
    std::set<int> errnos{ENOMEM, EFAULT};  // that the operation may fail with
    /// False for an operation after which resources differ, or that unbinds the card.
    bool compare = true;
    /// False if all memory may come from a cache, so that there may be no point.
    bool has_points = true;
};

std::ostream& operator<<(std::ostream& out, const FailureCase& failure);

/// A case whose operation is a T, constructed from these arguments.
template <typename T, typename... Arguments>
[[nodiscard]] FailureCase failure_case(const std::string& name, Arguments... arguments) {
    return {.name = name, .make = [=]() -> std::unique_ptr<Operation> {
                return std::make_unique<T>(arguments...);
            }};
}
[[nodiscard]] FailureCase with_errnos(FailureCase failure, const std::set<int>& more);
/// A case in io_uring: it keeps memory for requests, and returns EAGAIN when it has none.
[[nodiscard]] FailureCase in_uring(FailureCase failure);
[[nodiscard]] FailureCase without_comparison(FailureCase failure);

/// The test of a case; each source of operations instantiates it.
class Failure : public testing::TestWithParam<FailureCase> {};

/// The name of a case in the name of its test.
[[nodiscard]] std::string test_name(const testing::TestParamInfo<FailureCase>& info);

}  // namespace uapi
