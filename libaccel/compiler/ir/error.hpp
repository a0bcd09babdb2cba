// SPDX-License-Identifier: Apache-2.0
//
// Errors of the compiler. A mistake in a model, or a feature that is not supported, is an Error of
// errc invalid_argument. A defect of the compiler itself is an Error of errc internal_error.
#pragma once

#include <accel/error.hpp>
#include <accel/load_options.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace accel::compiler {

inline constexpr std::errc internal_error = std::errc::state_not_recoverable;

/// Refuses a model. Each caller on the way out adds what it knows: the node, the file.
[[noreturn]] void refuse(const std::string& what);

/// Reports a defect of the compiler, and asks the user for a bug report.
[[noreturn]] void report_defect(const std::string& where, const std::exception& error);

/// The message of an error, without the text of its errno at the end.
[[nodiscard]] std::string message_of(const Error& error);

/// Calls `action` and adds `where` in front of the messages of its errors.
template <typename Action>
decltype(auto) in_context(const std::string& where, Action&& action) {
    try {
        return std::forward<Action>(action)();
    } catch (const ConstantInputRequired& error) {
        throw ConstantInputRequired(where + ": " + message_of(error), error.input());
    } catch (const Error& error) {
        throw Error(error.errc(), where + ": " + message_of(error));
    } catch (const std::logic_error& error) {
        report_defect(where, error);
    }
}

}  // namespace accel::compiler
