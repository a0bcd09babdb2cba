// SPDX-License-Identifier: Apache-2.0
//
// Equal constants share their elements, so that the card stores them once. Constants are equal if
// they have the same elements, or if the same operation makes them of the same operands.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/program.hpp"

namespace accel::compiler {

class ConstantCache {
  public:
    /// A constant that is equal to this one: the first of them. A constant that is computed later
    /// is not compared.
    [[nodiscard]] Constant share(Constant constant);

    /// The result of this operation on these operands, or of the same operation on operands that
    /// share their elements with these. Null if there is none yet: the caller assigns it. Valid
    /// until the next call.
    [[nodiscard]] Constant& result(const Operation& operation,
                                   const std::vector<Constant>& operands, const Value& result);

    /// The same for what the import computes by another way: `what` names it, and `numbers` are all
    /// that it depends on beside its operands.
    [[nodiscard]] Constant& derived(std::string_view what, const std::vector<std::int64_t>& numbers,
                                    const std::vector<Constant>& operands);

  private:
    std::unordered_map<std::string, std::vector<Constant>> equal_;  // by type, shape and a sample
    struct Result {
        std::vector<Constant> operands;  // keeps them, so that their identities stay theirs
        Constant constant;
    };
    std::unordered_map<std::string, Result> results_;
    std::unordered_map<std::string, Result> derived_;
};

}  // namespace accel::compiler
