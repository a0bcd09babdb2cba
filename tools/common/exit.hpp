// SPDX-License-Identifier: Apache-2.0
//
// The exit codes of the tools, and the exception that carries one. The numbers are an interface:
// scripts and docs/reference/tools.md rely on them.
#pragma once

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "accel/error.hpp"

namespace accel::tools {

enum class Exit : int {
    ok = 0,
    failed = 1,       ///< a check found something wrong
    usage = 2,        ///< an option or argument is invalid
    no_card = 3,      ///< no such card, or it has no driver
    permission = 4,   ///< not permitted
    card = 5,         ///< the card failed, is gone, or was reset during the command
    timeout = 6,      ///< the time limit passed
    file = 7,         ///< a file cannot be read or written
    unsupported = 8,  ///< the card, its driver or the kernel lacks a function
    internal = 9,     ///< a bug in the tool
};

/// The reason why a command ends early: what failed and why, and what to do about it.
class Failure : public std::runtime_error {
  public:
    Failure(Exit exit, const std::string& what, std::string hint = {})
        : std::runtime_error(what), exit_(exit), hint_(std::move(hint)) {}
    [[nodiscard]] Exit exit() const { return exit_; }
    [[nodiscard]] const std::string& hint() const { return hint_; }

  private:
    Exit exit_;
    std::string hint_;
};

/// The exit code for an errno. For an Error, exit_of(const Error&) knows more.
[[nodiscard]] inline Exit exit_of(std::errc error) {
    switch (error) {
        case std::errc::permission_denied:
        case std::errc::operation_not_permitted:
            return Exit::permission;
        case std::errc::no_such_file_or_directory:
        case std::errc::no_such_device_or_address:
            return Exit::no_card;
        case std::errc::timed_out:
            return Exit::timeout;
        case std::errc::operation_not_supported:
        case std::errc::inappropriate_io_control_operation:
            return Exit::unsupported;
        default:
            return Exit::card;
    }
}

/// The exit code for an Error of the SDK: a command that used up its time limit is a timeout.
[[nodiscard]] inline Exit exit_of(const Error& error) {
    return error.reason() == Reason::time_limit ? Exit::timeout : exit_of(error.errc());
}

}  // namespace accel::tools
