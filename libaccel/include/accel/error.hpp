// SPDX-License-Identifier: Apache-2.0
//
// The exception type of the library: it says what failed, why, and what to do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "accel/visibility.hpp"

namespace accel {

/// The reason why the card stopped a queue. The values are those of the data sheet.
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
    time_limit = 19,
    no_progress = 20,
    step_limit = 21,
};

/// The reason why a queue stopped, or why an open device ended. The values are those of the driver.
enum class Reason : std::uint32_t {
    none = 0,         ///< nothing ended, or the driver does not say why
    error = 1,        ///< a command of the queue failed
    time_limit = 2,   ///< a command of the queue used up its time limit
    no_progress = 3,  ///< the queue made no progress; the driver stopped it
    stopped = 4,      ///< an administrator stopped the queue
    reset = 5,        ///< an administrator reset the card
    recovery = 6,     ///< the driver reset the card, because it did not work
    link_error = 7,   ///< the link reported an error that may have lost data
    suspend = 8,      ///< the machine was suspended
    removed = 9,      ///< the card was removed, or its driver was unbound
    wedged = 10,      ///< the card failed and no reset by the driver helped
};

/// A sentence about the reason: what happened and what to do.
[[nodiscard]] ACCEL_API std::string_view explain(Reason reason) noexcept;

/// The name of the reason, as enum Reason has it: "no_progress".
[[nodiscard]] ACCEL_API std::string_view to_string(Reason reason) noexcept;

/// A sentence about the status: its meaning and what to do.
[[nodiscard]] ACCEL_API std::string_view explain(CardStatus status) noexcept;

/// A sentence about an errno of the driver: its meaning and what to do.
[[nodiscard]] ACCEL_API std::string_view explain(std::errc error) noexcept;

/// The card's description of the command that stopped a queue.
struct CardFailure {
    CardStatus status = CardStatus::ok;
    /// Job::sequence() of the job that failed.
    std::uint64_t sequence = 0;
    /// The device address of a fault (see Address), else zero.
    std::uint64_t address = 0;
    /// Index of the command in the CommandList, if it was in one.
    std::optional<std::uint32_t> list_index = std::nullopt;
    /// Of the command, as in the data sheet.
    std::uint32_t opcode = 0;
    /// Reason::error, time_limit, no_progress or stopped.
    Reason reason = Reason::error;
};

/// The exception that this library throws. code() is the errno; what() is a sentence that says what
/// failed, why, and what to do. Copies share their details and do not throw.
class ACCEL_API Error : public std::system_error {
  public:
    Error(std::errc error, const std::string& what);
    Error(std::errc error, const std::string& what, const CardFailure& failure);
    Error(std::errc error, const std::string& what, Reason reason);
    Error(const Error&) noexcept;
    Error(Error&&) noexcept;
    Error& operator=(const Error&) noexcept;
    Error& operator=(Error&&) noexcept;
    ~Error() override;

    /// code() as std::errc.
    [[nodiscard]] std::errc errc() const noexcept { return static_cast<std::errc>(code().value()); }

    /// The card's report; empty unless the card caused the error.
    [[nodiscard]] const std::optional<CardFailure>& failure() const noexcept;

    /// failure()->status, or CardStatus::ok without a report of the card.
    [[nodiscard]] CardStatus status() const noexcept;

    /// The reason why the queue stopped or the device ended; Reason::none for all other errors.
    [[nodiscard]] Reason reason() const noexcept;

  private:
    struct Details;
    std::shared_ptr<const Details> details_;
};

}  // namespace accel
