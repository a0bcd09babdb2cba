// SPDX-License-Identifier: Apache-2.0
//
// Versioned structures: each begins with its size, and grows only at its end. Programs and the
// library may know different versions.
#pragma once

#include <accel.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

#include "guard.hpp"

namespace accel::c {

/// The size of the first version of a structure. It never changes.
template <typename T>
inline constexpr std::uint32_t first_size = 0;
template <>
inline constexpr std::uint32_t first_size<accel_attention_t> = 320;
template <>
inline constexpr std::uint32_t first_size<accel_buffer_options_t> = 16;
template <>
inline constexpr std::uint32_t first_size<accel_conv2d_t> = 200;
template <>
inline constexpr std::uint32_t first_size<accel_copy_t> = 80;
template <>
inline constexpr std::uint32_t first_size<accel_device_end_t> = 32;
template <>
inline constexpr std::uint32_t first_size<accel_device_info_t> = 400;
template <>
inline constexpr std::uint32_t first_size<accel_elementwise_t> = 416;
template <>
inline constexpr std::uint32_t first_size<accel_error_t> = 1064;
template <>
inline constexpr std::uint32_t first_size<accel_fill_t> = 64;
template <>
inline constexpr std::uint32_t first_size<accel_gather_t> = 104;
template <>
inline constexpr std::uint32_t first_size<accel_gemm_t> = 176;
template <>
inline constexpr std::uint32_t first_size<accel_loop_t> = 88;
template <>
inline constexpr std::uint32_t first_size<accel_model_options_t> = 72;
template <>
inline constexpr std::uint32_t first_size<accel_pool_t> = 128;
template <>
inline constexpr std::uint32_t first_size<accel_queue_counters_t> = 88;
template <>
inline constexpr std::uint32_t first_size<accel_queue_options_t> = 32;
template <>
inline constexpr std::uint32_t first_size<accel_reduce_t> = 72;
template <>
inline constexpr std::uint32_t first_size<accel_resize_t> = 96;
template <>
inline constexpr std::uint32_t first_size<accel_scatter_t> = 112;
template <>
inline constexpr std::uint32_t first_size<accel_set_argument_t> = 96;
template <>
inline constexpr std::uint32_t first_size<accel_skip_t> = 40;
template <>
inline constexpr std::uint32_t first_size<accel_softmax_t> = 64;
template <>
inline constexpr std::uint32_t first_size<accel_tensor_t> = 48;
template <>
inline constexpr std::uint32_t first_size<accel_transpose_t> = 200;

template <typename T>
void check_size(const T& structure, const char* name) {
    static_assert(first_size<T> != 0 && first_size<T> <= sizeof(T));
    if (structure.size < first_size<T>) {
        throw_invalid(std::string(name) + "->size is " + std::to_string(structure.size) +
                      ", and the structure has at least " + std::to_string(first_size<T>) +
                      " bytes: set it to the sizeof of the structure");
    }
}

/// Refuses a reserved member that is not 0, so that a later version can give it a meaning.
inline void check_reserved(std::uint64_t value, const std::string& name) {
    if (value != 0) {
        throw_invalid(name + " is " + std::to_string(value) +
                      ", and this version of the library reserves it: set it to 0");
    }
}

/// The value of a member that is 0 or 1.
[[nodiscard]] inline bool to_bool(std::uint32_t value, const char* name) {
    if (value > 1) {
        throw_invalid(std::string(name) + " is " + std::to_string(value) + ": set it to 0 or 1");
    }
    return value != 0;
}

/// The structure that the caller filled, as this library knows it.
template <typename T>
[[nodiscard]] T read_structure(const T* from, const char* name) {
    check_size(required(from, name), name);
    const auto* const bytes = reinterpret_cast<const char*>(from);
    if (from->size > sizeof(T) &&
        std::any_of(bytes + sizeof(T), bytes + from->size, [](char c) { return c != 0; })) {
        throw Error(std::errc::argument_list_too_long,
                    std::string(name) +
                        " has a member that this library does not know: install the version of "
                        "libaccel_c that the program was built with, or a newer one");
    }
    T structure{};
    std::memcpy(&structure, from, std::min<std::size_t>(from->size, sizeof(T)));
    if constexpr (requires { structure.reserved; }) {
        check_reserved(structure.reserved, std::string(name) + "->reserved");
    }
    return structure;
}

/// The same for an optional structure: all zero if `from` is NULL.
template <typename T>
[[nodiscard]] T read_options(const T* from, const char* name) {
    return from != nullptr ? read_structure(from, name) : T{};
}

/// Fills the caller's structure as far as both know it; the rest of it is zero.
template <typename T>
void write_structure(T* to, T value, const char* name) {
    check_size(required(to, name), name);
    value.size = to->size;
    const std::size_t known = std::min<std::size_t>(to->size, sizeof(T));
    std::memset(reinterpret_cast<char*>(to) + known, 0, to->size - known);
    std::memcpy(to, &value, known);
}

}  // namespace accel::c
