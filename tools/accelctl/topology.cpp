// SPDX-License-Identifier: Apache-2.0
//
// accelctl topology: where the cards hang, and which reaches which without the host's memory.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "accel/error.hpp"
#include "commands.hpp"
#include "peer.hpp"
#include "status.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;

struct Place {
    Status status;
    std::vector<std::string> path;  ///< root bus, ports and bridges; the card itself is last
};

struct Link {
    std::string relation;  ///< SELF, PIX, PXB, PHB, SYS
    std::string reach;     ///< yes, no, unknown
    std::string reason;
};

Place place_of(const Root& root, const Card& card) {
    Place place{.status = read_status(root, card), .path = {}};
    // ../../../devices/pci0000:00/0000:00:02.0/0000:01:00.0
    const std::filesystem::path target = root.target(card.pci()).value_or("");
    for (const auto& part : target) {
        if (part.string().starts_with("pci") || full_address(part.string())) {
            place.path.push_back(part.string());
        }
    }
    return place;
}

// How many components two paths begin with alike.
std::size_t common(const Place& a, const Place& b) {
    std::size_t count = 0;
    while (count < a.path.size() && count < b.path.size() && a.path[count] == b.path[count]) {
        ++count;
    }
    return count;
}

std::string relation(const Place& a, const Place& b) {
    const std::size_t shared = common(a, b);
    if (shared == 0) {
        return "SYS";
    }
    if (shared == 1) {
        return "PHB";
    }
    // Below the last bridge they share, a port of a switch each: that is one switch.
    const std::size_t apart = std::max(a.path.size(), b.path.size()) - shared;
    return apart <= 2 ? "PIX" : "PXB";
}

// Asks the driver, by doing it.
Link probe(const Root& root, const Card& from, const Card& to, std::string how) {
    Link link{.relation = std::move(how), .reach = "unknown", .reason = {}};
    if (!root.own() || !from.node || !to.node) {
        link.reason = "both cards must have a node";
        return link;
    }
    try {
        const Device reader = Device::open(from.path());
        const Device owner = Device::open(to.path());
        constexpr std::uint64_t page = 4096;
        const SharedMemory memory(owner, page);
        const PeerMemory peer(reader, memory.fd());
        link.reach = "yes";
    } catch (const Error& error) {
        link.reach = error.errc() == std::errc::operation_not_supported ? "no" : "unknown";
        link.reason = error.what();
    }
    return link;
}

struct TopologyOptions {};

Exit topology(const Program& program, const TopologyOptions& /*options*/) {
    const Root root = program.root();
    std::vector<Place> places;
    for (const Card& card : find_cards(root)) {
        places.push_back(place_of(root, card));
    }
    std::vector<std::vector<Link>> links;
    for (std::size_t i = 0; i < places.size(); ++i) {
        links.emplace_back();
        for (std::size_t j = 0; j < places.size(); ++j) {
            links[i].push_back(i == j ? Link{.relation = "SELF", .reach = "yes", .reason = {}}
                                      : probe(root, places[i].status.card, places[j].status.card,
                                              relation(places[i], places[j])));
        }
    }
    if (program.json()) {
        Json document{{"cards", Json::array()}, {"peers", Json::array()}};
        for (std::size_t i = 0; i < places.size(); ++i) {
            const Status& status = places[i].status;
            document["cards"].push_back(
                {{"address", status.card.address},
                 {"node", status.card.node ? Json(status.card.name()) : Json(nullptr)},
                 {"numa_node", status.numa_node ? Json(*status.numa_node) : Json(nullptr)},
                 {"path", places[i].path},
                 {"link", to_json(status)["link"]}});
            for (std::size_t j = 0; j < places.size(); ++j) {
                document["peers"].push_back({{"from", status.card.address},
                                             {"to", places[j].status.card.address},
                                             {"relation", links[i][j].relation},
                                             {"reach", links[i][j].reach},
                                             {"reason", links[i][j].reason}});
            }
        }
        program.print_json("accelctl.topology/1", document);
        return Exit::ok;
    }
    if (places.empty()) {
        std::cout << "There is no card. 'accelctl doctor' looks for the reason.\n";
        return Exit::ok;
    }
    Table cards({{"CARD"}, {"ADDRESS"}, {"NUMA"}, {"LINK"}, {"PATH"}});
    for (const Place& place : places) {
        cards.add({place.status.card.node ? place.status.card.name() : "-",
                   place.status.card.address,
                   place.status.numa_node ? std::to_string(*place.status.numa_node) : "-",
                   place.status.link.now(), fmt::format("{}", fmt::join(place.path, " > "))});
    }
    std::cout << cards.to_string() << "\n";
    std::vector<Table::Column> columns{{"FROM \\ TO"}};
    for (const Place& place : places) {
        columns.push_back({place.status.card.name()});
    }
    Table matrix(std::move(columns));
    std::string reasons;
    for (std::size_t i = 0; i < places.size(); ++i) {
        std::vector<std::string> row{places[i].status.card.name()};
        for (std::size_t j = 0; j < places.size(); ++j) {
            const Link& link = links[i][j];
            row.push_back(i == j ? "-" : fmt::format("{} {}", link.relation, link.reach));
            if (!link.reason.empty()) {
                reasons += fmt::format("{} to {}: {}\n", places[i].status.card.name(),
                                       places[j].status.card.name(), link.reason);
            }
        }
        matrix.add(std::move(row));
    }
    std::cout << matrix.to_string() << reasons
              << "\nyes, no: whether a card reaches the other's memory over the bus alone\n"
                 "PIX: one switch. PXB: several. PHB: over the host bridge. SYS: between host "
                 "bridges\n";
    return Exit::ok;
}

}  // namespace

void add_topology(Program& program) {
    auto [command, options] = add_command<TopologyOptions>(
        program, "topology",
        "Where the cards hang (ports, NUMA nodes), and which reaches which without the host",
        topology);
    command->footer(
        "Reachability is found out by doing it: a page of device memory is shared by "
        "one card and imported by the other, so both nodes must be open to you.");
    program.add_json(*command);
}

}  // namespace accel::tools
