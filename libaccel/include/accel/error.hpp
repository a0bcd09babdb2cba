// SPDX-License-Identifier: Apache-2.0
//
// The one exception type of the library: what failed, why, and what to do about it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "accel/visibility.hpp"

namespace accel {

/// Why the card stopped a queue; the numbers are those of the data sheet.
enum class CardStatus : std::uint32_t {
    ok = 0,
    bad_opcode = 1,
    bad_field = 2,
    bad_alignment = 3,
    bad_size = 4,
    bad_argument = 5,
    nested_call = 6,
    bad_doorbell = 7,
    fault_unmapped = 8,
    fault_read = 9,
    fault_write = 10,
    fault_table = 11,
    bus_error = 12,
    aborted = 13,
    busy = 14,
    exists = 15,
    not_found = 16,
    internal = 17,
    bad_index = 18,
};

/// One sentence: what the status means and what to do.
[[nodiscard]] ACCEL_API std::string_view explain(CardStatus status) noexcept;

/// One sentence: what this errno of the driver means and what to do.
[[nodiscard]] ACCEL_API std::string_view explain(std::errc error) noexcept;

/// What the card says about the command at which a queue stopped.
struct CardFailure {
    CardStatus status = CardStatus::ok;
    /// The command that failed, counted as Job::sequence().
    std::uint64_t sequence = 0;
    /// Context address of a fault, else zero.
    std::uint64_t address = 0;
    /// Its place in the CommandList, if it was in one.
    std::optional<std::uint32_t> list_index = std::nullopt;
    /// As the data sheet numbers them.
    std::uint32_t opcode = 0;
};

/// Thrown by everything in this library that fails. code() is the errno, what() a sentence for a
/// human. Copies share their details and do not throw.
class ACCEL_API Error : public std::system_error {
  public:
    Error(std::errc error, const std::string& what);
    Error(std::errc error, const std::string& what, const CardFailure& failure);
    Error(const Error&) noexcept;
    Error(Error&&) noexcept;
    Error& operator=(const Error&) noexcept;
    Error& operator=(Error&&) noexcept;
    ~Error() override;

    [[nodiscard]] std::errc errc() const noexcept { return static_cast<std::errc>(code().value()); }

    /// What the card reported; empty if the card had no part in it.
    [[nodiscard]] const std::optional<CardFailure>& card() const noexcept;

    /// Shorthand for card()->status; ok if the card had no part in it.
    [[nodiscard]] CardStatus status() const noexcept;

  private:
    std::shared_ptr<const std::optional<CardFailure>> card_;
};

}  // namespace accel
