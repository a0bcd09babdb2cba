// SPDX-License-Identifier: Apache-2.0
//
// Exceptions as errors of C, and the texts of status codes and reasons.
#include <accel.h>
#include <accel/error.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "guard.hpp"
#include "names.hpp"
#include "structure.hpp"

namespace accel::c {

namespace {

// Cuts at the start of a character of UTF-8, and marks the cut.
void set_text(accel_error_t& error, std::string_view text) noexcept {
    constexpr std::string_view mark = "...";
    constexpr std::size_t room = sizeof error.text - 1;
    std::size_t length = text.size();
    if (length > room) {
        length = room - mark.size();
        while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) {
            --length;
        }
    }
    std::memcpy(error.text, text.data(), length);
    if (length < text.size()) {
        std::memcpy(error.text + length, mark.data(), mark.size());
    }
}

int store(accel_error_t* to, accel_error_t& from, int code, std::string_view text) noexcept {
    if (code <= 0) {
        code = EIO;  // of a category without errno values
    }
    if (to == nullptr || to->size < first_size<accel_error_t>) {
        return code;
    }
    from.code = code;
    set_text(from, text);
    try {
        write_structure(to, from, "error");
    } catch (...) {
        return code;  // not reached: the size is valid
    }
    return code;
}

accel_error_t empty() noexcept {
    accel_error_t error{};
    error.list_index = ACCEL_LIST_INDEX_NONE;
    return error;
}

int store(accel_error_t* to, const Error& exception) {
    accel_error_t error = empty();
    error.status = static_cast<std::uint32_t>(exception.status());
    error.reason = static_cast<std::uint32_t>(exception.reason());
    if (const auto& failure = exception.failure()) {
        error.sequence = failure->sequence;
        error.address = failure->address;
        error.opcode = failure->opcode;
        error.list_index = failure->list_index.value_or(ACCEL_LIST_INDEX_NONE);
    }
    return store(to, error, exception.code().value(), with_c_names(exception.what()));
}

}  // namespace

int fail(accel_error_t* error, int code, const char* text) noexcept {
    accel_error_t value = empty();
    return store(error, value, code, text);
}

int report(accel_error_t* error) noexcept {
    try {
        try {
            throw;
        } catch (const Error& exception) {
            return store(error, exception);
        } catch (const std::bad_alloc&) {
            return fail(error, ENOMEM,
                        "the process has no memory left: free some, or raise its limit");
        } catch (const std::length_error&) {
            return fail(error, EINVAL,
                        "a count is too large: pass the number of elements of the array");
        } catch (const std::system_error& exception) {
            return fail(error, exception.code().value(), exception.what());
        } catch (const std::exception& exception) {
            return fail(error, EIO, exception.what());
        }
    } catch (...) {
        return fail(error, EIO,
                    "the library failed for an unknown reason: report this as a defect");
    }
}

void throw_null(const char* name) {
    const std::string text = name;
    if (text.find('.') != std::string::npos) {
        throw_invalid("the member " + text + " is NULL: set it, or clear the structure first");
    }
    throw_invalid("the parameter " + text +
                  " is NULL: pass a pointer, and check that the call that made it returned 0");
}

void throw_too_many(std::uint64_t count, const char* name) {
    throw_invalid(std::string(name) + " is " + std::to_string(count) +
                  ", and a count is too large if no memory holds so many elements: pass the number "
                  "of elements of the array");
}

void throw_invalid(const std::string& text) {
    throw Error(std::errc::invalid_argument, text);
}

namespace {

constexpr std::size_t statuses = ACCEL_ERROR_STATUS_STEP_LIMIT + 1;
constexpr std::size_t reasons = ACCEL_ERROR_REASON_WEDGED + 1;

template <typename Value, std::size_t count>
std::array<std::string, count> texts() {
    std::array<std::string, count> all;
    for (std::size_t i = 0; i < count; ++i) {
        all[i] = with_c_names(explain(static_cast<Value>(i)));
    }
    return all;
}

}  // namespace

}  // namespace accel::c

const char* accel_status_text(std::uint32_t status) {
    try {
        static const auto all = accel::c::texts<accel::CardStatus, accel::c::statuses>();
        return status < all.size() ? all[status].c_str() : "this library does not know the status";
    } catch (...) {
        return "the process has no memory left";
    }
}

const char* accel_reason_text(std::uint32_t reason) {
    try {
        static const auto all = accel::c::texts<accel::Reason, accel::c::reasons>();
        return reason < all.size() ? all[reason].c_str() : "this library does not know the reason";
    } catch (...) {
        return "the process has no memory left";
    }
}

const char* accel_library_version(void) {
    return ACCEL_LIBRARY_VERSION;
}
