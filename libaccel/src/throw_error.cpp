// SPDX-License-Identifier: Apache-2.0
//
// The texts of the exceptions that describe a failed job, an errno, or a misuse of the public
// templates.
#include "throw_error.hpp"

#include <string>

#include "command_text.hpp"

namespace accel::detail {

void throw_errno(int error, const std::string& what) {
    const auto code = static_cast<std::errc>(error);
    throw Error(code, what + ": " + std::string(explain(code)));
}

void throw_invalid(const std::string& what) {
    throw Error(std::errc::invalid_argument, what);
}

void throw_moved_from(const char* type) {
    throw_invalid(std::string("this ") + type +
                  " was moved from: use the object that it was moved to");
}

std::string describe_failure(const CardFailure& failure) {
    std::string text = "command " + std::to_string(failure.sequence);
    if (failure.list_index) {
        text += ", index " + std::to_string(*failure.list_index) + " of its list";
    }
    text += " (" + command_name(failure.opcode) + ")";
    switch (failure.status) {
        case CardStatus::fault_unmapped:
        case CardStatus::fault_read:
        case CardStatus::fault_write:
        case CardStatus::fault_table:
        case CardStatus::bus_error:
            text += ", at address " + hex(failure.address);
            break;
        default:
            break;
    }
    return text + ": " + std::string(explain(failure.status));
}

void throw_failed(std::uint64_t sequence, const CardFailure& failure, std::uint32_t time_limit_ms) {
    std::string text = "job " + std::to_string(sequence);
    if (failure.sequence == sequence) {
        text += " failed at " + describe_failure(failure);
    } else {
        text += " did not run, because its queue stopped at " + describe_failure(failure);
    }
    if (failure.status == CardStatus::time_limit && time_limit_ms != 0) {
        text += "; the limit of the queue is " + std::to_string(time_limit_ms) + " ms";
    }
    const bool too_long =
        failure.reason == Reason::time_limit || failure.reason == Reason::no_progress;
    throw Error(too_long ? static_cast<std::errc>(ETIME) : std::errc::io_error,
                text + ". Restart the queue with Queue::reset()", failure);
}

void throw_bad_rank(std::size_t rank) {
    throw_invalid("a shape of " + std::to_string(rank) +
                  " dimensions is not possible: use at most " + std::to_string(max_rank));
}

void throw_too_large() {
    throw_invalid("the size does not fit 64 bits: use smaller dimensions");
}

void throw_not_mapped() {
    throw_invalid(
        "the buffer is in device memory and has no CPU mapping: use upload() and download(), or "
        "allocate it with Placement::device_mapped");
}

void throw_in_child() {
    throw Error(std::errc::operation_not_permitted,
                "the device of this object was opened before fork(), and belongs to the parent "
                "process: open the card in the child, after fork() or daemon(), and create the "
                "objects there");
}

void throw_bad_slice(std::uint64_t first, std::uint64_t count, std::uint64_t size) {
    throw_invalid("a slice of " + std::to_string(count) + " elements from element " +
                  std::to_string(first) + " extends past the end of a buffer of " +
                  std::to_string(size) + ": make it shorter");
}

void throw_bad_length(std::uint64_t given, std::uint64_t size) {
    throw_invalid(std::to_string(given) + " elements do not match a buffer of " +
                  std::to_string(size) + ": the numbers must be equal");
}

}  // namespace accel::detail
