// SPDX-License-Identifier: Apache-2.0
#include "ir/error.hpp"

namespace accel {

ConstantInputRequired::ConstantInputRequired(const std::string& what, std::string input)
    : Error(std::errc::invalid_argument, what), input_(std::move(input)) {}

namespace compiler {

Refusal::Refusal(std::errc code, std::string cause, std::string remedy)
    : Error(code, remedy.empty() ? cause : cause + ": " + remedy),
      cause_(std::move(cause)),
      remedy_(std::move(remedy)) {}

void refuse(const std::string& what) {
    throw Refusal(std::errc::invalid_argument, what, "");
}

void refuse(const std::string& what, const std::string& remedy) {
    throw Refusal(std::errc::invalid_argument, what, remedy);
}

void refuse_damaged(const std::string& what, const std::string& remedy) {
    throw Refusal(std::errc::bad_message, what, remedy);
}

void report_defect(const std::string& where, const std::exception& error) {
    throw Error(internal_error, where + ": internal error of the compiler (" + error.what() +
                                    "): please report it, with the model");
}

std::string message_of(const Error& error) {
    std::string text = error.what();
    const std::string suffix = ": " + error.code().message();
    while (text.ends_with(suffix)) {
        text.resize(text.size() - suffix.size());
    }
    return text;
}

}  // namespace compiler

}  // namespace accel
