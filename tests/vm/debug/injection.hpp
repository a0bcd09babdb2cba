// SPDX-License-Identifier: Apache-2.0
//
// Fault injection of a debug kernel: the nth fault point of a system call (an allocation, or a copy
// from or to the caller) fails. It also counts the resources that such a call must not leak.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "uapi.hpp"

namespace uapi {

/// True if this kernel can inject failures.
[[nodiscard]] bool can_inject();

/// Injects failures into the system calls of the thread that made this object.
class Injection {
  public:
    /// Lets all kinds of allocations fail; throws if the kernel cannot inject failures.
    Injection();
    /// From now on, the nth fault point fails.
    void arm(int n) const;
    /// Ends it; returns true if a failure was injected.
    [[nodiscard]] bool disarm() const;

  private:
    Descriptor file_;
};

/// Writes a line to the kernel log, where it separates the kernel's reports.
void mark(const std::string& text);

/// Counts of resources by name: of the cards, of this process, and of the kernel.
class Resources {
  public:
    /// `observer` is an open file whose user is asked for; without one, no driver need be bound.
    [[nodiscard]] static Resources measure(const File* observer);
    /// Measures until nothing changes: the kernel releases some resources a little later.
    [[nodiscard]] static Resources settled(const File* observer);
    bool operator==(const Resources&) const = default;
    /// The resources that differ, as "name: before > after"; empty if none does.
    [[nodiscard]] std::string difference(const Resources& after) const;

  private:
    std::map<std::string, std::int64_t> counts_;
};

}  // namespace uapi
