// SPDX-License-Identifier: Apache-2.0
//
// The border between C and C++: exceptions become errors, and parameters are checked.
#pragma once

#include <accel.h>
#include <accel/error.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace accel::c {

/// Translates the exception that is being handled. Call it in a handler only. Returns the errno.
[[nodiscard]] int report(accel_error_t* error) noexcept;

/// Reports a failure without an exception. Returns `code`.
[[nodiscard]] int fail(accel_error_t* error, int code, const char* text) noexcept;

/// `name` is that of a parameter, or of a member with a dot in it: "tensor.data".
[[noreturn]] void throw_null(const char* name);
[[noreturn]] void throw_too_many(std::uint64_t count, const char* name);
[[noreturn]] void throw_invalid(const std::string& text);

/// Runs `body`, which returns 0 or an errno that it reported.
template <typename Body>
[[nodiscard]] int guarded(accel_error_t* error, Body&& body) noexcept {
    try {
        return std::forward<Body>(body)();
    } catch (...) {
        return report(error);
    }
}

/// The number that `get` returns, or zero if it throws, as in a child of fork().
template <typename Get>
[[nodiscard]] auto number_or_zero(Get&& get) noexcept -> decltype(get()) {
    try {
        return std::forward<Get>(get)();
    } catch (...) {
        return 0;
    }
}

/// The object behind a pointer that must not be NULL. `name` is that of the parameter.
template <typename T>
[[nodiscard]] T& required(T* pointer, const char* name) {
    if (pointer == nullptr) {
        throw_null(name);
    }
    return *pointer;
}

/// Refuses a number of elements of the caller's array that no memory can hold. `name` is that of
/// the parameter or of the member.
template <typename T>
void check_count(std::uint64_t count, const char* name) {
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of handles is one of pointers
    constexpr std::uint64_t most = std::uint64_t{PTRDIFF_MAX} / sizeof(T);
    if (count > most) {
        throw_too_many(count, name);
    }
}

/// Makes a handle: `make` returns the handle by value. `*out` is NULL after a failure.
template <typename Handle, typename Make>
[[nodiscard]] int make_handle(Handle** out, accel_error_t* error, Make&& make) noexcept {
    return guarded(error, [&] {
        required(out, "out") = nullptr;
        *out = std::make_unique<Handle>(std::forward<Make>(make)()).release();
        return 0;
    });
}

/// Frees a handle of make_handle(). NULL is allowed.
template <typename Handle>
void free_handle(Handle* handle) noexcept {
    const std::unique_ptr<Handle> owner(handle);
}

}  // namespace accel::c
