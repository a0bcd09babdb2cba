// SPDX-License-Identifier: Apache-2.0
//
// Equal constants share their elements, so that the card stores them once. Constants are equal if
// they have the same elements, or if the same operation makes them of the same operands.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/program.hpp"

namespace accel::compiler {

class ConstantCache {
  public:
    /// `base`: a cache that stays as it is, whose constants are used as well. Null: none.
    explicit ConstantCache(std::shared_ptr<const ConstantCache> base = nullptr)
        : base_(std::move(base)) {}

    /// A constant that is equal to this one: the first of them. A constant that is computed later
    /// is not compared.
    [[nodiscard]] Constant share(Constant constant);

    /// The result of this operation on these operands, or of the same operation on operands that
    /// share their elements with these. Null if there is none yet: the caller assigns it. Valid
    /// until the next call.
    [[nodiscard]] Constant& result(const Operation& operation,
                                   const std::vector<Constant>& operands, const Value& result);

    /// The result of result(), which fold_constant() computes if there is none yet. Null if the
    /// operation does not fold.
    [[nodiscard]] Constant fold(const Operation& operation, const std::vector<Constant>& operands,
                                const Value& result);

    /// Releases the bytes that the next access can read or compute again.
    void release() const noexcept;

  private:
    [[nodiscard]] Constant find_equal(const std::string& key, const Constant& constant) const;

    std::shared_ptr<const ConstantCache> base_;
    std::unordered_map<std::string, std::vector<Constant>> equal_;  // by type, shape and a sample
    Constant from_base_;  // the last that result() returned of the base
    struct Result {
        std::vector<Constant> operands;  // keeps them, so that their identities stay theirs
        Constant constant;
    };
    std::unordered_map<std::string, Result> results_;
};

}  // namespace accel::compiler
