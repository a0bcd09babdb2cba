// SPDX-License-Identifier: Apache-2.0
//
// Clients: the open files of the cards, and the processes that hold them, read from /proc/PID/fd
// and fdinfo.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json.hpp"
#include "root.hpp"

namespace accel::tools {

/// A queue of a client, as fdinfo reports it (docs/concepts/driver.md).
struct ClientQueue {
    unsigned id = 0;    ///< the card's number for it
    std::string state;  ///< running, error, stopped
    /// The card's word: idle, ready, running, blocked (it waits for a semaphore), stopped, unknown.
    std::string activity;  ///< empty: the driver does not tell
    unsigned priority = 0;
    std::uint64_t completed = 0;
    std::uint64_t pending = 0;
    std::uint64_t dma_ns = 0;
    std::uint64_t compute_ns = 0;
};

/// One open file in one process. A file that several processes share is listed for each of them.
struct Client {
    int pid = 0;
    std::string name;      ///< of the program
    std::string user;      ///< its name, or its number
    std::string address;   ///< PCI address of the card
    std::uint64_t id = 0;  ///< the driver's number for the open file
    std::string state;     ///< running; reset or gone: its resources on the card are lost
    std::uint64_t dma_ns = 0;
    std::uint64_t compute_ns = 0;
    std::uint64_t host_bytes = 0;
    std::uint64_t device_bytes = 0;
    std::uint64_t registered_bytes = 0;
    std::vector<ClientQueue> queues;
};

struct Clients {
    std::vector<Client> found;  ///< by card, process and file
    unsigned hidden = 0;        ///< processes whose files this user may not see

    [[nodiscard]] std::vector<Client> of_card(const std::string& address) const;
};

[[nodiscard]] Clients find_clients(const SystemRoot& root);
[[nodiscard]] Json to_json(const Client& client);

/// A sentence on processes that could not be inspected; empty if there are none.
[[nodiscard]] std::string hidden_note(const Clients& clients);

}  // namespace accel::tools
