// SPDX-License-Identifier: Apache-2.0
//
// Who has a card open, and what for: from /proc/PID/fd and fdinfo.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "root.hpp"

namespace accel::tools {

/// A queue on the card; docs/concepts/driver.md, fdinfo.
struct QueueUse {
    unsigned id = 0;    ///< what the card calls it
    std::string state;  ///< running, error, stopped
    unsigned priority = 0;
    std::uint64_t completed = 0;
    std::uint64_t pending = 0;
    std::uint64_t dma_ns = 0;
    std::uint64_t compute_ns = 0;
};

/// One open file of one process. A file that several processes have is listed for each.
struct Holder {
    int pid = 0;
    std::string name;     ///< of the program
    std::string user;     ///< his name, or number
    std::string address;  ///< PCI address of the card
    std::uint64_t client = 0;
    std::string state;  ///< running; reset or gone: what it has is no use any more
    std::uint64_t dma_ns = 0;
    std::uint64_t compute_ns = 0;
    std::uint64_t host_bytes = 0;
    std::uint64_t device_bytes = 0;
    std::uint64_t registered_bytes = 0;
    std::vector<QueueUse> queues;
};

struct Holders {
    std::vector<Holder> found;  ///< by card, process and file
    unsigned hidden = 0;        ///< processes that we may not look into

    [[nodiscard]] std::vector<Holder> of(const std::string& address) const;
};

[[nodiscard]] Holders find_holders(const Root& root);
[[nodiscard]] nlohmann::ordered_json to_json(const Holder& holder);

/// "3 processes of other users may hold it as well: ask as root", or nothing.
[[nodiscard]] std::string hidden_note(const Holders& holders);

}  // namespace accel::tools
