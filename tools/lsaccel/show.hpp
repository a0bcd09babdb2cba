// SPDX-License-Identifier: Apache-2.0
//
// Functions as text, tree and JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "holders.hpp"
#include "pci.hpp"
#include "status.hpp"
#include "terminal.hpp"

namespace accel::tools::ls {

/// A function with what only the running system knows of it.
struct Entry {
    Function function;
    std::optional<Status> status;  ///< of this project's cards, not from a dump
    std::vector<Holder> holders;
};

struct View {
    int verbose = 0;
    bool kernel = false;  ///< -k
    int hex = 0;          ///< -x, -xxx, -xxxx
    int machine = 0;      ///< -m: 1 is -mm, 2 is -vmm
};

[[nodiscard]] std::string show(const Entry& entry, const View& view, const Terminal& terminal);
[[nodiscard]] std::string show_machine(const Function& function, bool records);
[[nodiscard]] std::string show_hex(const Function& function, int level);
[[nodiscard]] std::string show_tree(const std::vector<Function>& all,
                                    const std::vector<Entry>& entries, bool verbose);
[[nodiscard]] nlohmann::ordered_json to_json(const Entry& entry);

/// What we could not read, and who could; empty if nothing is missing.
[[nodiscard]] std::vector<std::string> notes(const std::vector<Entry>& entries,
                                             const Holders& holders, bool dump);

}  // namespace accel::tools::ls
