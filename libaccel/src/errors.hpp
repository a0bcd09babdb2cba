// SPDX-License-Identifier: Apache-2.0
//
// How the library throws: every text is made here or in error.cpp.
#pragma once

#include <cerrno>  // for those who call throw_errno()
#include <cstdint>
#include <string>
#include <system_error>

#include "accel/buffer.hpp"
#include "accel/error.hpp"
#include "accel/shape.hpp"

namespace accel::detail {

/// "what: the sentence of the errno".
[[noreturn]] void throw_errno(int error, const std::string& what);

/// A mistake of the caller that the library finds before the kernel does.
[[noreturn]] void throw_invalid(const std::string& what);

[[noreturn]] void throw_moved_from(const char* type);

/// Job `sequence` is over without success because its queue stopped at `failure`.
[[noreturn]] void throw_failed(std::uint64_t sequence, const CardFailure& failure);

[[nodiscard]] std::string hex(std::uint64_t value);

}  // namespace accel::detail
