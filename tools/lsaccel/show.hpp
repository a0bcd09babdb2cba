// SPDX-License-Identifier: Apache-2.0
//
// PCI functions as text, as a tree and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clients.hpp"
#include "json.hpp"
#include "pci.hpp"
#include "status.hpp"
#include "terminal.hpp"

namespace accel::tools::ls {

/// A PCI function, with the state that only the running system knows.
struct Entry {
    Function function;
    std::optional<Status> status;  ///< only for cards of this project, and not from a dump
    std::vector<Client> clients;
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
[[nodiscard]] Json to_json(const Entry& entry);

/// Notes on information that this user may not read, with the way to get it.
[[nodiscard]] std::vector<std::string> notes(const std::vector<Entry>& entries,
                                             const Clients& clients, bool dump);

}  // namespace accel::tools::ls
