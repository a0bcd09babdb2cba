// SPDX-License-Identifier: Apache-2.0
#include "sample.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;

const Status* find(const Sample& sample, const std::string& address) {
    for (const Status& status : sample.cards) {
        if (status.card.address == address) {
            return &status;
        }
    }
    return nullptr;
}

const Holder* find(const Sample& sample, const Holder& like) {
    for (const Holder& holder : sample.holders.found) {
        if (holder.pid == like.pid && holder.client == like.client) {
            return &holder;
        }
    }
    return nullptr;
}

const QueueUse* find(const Holder* holder, unsigned id) {
    if (holder != nullptr) {
        for (const QueueUse& queue : holder->queues) {
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

double share(std::uint64_t from, std::uint64_t to, double seconds, std::uint64_t engines) {
    return to < from ? 0.0
                     : static_cast<double>(to - from) * 1e-9 /
                           (seconds * static_cast<double>(std::max<std::uint64_t>(engines, 1)));
}

}  // namespace

double realtime() {
    using std::chrono::system_clock;
    return std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
}

Sample take_sample(const Root& root, const std::string& name) {
    Sample sample;
    sample.time = realtime();
    for (const Card& card : select_cards(root, name)) {
        sample.cards.push_back(read_status(root, card));
    }
    sample.holders = find_holders(root);
    return sample;
}

Json sample_json(const Sample& before, const Sample& after) {
    Json document{{"time", after.time}, {"cards", Json::array()}, {"clients", Json::array()}};
    for (const Status& status : after.cards) {
        Json card = to_json(status);
        const Status* const old = find(before, status.card.address);
        const auto rates = old != nullptr ? rates_between(*old, status) : std::nullopt;
        card["rates"] = rates ? rates_json(*rates) : Json(nullptr);
        document["cards"].push_back(std::move(card));
    }
    for (const Holder& holder : after.holders.found) {
        const Status* const card = find(after, holder.address);
        if (card == nullptr) {
            continue;
        }
        const Holder* const old = find(before, holder);
        const double seconds = std::max(after.time - before.time, 1e-3);
        Json client = to_json(holder);
        client["dma_busy"] = old == nullptr ? 0.0
                                            : share(old->dma_ns, holder.dma_ns, seconds,
                                                    card->dma.count.value_or(1));
        client["compute_busy"] = old == nullptr ? 0.0
                                                : share(old->compute_ns, holder.compute_ns, seconds,
                                                        card->compute.count.value_or(1));
        for (std::size_t i = 0; i < holder.queues.size(); ++i) {
            const QueueUse& queue = holder.queues[i];
            const QueueUse* const past = find(old, queue.id);
            const bool moved = past == nullptr || past->completed != queue.completed ||
                               past->dma_ns != queue.dma_ns || past->compute_ns != queue.compute_ns;
            // Something is to be done, and nothing was since the last look.
            client["queues"][i]["stalled"] =
                !moved && queue.pending > 0 && queue.state == "running";
        }
        document["clients"].push_back(std::move(client));
    }
    document["hidden_processes"] = after.holders.hidden;
    return document;
}

}  // namespace accel::tools
