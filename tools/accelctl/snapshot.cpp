// SPDX-License-Identifier: Apache-2.0
#include "snapshot.hpp"

#include "emulated_status.hpp"

#include <algorithm>
#include <chrono>

namespace accel::tools {

namespace {

const Status* find_card(const Snapshot& snapshot, const std::string& address) {
    for (const Status& status : snapshot.cards) {
        if (status.card.address == address) {
            return &status;
        }
    }
    return nullptr;
}

const Client* find_client(const Snapshot& snapshot, const Client& like) {
    for (const Client& client : snapshot.clients.found) {
        if (client.pid == like.pid && client.id == like.id) {
            return &client;
        }
    }
    return nullptr;
}

const ClientQueue* find_queue(const Client* client, unsigned id) {
    if (client != nullptr) {
        for (const ClientQueue& queue : client->queues) {
            if (queue.id == id) {
                return &queue;
            }
        }
    }
    return nullptr;
}

Json rates_json(const Rates& rates) {
    return {{"seconds", rates.seconds},           {"dma_busy", rates.dma_busy},
            {"compute_busy", rates.compute_busy}, {"commands", rates.commands},
            {"host_read_bytes", rates.host_read}, {"host_written_bytes", rates.host_written},
            {"doorbells", rates.doorbells},       {"interrupts", rates.interrupts}};
}

// The utilization of all engines of a kind, 0 to 1.
double utilization(std::uint64_t from, std::uint64_t to, double seconds, std::uint64_t engines) {
    return to < from ? 0.0
                     : static_cast<double>(to - from) * 1e-9 /
                           (seconds * static_cast<double>(std::max<std::uint64_t>(engines, 1)));
}

}  // namespace

double realtime() {
    using std::chrono::system_clock;
    return std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
}

Snapshot take_snapshot(const SystemRoot& root, const std::string& name) {
    Snapshot snapshot;
    snapshot.time = realtime();
    for (const Card& card : select_cards(root, name)) {
        snapshot.cards.push_back(card.emulated.empty() ? read_status(root, card)
                                                       : emulated_status(card));
    }
    snapshot.clients = find_clients(root);
    return snapshot;
}

namespace {

Json client_json(const Snapshot& before, const Snapshot& after, const Client& client,
                 const Status& card) {
    const Client* const before_client = find_client(before, client);
    const double seconds = std::max(after.time - before.time, 1e-3);
    Json json = to_json(client);
    json["dma_busy"] = before_client == nullptr ? 0.0
                                                : utilization(before_client->dma_ns, client.dma_ns,
                                                              seconds, card.dma.count.value_or(1));
    json["compute_busy"] = before_client == nullptr
                               ? 0.0
                               : utilization(before_client->compute_ns, client.compute_ns, seconds,
                                             card.compute.count.value_or(1));
    for (std::size_t i = 0; i < client.queues.size(); ++i) {
        const ClientQueue& queue = client.queues[i];
        const ClientQueue* const before_queue = find_queue(before_client, queue.id);
        const bool progressed =
            before_queue == nullptr || before_queue->completed != queue.completed ||
            before_queue->dma_ns != queue.dma_ns || before_queue->compute_ns != queue.compute_ns;
        // Jobs are pending, and none made progress between the snapshots. A queue that waits for a
        // semaphore is blocked instead: it need not be at fault.
        json["queues"][i]["stalled"] = !progressed && queue.pending > 0 &&
                                       queue.state == "running" && queue.activity != "blocked";
    }
    return json;
}

}  // namespace

Json to_json(const Snapshot& before, const Snapshot& after) {
    Json document{{"time", after.time}, {"cards", Json::array()}, {"clients", Json::array()}};
    for (const Status& status : after.cards) {
        Json card = to_json(status);
        const Status* const before_status = find_card(before, status.card.address);
        const auto rates =
            before_status != nullptr ? rates_between(*before_status, status) : std::nullopt;
        card["rates"] = rates ? rates_json(*rates) : Json();
        document["cards"].push_back(std::move(card));
    }
    for (const Client& client : after.clients.found) {
        if (const Status* const card = find_card(after, client.address)) {
            document["clients"].push_back(client_json(before, after, client, *card));
        }
    }
    document["hidden_processes"] = after.clients.hidden;
    return document;
}

}  // namespace accel::tools
