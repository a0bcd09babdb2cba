// SPDX-License-Identifier: Apache-2.0
//
// How the tools end, and the exception that carries it. The numbers are an interface: scripts and
// docs/reference/tools.md rely on them.
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
    usage = 2,        ///< an option or argument makes no sense
    no_card = 3,      ///< there is no such card
    permission = 4,   ///< not permitted
    card = 5,         ///< the card failed, is gone, or was reset meanwhile
    timeout = 6,      ///< not finished in time
    file = 7,         ///< a file cannot be read or written
    unsupported = 8,  ///< this card, driver or kernel cannot do it
    internal = 9,     ///< a bug in the tool
};

/// A reason to end: a sentence, and what to do about it.
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

/// What an errno amounts to.
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

}  // namespace accel::tools
