// SPDX-License-Identifier: Apache-2.0
//
// accelctl topology: the path from the host to each card, and which cards reach each other without
// host memory.
#include <fmt/core.h>

#include <algorithm>
#include <iostream>
#include <sstream>

#include "accel/device.hpp"
#include "accel/error.hpp"
#include "commands.hpp"
#include "emulated.hpp"
#include "emulated_status.hpp"
#include "json.hpp"
#include "status.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

struct Location {
    Status status;
    std::vector<std::string> path;  ///< root bus, ports and bridges, and the card itself
};

struct Link {
    std::string relation;  ///< SELF, PIX, PXB, PHB, SYS, PROC
    std::string reach;     ///< yes, no, unknown
    std::string reason;
};

Location locate(const SystemRoot& root, const Card& card) {
    if (!card.emulated.empty()) {
        return {.status = emulated_status(card), .path = {"this process", card.name()}};
    }
    Location location{.status = read_status(root, card), .path = {}};
    // ../../../devices/pci0000:00/0000:00:02.0/0000:01:00.0
    std::istringstream target(root.target(card.pci()).value_or(""));
    for (std::string part; std::getline(target, part, '/');) {
        if (part.starts_with("pci") || full_address(part)) {
            location.path.push_back(part);
        }
    }
    return location;
}

// The number of leading components that two paths share.
std::size_t common(const Location& a, const Location& b) {
    std::size_t count = 0;
    while (count < a.path.size() && count < b.path.size() && a.path[count] == b.path[count]) {
        ++count;
    }
    return count;
}

std::string relation(const Location& a, const Location& b) {
    if (!a.status.card.emulated.empty()) {
        return "PROC";
    }
    const std::size_t shared = common(a, b);
    if (shared == 0) {
        return "SYS";
    }
    if (shared == 1) {
        return "PHB";
    }
    // A port of the same switch each, below the last shared bridge: one switch is between them.
    const std::size_t apart = std::max(a.path.size(), b.path.size()) - shared;
    return apart <= 2 ? "PIX" : "PXB";
}

// Maps a page of one card for the other to learn whether the driver allows it.
Link probe(const SystemRoot& root, const Card& from, const Card& to, std::string relation) {
    Link link{.relation = std::move(relation), .reach = "unknown", .reason = {}};
    if (from.emulated.empty() && (!root.own() || !from.node || !to.node)) {
        link.reason = "unknown, as a card has no node that can be opened here";
        return link;
    }
    try {
        const Device reader = Device::open(from.path());
        const Device owner = Device::open(to.path());
        constexpr std::uint64_t page = 4096;
        const auto memory = owner.allocate_device<std::byte>({page});
        const FileDescriptor exported = owner.export_memory(memory);
        const auto peer = reader.import_memory<std::byte>(exported.get());
        link.reach = "yes";
    } catch (const Error& error) {
        link.reach = error.errc() == std::errc::operation_not_supported ? "no" : "unknown";
        link.reason = error.what();
    }
    return link;
}

using Matrix = std::vector<std::vector<Link>>;

Matrix probe_all(const SystemRoot& root, const std::vector<Location>& locations) {
    Matrix links;
    for (const Location& from : locations) {
        std::vector<Link>& row = links.emplace_back();
        for (const Location& to : locations) {
            row.push_back(&from == &to
                              ? Link{.relation = "SELF", .reach = "yes", .reason = {}}
                              : probe(root, from.status.card, to.status.card, relation(from, to)));
        }
    }
    return links;
}

Json topology_json(const std::vector<Location>& locations, const Matrix& links) {
    Json cards = Json::array();
    Json peers = Json::array();
    for (std::size_t i = 0; i < locations.size(); ++i) {
        const Status& status = locations[i].status;
        cards.push_back({{"address", status.card.address},
                         {"node", status.card.node ? Json(status.card.name()) : Json()},
                         {"numa_node", status.numa_node},
                         {"path", Json::array_of(locations[i].path)},
                         {"link", to_json(status.link)}});
        for (std::size_t j = 0; j < locations.size(); ++j) {
            peers.push_back({{"from", status.card.address},
                             {"to", locations[j].status.card.address},
                             {"relation", links[i][j].relation},
                             {"reach", links[i][j].reach},
                             {"reason", links[i][j].reason}});
        }
    }
    return {{"cards", std::move(cards)}, {"peers", std::move(peers)}};
}

std::string cards_text(const std::vector<Location>& locations) {
    Table table({{"CARD"}, {"ADDRESS"}, {"NUMA"}, {"LINK"}, {"PATH"}});
    for (const Location& location : locations) {
        const Status& status = location.status;
        std::string path;
        for (const std::string& part : location.path) {
            path += (path.empty() ? "" : " > ") + part;
        }
        table.add({status.card.node ? status.card.name() : "-", status.card.address,
                   status.numa_node ? std::to_string(*status.numa_node) : "-", status.link.now(),
                   path});
    }
    return table.to_string();
}

// The table of relations, and below it the reasons why cards do not reach each other.
std::string peers_text(const std::vector<Location>& locations, const Matrix& links) {
    std::vector<Table::Column> columns{{"FROM \\ TO"}};
    for (const Location& location : locations) {
        columns.push_back({location.status.card.name()});
    }
    Table table(std::move(columns));
    std::string reasons;
    for (std::size_t i = 0; i < locations.size(); ++i) {
        const std::string from = locations[i].status.card.name();
        std::vector<std::string> row{from};
        for (std::size_t j = 0; j < locations.size(); ++j) {
            const Link& link = links[i][j];
            row.push_back(i == j ? "-" : link.relation + " " + link.reach);
            if (!link.reason.empty()) {
                reasons += fmt::format("{} to {}: {}\n", from, locations[j].status.card.name(),
                                       link.reason);
            }
        }
        table.add(std::move(row));
    }
    return table.to_string() + reasons;
}

struct TopologyOptions {
    std::string card;
};

Exit topology(const Program& program, const TopologyOptions& options) {
    const SystemRoot root = program.root();
    std::vector<Location> locations;
    for (const Card& card : select_cards(root, name_or_environment(root, options.card))) {
        locations.push_back(locate(root, card));
    }
    const Matrix links = probe_all(root, locations);
    if (program.json()) {
        program.print_json("accelctl.topology/1", topology_json(locations, links));
        return Exit::ok;
    }
    if (locations.empty()) {
        std::cout << no_cards;
        return Exit::ok;
    }
    std::cout << cards_text(locations) << "\n"
              << peers_text(locations, links)
              << "\nyes, no: whether a card reaches the memory of the other over the bus alone\n"
                 "PIX: one switch. PXB: several switches. PHB: the host bridge. SYS: between host "
                 "bridges\nPROC: emulated cards of one process\n";
    return Exit::ok;
}

}  // namespace

void add_topology(Program& program) {
    auto [command, options] = add_command<TopologyOptions>(
        program, "topology",
        "Show the ports and NUMA nodes of the cards, and which cards reach each other", topology);
    command.set_footer(
        "Reachability is tested, not assumed: one card exports a page of device memory, and the "
        "other imports it. The user must be allowed to open both nodes.");
    add_card(command, options->card, all_cards);
    program.add_json(command);
}

}  // namespace accel::tools
