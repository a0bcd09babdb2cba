// SPDX-License-Identifier: Apache-2.0
//
// Config space in words. The lines have the format of lspci, for people and scripts that know it;
// tests compare both.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pci.hpp"

namespace accel::tools::ls {

/// A bit of a register, shown as NAME+ or NAME-.
struct Bit {
    std::uint32_t mask;
    const char* name;
};
[[nodiscard]] std::string flags(std::uint32_t value, const std::vector<Bit>& bits,
                                std::string_view separator = " ");

/// "Control: ..." and "Status: ..." of the header.
[[nodiscard]] std::string control_line(const Function& function);
[[nodiscard]] std::string status_line(const Function& function);
/// "Memory at ... [size=64K]"
[[nodiscard]] std::string region_text(const Region& region);

/// A capability: its own line, and if `verbose` is at least 2, lines with its registers.
[[nodiscard]] std::vector<std::string> describe(const Function& function,
                                                const Capability& capability, int verbose);

/// express.cpp: the lines of the PCI Express capability.
[[nodiscard]] std::vector<std::string> describe_express(const Function& function, unsigned offset,
                                                        int verbose);

/// "2.5GT/s", ... for a link speed code; "unknown" for any other value.
[[nodiscard]] std::string speed_text(unsigned code);

}  // namespace accel::tools::ls
