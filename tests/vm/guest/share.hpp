// SPDX-License-Identifier: Apache-2.0
//
// The common part of the tests of shared memory: its size, and an exchange of data through it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "commands.hpp"
#include "transfer.hpp"

namespace uapi {

inline constexpr std::size_t shared_bytes = 5 * page;

/// Throws unless the card reads the pattern from the import; then writes another pattern.
inline void exchange_pattern(const File& file, const Import& import, std::uint32_t found,
                             std::uint32_t left) {
    const Buffer own(file, shared_bytes);
    Queue queue(file, 4);
    queue.run(copy(own.address(), import.address(), shared_bytes));
    check(first_difference(own.as<std::uint32_t>(), found) == shared_bytes / sizeof(std::uint32_t),
          "the import has different data");
    fill_pattern(own.as<std::uint32_t>(), left);
    queue.run(copy(import.address(), own.address(), shared_bytes));
}

}  // namespace uapi
