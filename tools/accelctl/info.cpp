// SPDX-License-Identifier: Apache-2.0
//
// accelctl without a command: a summary of all cards on one screen. accelctl info: every property
// of a card.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <thread>

#include "commands.hpp"
#include "emulated.hpp"
#include "screen.hpp"
#include "snapshot.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

// The time over which the summary measures utilization.
constexpr std::chrono::milliseconds observation_time{200};

Color color_of(const Status& status) {
    return status.state == "running"                                   ? Color::good
           : status.state == "throttled" || status.state == "emulated" ? Color::warning
                                                                       : Color::bad;
}

template <typename T>
std::string or_dash(const std::optional<T>& value, const char* format) {
    return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

std::string power(const Sensors& sensors) {
    return sensors.watts && sensors.cap_watts
               ? fmt::format("{:.1f}/{:.0f} W", *sensors.watts, *sensors.cap_watts)
               : or_dash(sensors.watts, "{:.1f} W");
}

std::string memory(const Status& status) {
    return status.memory_size && *status.memory_size != 0
               ? human_bytes(status.memory_used.value_or(0)) + "/" +
                     human_bytes(*status.memory_size)
               : "-";
}

std::string in_use(const Status& status) {
    return status.contexts_used && status.queues_used
               ? plural(*status.contexts_used, "context") + ", " +
                     plural(*status.queues_used, "queue")
               : "-";
}

std::string clock_text(const Sensors& sensors) {
    return sensors.clock_hz ? fmt::format("{:.0f} MHz", *sensors.clock_hz * 1e-6) : "-";
}

struct InfoOptions {
    std::string card;
};

void print_line(const char* name, const std::string& value) {
    std::cout << fmt::format("  {:<21} {}\n", name, value);
}

// "6.3 W of 75 W (cap; 20 to 75 W)", as far as the values are known.
std::string power_details(const Sensors& sensors) {
    if (!sensors.watts && !sensors.cap_watts) {
        return "-";
    }
    std::string text = or_dash(sensors.watts, "{:.1f} W");
    if (sensors.cap_watts) {
        text += fmt::format(" of {:.1f} W (cap", *sensors.cap_watts);
        text += sensors.cap_min_watts && sensors.cap_max_watts
                    ? fmt::format("; {:.1f} to {:.1f} W)", *sensors.cap_min_watts,
                                  *sensors.cap_max_watts)
                    : ")";
    }
    return text;
}

// The quotas, one a line: only the first has the label.
void print_quota(const std::map<std::string, std::string>& quota) {
    struct Kind {
        const char* file;
        const char* format;
        bool bytes;
    };
    constexpr Kind kinds[] = {{"contexts", "contexts: {}", false},
                              {"queues", "queues: {}", false},
                              {"memory", "device memory: {}", true},
                              {"host_memory", "host memory: {}", true},
                              {"host_memory_total", "host memory of all users together: {}", true},
                              {"priority", "highest priority of a queue: {}", false}};
    const char* label = "quota of a user";
    for (const Kind& kind : kinds) {
        const auto found = quota.find(kind.file);
        if (found == quota.end()) {
            continue;
        }
        const auto number = parse_number<std::uint64_t>(found->second);
        const std::string value = kind.bytes && number ? human_bytes(*number) : found->second;
        print_line(label, fmt::format(fmt::runtime(kind.format), value));
        label = "";
    }
}

// The properties that every card has, emulated ones too.
void print_card(const Status& status, const Terminal& terminal) {
    print_line("state", terminal.paint(color_of(status), status.state));
    print_line("serial", status.serial.value_or("-"));
    print_line("hardware", status.hardware_version.value_or("-"));
    print_line("firmware", status.firmware_version.value_or("-"));
    print_line("resets", or_dash(status.generation, "{}"));
    print_line("device memory", memory(status));
    print_line("engines", status.dma.count || status.compute.count
                              ? fmt::format("{} DMA, {} compute", or_dash(status.dma.count, "{}"),
                                            or_dash(status.compute.count, "{}"))
                              : "-");
    print_line("clock", clock_text(status.sensors));
}

void print_emulated(const Status& status, const Terminal& terminal) {
    std::cout << terminal.paint(Color::bold, status.card.name()) << "\n";
    print_line("driver", "none: this process emulates the card");
    print_card(status, terminal);
}

void print_info(const Status& status, const std::vector<Client>& clients,
                const Terminal& terminal) {
    std::cout << terminal.paint(Color::bold, status.card.name()) << "\n";
    print_line("address", status.card.address);
    print_line("driver", status.card.driver.empty()
                             ? "none"
                             : status.card.driver + " " + status.driver_version.value_or(""));
    print_card(status, terminal);
    print_line("in use", in_use(status));
    if (status.time_limit_ms) {
        print_line("time limit",
                   *status.time_limit_ms == 0
                       ? "none"
                       : fmt::format("{} ms of device time for a command", *status.time_limit_ms));
    }
    print_quota(status.quota);
    print_line("temperature", or_dash(status.sensors.celsius, "{:.1f} C"));
    print_line("power", power_details(status.sensors));
    print_line("link", status.link.now() +
                           (status.link.downgraded()
                                ? terminal.paint(Color::bad, " (downgraded; the card supports " +
                                                                 status.link.best() + ")")
                                : ""));
    print_line("link errors",
               fmt::format("{} correctable, {} nonfatal, {} fatal", status.aer_total("correctable"),
                           status.aer_total("nonfatal"), status.aer_total("fatal")));
    print_line("interrupt vectors", or_dash(status.vectors, "{}"));
    print_line("NUMA node", or_dash(status.numa_node, "{}"));
    print_line("IOMMU group", or_dash(status.iommu_group, "{}"));
    for (const auto& [name, value] : status.counters) {
        print_line(name.c_str(), std::to_string(value));
    }
    for (const Client& client : clients) {
        print_line("held by", fmt::format("{} (pid {}, {}), {}", client.name, client.pid,
                                          client.user, plural(client.queues.size(), "queue")));
    }
}

Exit info(const Program& program, const InfoOptions& options) {
    const SystemRoot root = program.root();
    const Snapshot snapshot = take_snapshot(root, name_or_environment(root, options.card));
    if (program.json()) {
        Json document{{"cards", Json::array()},
                      {"clients", Json::array()},
                      {"hidden_processes", snapshot.clients.hidden}};
        for (const Status& status : snapshot.cards) {
            document["cards"].push_back(to_json(status));
            for (const Client& client : snapshot.clients.of_card(status.card.address)) {
                document["clients"].push_back(to_json(client));
            }
        }
        program.print_json("accelctl.info/1", document);
        return Exit::ok;
    }
    if (snapshot.cards.empty()) {
        std::cout << no_cards;
    }
    const Terminal terminal = program.terminal();
    for (const Status& status : snapshot.cards) {
        if (!status.card.emulated.empty()) {
            print_emulated(status, terminal);
            continue;
        }
        print_info(status, snapshot.clients.of_card(status.card.address), terminal);
    }
    return Exit::ok;
}

}  // namespace

namespace {

// One line for each card, and the warnings on them.
class CardTable {
  public:
    explicit CardTable(const Terminal& terminal) : terminal_(terminal) {}

    void add(const Status& status, const std::optional<Rates>& rates) {
        const auto percent = [&](double Rates::*busy) {
            return rates ? fmt::format("{:.0f} %", *rates.*busy * 100) : std::string("-");
        };
        table_.add({status.card.node ? status.card.name() : "-", status.card.address, status.state,
                    or_dash(status.sensors.celsius, "{:.0f} C"), power(status.sensors),
                    clock_text(status.sensors), memory(status), status.link.now(),
                    percent(&Rates::dma_busy), percent(&Rates::compute_busy)});
        if (status.state != "running" && status.card.emulated.empty()) {
            warn(status, (status.card.node ? "is " + status.state : std::string("has no driver")) +
                             "; 'accelctl doctor' looks for the reason");
        }
        if (status.link.downgraded()) {
            warn(status, status.link.warning());
        }
        if (status.aer_total("fatal") + status.aer_total("nonfatal") > 0) {
            warn(status, "the link had uncorrectable errors; 'lsaccel -v' lists them");
        }
    }
    [[nodiscard]] std::string to_string() const { return table_.to_string() + warnings_; }

  private:
    void warn(const Status& status, const std::string& text) {
        warnings_ += terminal_.paint(Color::warning, status.card.name() + ": " + text) + "\n";
    }

    using Align = Table::Align;
    const Terminal& terminal_;
    std::string warnings_;
    Table table_{{{"CARD"},
                  {"ADDRESS"},
                  {"STATE"},
                  {"TEMP", Align::right},
                  {"POWER", Align::right},
                  {"CLOCK", Align::right},
                  {"MEMORY", Align::right},
                  {"LINK"},
                  {"DMA", Align::right},
                  {"COMPUTE", Align::right}}};
};

std::string clients_text(const Snapshot& snapshot) {
    Table table({{"PROCESS"},
                 {"PID", Table::Align::right},
                 {"USER"},
                 {"CARD"},
                 {"QUEUES", Table::Align::right},
                 {"HOST MEM", Table::Align::right},
                 {"DEVICE MEM", Table::Align::right}});
    for (const Client& client : snapshot.clients.found) {
        std::string name = client.address;
        for (const Status& status : snapshot.cards) {
            name = status.card.address == client.address ? status.card.name() : name;
        }
        table.add({client.name, std::to_string(client.pid), client.user, name,
                   std::to_string(client.queues.size()), human_bytes(client.host_bytes),
                   human_bytes(client.device_bytes)});
    }
    return table.empty() ? fmt::format("{}\n", no_clients) : table.to_string();
}

}  // namespace

Exit show_summary(const Program& program) {
    if (program.json()) {
        return info(program, {.card = program.device()});
    }
    const SystemRoot root = program.root();
    const std::string name = name_or_environment(root, program.device());
    const Snapshot before = take_snapshot(root, name);
    if (before.cards.empty()) {
        std::cout << no_cards;
        return Exit::ok;
    }
    std::this_thread::sleep_for(observation_time);
    const Snapshot after = take_snapshot(root, name);
    const Terminal terminal = program.terminal();
    CardTable cards(terminal);
    for (const Status& status : after.cards) {
        const auto old =
            std::find_if(before.cards.begin(), before.cards.end(),
                         [&](const Status& s) { return s.card.address == status.card.address; });
        cards.add(status, old == before.cards.end() ? std::nullopt : rates_between(*old, status));
    }
    std::cout << cards.to_string() << "\n" << clients_text(after);
    if (const std::string note = hidden_note(after.clients); !note.empty()) {
        std::cout << "(" << note << ")\n";
    }
    return Exit::ok;
}

void add_info(Program& program) {
    auto [command, options] = add_command<InfoOptions>(
        program, "info", "Show every property of a card, or of all cards", info);
    add_card(command, options->card, all_cards);
    program.add_json(command);
}

}  // namespace accel::tools
