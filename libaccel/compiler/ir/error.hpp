// SPDX-License-Identifier: Apache-2.0
//
// Errors of the compiler. A mistake in a model, or a feature that is not supported, is an Error of
// errc invalid_argument; a damaged file is one of errc bad_message. A defect of the compiler itself
// is an Error of errc internal_error.
#pragma once

#include <accel/error.hpp>
#include <accel/load_options.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace accel::compiler {

inline constexpr std::errc internal_error = std::errc::state_not_recoverable;

/// An error in its parts: the cause, and what the user can do. While the remedy is empty,
/// in_context() adds a general one.
class Refusal : public Error {
  public:
    Refusal(std::errc code, std::string cause, std::string remedy);

    [[nodiscard]] const std::string& cause() const { return cause_; }
    [[nodiscard]] const std::string& remedy() const { return remedy_; }

  private:
    std::string cause_;
    std::string remedy_;
};

/// The general remedies: of an error in a node, and of any other error in a model. A node with an
/// error may be correct, so the first has a remedy for what the compiler does not support, too.
inline constexpr const char* node_remedy =
    "check the model with onnx.checker, change the node, or compute it outside of the model";
inline constexpr const char* model_remedy = "check the model with onnx.checker";

/// Refuses a model. Each caller on the way out adds what it knows: the node, the file. `remedy`
/// says what the user can do; without one, in_context() adds a general remedy.
[[noreturn]] void refuse(const std::string& what);
[[noreturn]] void refuse(const std::string& what, const std::string& remedy);

/// Refuses a file that is damaged or cut: it is at fault, not the model in it.
[[noreturn]] void refuse_damaged(const std::string& what, const std::string& remedy);

/// Reports a defect of the compiler, and asks the user for a bug report.
[[noreturn]] void report_defect(const std::string& where, const std::exception& error);

/// The message of an error, without the text of its errno at the end.
[[nodiscard]] std::string message_of(const Error& error);

/// Calls `action` and adds `where` in front of the messages of its errors. Adds `remedy` to the
/// messages that name none.
template <typename Action>
decltype(auto) in_context(const std::string& where, Action&& action,
                          const char* remedy = model_remedy) {
    try {
        return std::forward<Action>(action)();
    } catch (const ConstantInputRequired& error) {
        throw ConstantInputRequired(where + ": " + message_of(error), error.input());
    } catch (const Refusal& error) {
        throw Refusal(error.errc(), where + ": " + error.cause(),
                      error.remedy().empty() ? remedy : error.remedy());
    } catch (const Error& error) {
        throw Error(error.errc(), where + ": " + message_of(error));
    } catch (const std::logic_error& error) {
        report_defect(where, error);
    }
}

}  // namespace accel::compiler
