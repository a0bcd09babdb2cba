// SPDX-License-Identifier: Apache-2.0
#include "clients.hpp"

#include <fmt/core.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>

namespace accel::tools {

namespace {

std::string user_of(const SystemRoot& root, const std::string& process) {
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

// "running priority 1 completed 5 pending 0 dma 0 ns compute 12 ns activity idle pieces 9"
std::optional<ClientQueue> parse_queue(std::string_view key, const std::string& value) {
    constexpr std::string_view prefix = "accel-queue-";
    const auto id = parse_number<unsigned>(key.substr(prefix.size()));
    ClientQueue queue;
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
        } else if (word == "activity") {
            words >> queue.activity;
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

// Null unless the file is open on our driver.
std::optional<Client> parse_fdinfo(const std::string& text) {
    Client client;
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
            client.address = value;
        } else if (key == "drm-client-id") {
            client.id = first_number(value);
        } else if (key == "drm-engine-dma") {
            client.dma_ns = first_number(value);
        } else if (key == "drm-engine-compute") {
            client.compute_ns = first_number(value);
        } else if (key == "drm-total-memory") {
            client.host_bytes = first_number(value) * kib;
        } else if (key == "drm-total-vram") {
            client.device_bytes = first_number(value) * kib;
        } else if (key == "accel-registered") {
            client.registered_bytes = first_number(value) * kib;
        } else if (key == "accel-state") {
            client.state = value;
        } else if (key.starts_with("accel-queue-")) {
            if (auto queue = parse_queue(key, value)) {
                client.queues.push_back(std::move(*queue));
            }
        }
    }
    return ours ? std::optional(std::move(client)) : std::nullopt;
}

// The node may have any path: /dev/accel0, /dev/accel/by-id/..., one in a container's own /dev.
bool may_be_node(const std::optional<std::string>& target) {
    return target && target->find("accel") != std::string::npos;
}

}  // namespace

std::vector<Client> Clients::of_card(const std::string& address) const {
    std::vector<Client> own;
    std::copy_if(found.begin(), found.end(), std::back_inserter(own),
                 [&](const Client& client) { return client.address == address; });
    return own;
}

Clients find_clients(const SystemRoot& root) {
    Clients clients;
    for (const std::string& name : root.list("/proc")) {
        const auto pid = parse_number<int>(name);
        if (!pid) {
            continue;
        }
        const std::string process = "/proc/" + name;
        int error = 0;
        const auto files = root.list(process + "/fd", &error);
        clients.hidden += error == EACCES || error == EPERM ? 1 : 0;
        std::set<std::tuple<std::string, std::uint64_t>> seen;
        for (const std::string& fd : files) {
            if (!may_be_node(root.target(fmt::format("{}/fd/{}", process, fd)))) {
                continue;
            }
            auto client =
                parse_fdinfo(root.text(fmt::format("{}/fdinfo/{}", process, fd)).value_or(""));
            if (!client || !seen.emplace(client->address, client->id).second) {
                continue;
            }
            client->pid = *pid;
            client->name = root.text(process + "/comm").value_or("?");
            client->user = user_of(root, process);
            clients.found.push_back(std::move(*client));
        }
    }
    std::sort(clients.found.begin(), clients.found.end(), [](const Client& a, const Client& b) {
        return std::tie(a.address, a.pid, a.id) < std::tie(b.address, b.pid, b.id);
    });
    return clients;
}

Json to_json(const Client& client) {
    Json json{{"pid", client.pid},
              {"name", client.name},
              {"user", client.user},
              {"address", client.address},
              {"client", client.id},
              {"state", client.state},
              {"dma_ns", client.dma_ns},
              {"compute_ns", client.compute_ns},
              {"host_bytes", client.host_bytes},
              {"device_bytes", client.device_bytes},
              {"registered_bytes", client.registered_bytes},
              {"queues", Json::array()}};
    for (const ClientQueue& queue : client.queues) {
        json["queues"].push_back({{"id", queue.id},
                                  {"state", queue.state},
                                  {"activity", queue.activity.empty() ? Json() : queue.activity},
                                  {"priority", queue.priority},
                                  {"completed", queue.completed},
                                  {"pending", queue.pending},
                                  {"dma_ns", queue.dma_ns},
                                  {"compute_ns", queue.compute_ns}});
    }
    return json;
}

std::string hidden_note(const Clients& clients) {
    return clients.hidden == 0
               ? ""
               : fmt::format("cannot inspect {} process(es) of other users; run as root to see all",
                             clients.hidden);
}

}  // namespace accel::tools
