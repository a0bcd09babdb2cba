// SPDX-License-Identifier: Apache-2.0
#include "screen.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "text.hpp"

namespace accel::tools {

namespace {

constexpr int file_columns = 1000;  // no terminal is so wide
constexpr int narrow = 100;

// A bar takes what the text beside it leaves.
int bar_columns(int columns) {
    return columns >= file_columns ? 20 : std::clamp((columns - 84) / 2 + 8, 8, 60);
}

double number(const Json& json, const char* name) {
    return json.at(name).number();
}

std::string bar(double fraction, int columns) {
    const int width = bar_columns(columns);
    const int full = std::clamp(static_cast<int>(std::lround(fraction * width)), 0, width);
    return fmt::format("[{}{}] {:3.0f} %", std::string(full, '#'), std::string(width - full, '.'),
                       fraction * 100);
}

std::string value(const Json& json, const char* name, const char* format, double unit = 1) {
    const Json& found = json.at(name);
    return found.is_number() ? fmt::format(fmt::runtime(format), found.number() * unit) : "-";
}

// "1 queue", "3 queues"; `name` is a member in the plural.
std::string counted(const Json& json, std::string_view name) {
    const Json& found = json.at(name);
    const std::string_view noun = name.substr(0, name.size() - 1);
    return found.is_number() ? plural(static_cast<std::uint64_t>(found.number()), noun)
                             : "- " + std::string(name);
}

// "30.0/75 W"; a card that does not answer tells neither.
std::string power(const Json& sensors) {
    return sensors.at("watts").is_number() && sensors.at("cap_watts").is_number()
               ? value(sensors, "watts", "{:.1f}") + "/" + value(sensors, "cap_watts", "{:.0f} W")
               : value(sensors, "watts", "{:.1f} W");
}

std::string link(const Json& card) {
    const Json& link = card.at("link");
    if (!link.at("speed_gts").is_number() || !link.at("width").is_number()) {
        return "link down";
    }
    return fmt::format("link {:g} GT/s x{:g}{}", link.at("speed_gts").number(),
                       link.at("width").number(),
                       link.at("downgraded").boolean() ? " (downgraded)" : "");
}

std::string name_of(const Json& card) {
    return card.at("node").is_string() ? card.at("node").text() : card.at("address").text();
}

void card_lines(const Json& card, const Terminal& terminal, int columns,
                std::vector<std::string>& lines) {
    const std::string state = card.at("state").text();
    const Color color = state == "running"     ? Color::good
                        : state == "throttled" ? Color::warning
                                               : Color::bad;
    const Json& sensors = card.at("sensors");
    lines.push_back(
        fmt::format("{}{} {}  {}  {}  {}  {}", terminal.paint(Color::bold, name_of(card)),
                    columns < narrow ? "" : " " + card.at("address").text(),
                    terminal.paint(color, state), value(sensors, "celsius", "{:.1f} C"),
                    power(sensors), value(sensors, "clock_hz", "{:.0f} MHz", 1e-6), link(card)));
    const Json& rates = card.at("rates");
    if (!card.at("node").is_string()) {
        return;
    }
    if (rates.is_null()) {
        lines.push_back(terminal.paint(
            Color::warning, "  no rates: the card was reset, or this is the first snapshot"));
    } else {
        lines.push_back(fmt::format("  DMA     {}  to card {}, from card {}",
                                    bar(number(rates, "dma_busy"), columns),
                                    human_rate(number(rates, "host_read_bytes")),
                                    human_rate(number(rates, "host_written_bytes"))));
        lines.push_back(fmt::format(
            "  COMPUTE {}  {} commands/s, {} doorbells/s, {} {}/s",
            bar(number(rates, "compute_busy"), columns), human_count(number(rates, "commands")),
            human_count(number(rates, "doorbells")), human_count(number(rates, "interrupts")),
            columns < narrow ? "irqs" : "interrupts"));
    }
    const Json& memory = card.at("memory");
    // A card that does not answer does not tell the size of its memory.
    if (!memory.at("size").is_number() || !memory.at("used").is_number() ||
        number(memory, "size") == 0) {
        lines.push_back(fmt::format("  MEMORY  -  {}, {}", counted(card.at("used"), "contexts"),
                                    counted(card.at("used"), "queues")));
        return;
    }
    const double size = number(memory, "size");
    const double used = number(memory, "used");
    lines.push_back(
        fmt::format("  MEMORY  {}  {} of {}, {}, {}", bar(size > 0 ? used / size : 0, columns),
                    human_bytes(static_cast<std::uint64_t>(used)),
                    human_bytes(static_cast<std::uint64_t>(size)),
                    counted(card.at("used"), "contexts"), counted(card.at("used"), "queues")));
}

double sort_value(const Json& client, SortKey key) {
    switch (key) {
        case SortKey::compute:
            return number(client, "compute_busy");
        case SortKey::dma:
            return number(client, "dma_busy");
        case SortKey::memory:
            return number(client, "device_bytes") + number(client, "host_bytes");
        case SortKey::pid:
            break;
    }
    return -number(client, "pid");
}

std::string integer(const Json& json, const char* name) {
    return fmt::format("{:.0f}", json.at(name).number());
}

std::string percent(double fraction) {
    return fmt::format("{:.1f} %", fraction * 100);
}

std::string bytes(const Json& client, const char* name) {
    return human_bytes(static_cast<std::uint64_t>(number(client, name)));
}

void append(std::vector<std::string>& lines, const Table& table) {
    std::istringstream text(table.to_string());
    std::string line;
    while (std::getline(text, line)) {
        lines.push_back(line);
    }
}

// The clients in the order that the user wants.
std::vector<Json> sorted_clients(const Json& document, SortKey sort) {
    std::vector<Json> clients = document.at("clients").elements();
    std::stable_sort(clients.begin(), clients.end(), [&](const Json& a, const Json& b) {
        return sort_value(a, sort) > sort_value(b, sort);
    });
    return clients;
}

// A queue that waits for a semaphore is blocked, whatever its jobs did before.
std::string queue_state(const Json& queue) {
    const std::string state = queue.at("state").text();
    const Json& activity = queue.at("activity");
    if (state == "running" && activity.is_string() && activity.text() == "blocked") {
        return "blocked";
    }
    return queue.at("stalled").boolean() ? "stalled" : state;
}

void client_lines(const Json& document, SortKey sort, std::vector<std::string>& lines) {
    std::map<std::string, std::string> names;
    for (const Json& card : document.at("cards").elements()) {
        names[card.at("address").text()] = name_of(card);
    }
    using Align = Table::Align;
    Table processes({{"PID", Align::right},
                     {"USER"},
                     {"CARD"},
                     {"COMPUTE", Align::right},
                     {"DMA", Align::right},
                     {"HOST MEM", Align::right},
                     {"DEVICE MEM", Align::right},
                     {"STATE"},
                     {"PROCESS"}});
    Table queues({{"QUEUE", Align::right},
                  {"CARD"},
                  {"PID", Align::right},
                  {"PRIO", Align::right},
                  {"PENDING", Align::right},
                  {"COMPLETED", Align::right},
                  {"STATE"}});
    for (const Json& client : sorted_clients(document, sort)) {
        const std::string card = names[client.at("address").text()];
        const std::string pid = integer(client, "pid");
        processes.add({pid, client.at("user").text(), card, percent(number(client, "compute_busy")),
                       percent(number(client, "dma_busy")), bytes(client, "host_bytes"),
                       bytes(client, "device_bytes"), client.at("state").text(),
                       client.at("name").text()});
        for (const Json& queue : client.at("queues").elements()) {
            queues.add({integer(queue, "id"), card, pid, integer(queue, "priority"),
                        integer(queue, "pending"), integer(queue, "completed"),
                        queue_state(queue)});
        }
    }
    lines.emplace_back();
    if (processes.empty()) {
        lines.emplace_back(no_clients);
        return;
    }
    append(lines, processes);
    if (!queues.empty()) {
        lines.emplace_back();
        append(lines, queues);
    }
}

}  // namespace

std::vector<std::string> render(const Json& document, SortKey sort, const Terminal& terminal,
                                int columns) {
    std::vector<std::string> lines;
    for (const Json& card : document.at("cards").elements()) {
        card_lines(card, terminal, columns, lines);
    }
    client_lines(document, sort, lines);
    if (const auto hidden = number(document, "hidden_processes"); hidden > 0) {
        lines.push_back(
            fmt::format("(cannot inspect {} of other users)",
                        hidden == 1 ? "1 process" : fmt::format("{:.0f} processes", hidden)));
    }
    for (std::string& line : lines) {
        line = clip(line, static_cast<std::size_t>(columns));
    }
    return lines;
}

}  // namespace accel::tools
