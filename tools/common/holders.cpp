// SPDX-License-Identifier: Apache-2.0
#include "holders.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>

namespace accel::tools {

namespace {

std::string user_of(const Root& root, const std::string& process) {
    struct stat status {};
    if (::stat(root.real(process).c_str(), &status) != 0) {
        return "?";
    }
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(status.st_uid, &entry, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr) {
        return entry.pw_name;
    }
    return std::to_string(status.st_uid);
}

// "running priority 1 completed 5 pending 0 dma 0 ns compute 12 ns"
std::optional<QueueUse> parse_queue(std::string_view key, const std::string& value) {
    constexpr std::string_view prefix = "accel-queue-";
    const auto id = parse_number<unsigned>(key.substr(prefix.size()));
    QueueUse queue;
    std::istringstream words(value);
    std::string word;
    words >> queue.state;
    while (words >> word) {
        if (word == "priority") {
            words >> queue.priority;
        } else if (word == "completed") {
            words >> queue.completed;
        } else if (word == "pending") {
            words >> queue.pending;
        } else if (word == "dma") {
            words >> queue.dma_ns;
        } else if (word == "compute") {
            words >> queue.compute_ns;
        }
    }
    if (!id) {
        return std::nullopt;
    }
    queue.id = *id;
    return queue;
}

std::uint64_t first_number(const std::string& value) {
    std::uint64_t number = 0;
    std::istringstream(value) >> number;
    return number;
}

// Nothing if it is no file of the driver.
std::optional<Holder> parse_fdinfo(const std::string& text) {
    Holder holder;
    bool ours = false;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) {
            continue;
        }
        const std::string key = line.substr(0, colon);
        const std::size_t start = line.find_first_not_of(" \t", colon + 1);
        const std::string value = start == std::string::npos ? "" : line.substr(start);
        constexpr std::uint64_t kib = 1024;
        if (key == "drm-driver") {
            ours = value == "accel";
        } else if (key == "drm-pdev") {
            holder.address = value;
        } else if (key == "drm-client-id") {
            holder.client = first_number(value);
        } else if (key == "drm-engine-dma") {
            holder.dma_ns = first_number(value);
        } else if (key == "drm-engine-compute") {
            holder.compute_ns = first_number(value);
        } else if (key == "drm-total-memory") {
            holder.host_bytes = first_number(value) * kib;
        } else if (key == "drm-total-vram") {
            holder.device_bytes = first_number(value) * kib;
        } else if (key == "accel-registered") {
            holder.registered_bytes = first_number(value) * kib;
        } else if (key == "accel-state") {
            holder.state = value;
        } else if (key.starts_with("accel-queue-")) {
            if (auto queue = parse_queue(key, value)) {
                holder.queues.push_back(std::move(*queue));
            }
        }
    }
    return ours ? std::optional(std::move(holder)) : std::nullopt;
}

// A node of ours, wherever it is: /dev/accel0, /dev/accel/by-id/..., in a container's own /dev.
bool may_be_node(const std::optional<std::string>& target) {
    return target && target->find("accel") != std::string::npos;
}

}  // namespace

std::vector<Holder> Holders::of(const std::string& address) const {
    std::vector<Holder> own;
    std::copy_if(found.begin(), found.end(), std::back_inserter(own),
                 [&](const Holder& holder) { return holder.address == address; });
    return own;
}

Holders find_holders(const Root& root) {
    Holders holders;
    for (const std::string& name : root.list("/proc")) {
        const auto pid = parse_number<int>(name);
        if (!pid) {
            continue;
        }
        const std::string process = "/proc/" + name;
        int error = 0;
        const auto files = root.list(process + "/fd", &error);
        holders.hidden += error == EACCES || error == EPERM ? 1 : 0;
        std::set<std::tuple<std::string, std::uint64_t>> seen;
        for (const std::string& fd : files) {
            if (!may_be_node(root.target(fmt::format("{}/fd/{}", process, fd)))) {
                continue;
            }
            auto holder =
                parse_fdinfo(root.text(fmt::format("{}/fdinfo/{}", process, fd)).value_or(""));
            if (!holder || !seen.emplace(holder->address, holder->client).second) {
                continue;
            }
            holder->pid = *pid;
            holder->name = root.text(process + "/comm").value_or("?");
            holder->user = user_of(root, process);
            holders.found.push_back(std::move(*holder));
        }
    }
    std::sort(holders.found.begin(), holders.found.end(), [](const Holder& a, const Holder& b) {
        return std::tie(a.address, a.pid, a.client) < std::tie(b.address, b.pid, b.client);
    });
    return holders;
}

nlohmann::ordered_json to_json(const Holder& holder) {
    nlohmann::ordered_json json{{"pid", holder.pid},
                                {"name", holder.name},
                                {"user", holder.user},
                                {"address", holder.address},
                                {"client", holder.client},
                                {"state", holder.state},
                                {"dma_ns", holder.dma_ns},
                                {"compute_ns", holder.compute_ns},
                                {"host_bytes", holder.host_bytes},
                                {"device_bytes", holder.device_bytes},
                                {"registered_bytes", holder.registered_bytes},
                                {"queues", nlohmann::ordered_json::array()}};
    for (const QueueUse& queue : holder.queues) {
        json["queues"].push_back({{"id", queue.id},
                                  {"state", queue.state},
                                  {"priority", queue.priority},
                                  {"completed", queue.completed},
                                  {"pending", queue.pending},
                                  {"dma_ns", queue.dma_ns},
                                  {"compute_ns", queue.compute_ns}});
    }
    return json;
}

std::string hidden_note(const Holders& holders) {
    return holders.hidden == 0
               ? ""
               : fmt::format("{} processes of other users cannot be looked into; as root, all can",
                             holders.hidden);
}

}  // namespace accel::tools
