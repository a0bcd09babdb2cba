// SPDX-License-Identifier: Apache-2.0
//
// accelctl without a command: one screen. accelctl info: all there is to know of a card.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "commands.hpp"
#include "sample.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

constexpr std::chrono::milliseconds look_for{200};

Colour colour_of(const Status& status) {
    return status.state == "running"     ? Colour::good
           : status.state == "throttled" ? Colour::warning
                                         : Colour::bad;
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
    return status.memory_size ? human_bytes(status.memory_used.value_or(0)) + "/" +
                                    human_bytes(*status.memory_size)
                              : "-";
}

std::string clock_text(const Sensors& sensors) {
    return sensors.clock_hz ? fmt::format("{:.0f} MHz", *sensors.clock_hz * 1e-6) : "-";
}

struct InfoOptions {
    std::string card;
};

void print_info(const Status& status, const std::vector<Holder>& holders,
                const Terminal& terminal) {
    const auto line = [&](const char* name, const std::string& value) {
        std::cout << fmt::format("  {:<21} {}\n", name, value);
    };
    std::cout << terminal.paint(Colour::bold, status.card.name()) << "\n";
    line("address", status.card.address);
    line("state", terminal.paint(colour_of(status), status.state));
    line("driver", status.card.driver.empty() ? "none" : status.card.driver);
    line("serial", status.serial.value_or("-"));
    line("hardware", status.hardware_version.value_or("-"));
    line("firmware", status.firmware_version.value_or("-"));
    line("resets", or_dash(status.generation, "{}"));
    line("device memory", memory(status));
    line("engines", fmt::format("{} DMA, {} compute", or_dash(status.dma.count, "{}"),
                                or_dash(status.compute.count, "{}")));
    line("in use", fmt::format("{} contexts, {} queues", or_dash(status.contexts_used, "{}"),
                               or_dash(status.queues_used, "{}")));
    line("temperature", or_dash(status.sensors.celsius, "{:.1f} C"));
    line("power", fmt::format("{} of {} (cap; {} to {})", or_dash(status.sensors.watts, "{:.1f} W"),
                              or_dash(status.sensors.cap_watts, "{:.1f} W"),
                              or_dash(status.sensors.cap_min_watts, "{:.1f}"),
                              or_dash(status.sensors.cap_max_watts, "{:.1f} W")));
    line("clock", clock_text(status.sensors));
    line("link",
         status.link.now() + (status.link.downgraded()
                                  ? terminal.paint(Colour::bad, " (downgraded; it could run at " +
                                                                    status.link.best() + ")")
                                  : ""));
    line("link errors",
         fmt::format("{} correctable, {} nonfatal, {} fatal", status.aer_total("correctable"),
                     status.aer_total("nonfatal"), status.aer_total("fatal")));
    line("interrupts", fmt::format("{} vectors", or_dash(status.vectors, "{}")));
    line("NUMA node", or_dash(status.numa_node, "{}"));
    line("IOMMU group", or_dash(status.iommu_group, "{}"));
    for (const auto& [name, value] : status.counters) {
        line(name.c_str(), std::to_string(value));
    }
    for (const Holder& holder : holders) {
        line("held by", fmt::format("{} (pid {}, {}), {} queues", holder.name, holder.pid,
                                    holder.user, holder.queues.size()));
    }
}

Exit info(const Program& program, const InfoOptions& options) {
    const Root root = program.root();
    const Sample sample = take_sample(root, options.card);
    if (program.json()) {
        nlohmann::ordered_json document{{"cards", nlohmann::ordered_json::array()},
                                        {"clients", nlohmann::ordered_json::array()},
                                        {"hidden_processes", sample.holders.hidden}};
        for (const Status& status : sample.cards) {
            document["cards"].push_back(to_json(status));
            for (const Holder& holder : sample.holders.of(status.card.address)) {
                document["clients"].push_back(to_json(holder));
            }
        }
        program.print_json("accelctl.info/1", document);
        return Exit::ok;
    }
    if (sample.cards.empty()) {
        std::cout << "There is no card. 'accelctl doctor' looks for the reason.\n";
    }
    const Terminal terminal = program.terminal();
    for (const Status& status : sample.cards) {
        print_info(status, sample.holders.of(status.card.address), terminal);
    }
    return Exit::ok;
}

}  // namespace

Exit show_summary(const Program& program) {
    const Root root = program.root();
    if (program.json()) {
        return info(program, {});
    }
    const Sample before = take_sample(root, "");
    if (before.cards.empty()) {
        std::cout << "There is no card. 'accelctl doctor' looks for the reason.\n";
        return Exit::ok;
    }
    std::this_thread::sleep_for(look_for);
    const Sample after = take_sample(root, "");
    Table cards({{"CARD"},
                 {"ADDRESS"},
                 {"STATE"},
                 {"TEMP", Table::Align::right},
                 {"POWER", Table::Align::right},
                 {"CLOCK", Table::Align::right},
                 {"MEMORY", Table::Align::right},
                 {"LINK"},
                 {"DMA", Table::Align::right},
                 {"COMPUTE", Table::Align::right}});
    std::string warnings;
    const Terminal terminal = program.terminal();
    for (const Status& status : after.cards) {
        std::optional<Rates> rates;
        for (const Status& old : before.cards) {
            if (old.card.address == status.card.address) {
                rates = rates_between(old, status);
            }
        }
        const auto percent = [&](double share) {
            return rates ? fmt::format("{:.0f} %", share * 100) : std::string("-");
        };
        cards.add({status.card.node ? status.card.name() : "-", status.card.address, status.state,
                   or_dash(status.sensors.celsius, "{:.0f} C"), power(status.sensors),
                   clock_text(status.sensors), memory(status), status.link.now(),
                   percent(rates ? rates->dma_busy : 0), percent(rates ? rates->compute_busy : 0)});
        const auto warn = [&](const std::string& text) {
            warnings += terminal.paint(Colour::warning, status.card.name() + ": " + text) + "\n";
        };
        if (status.state != "running") {
            warn("is " + status.state + "; 'accelctl doctor' says what to do");
        }
        if (status.link.downgraded()) {
            warn(status.link.warning());
        }
        if (status.aer_total("fatal") + status.aer_total("nonfatal") > 0) {
            warn("the link had uncorrectable errors; 'lsaccel -v' names them");
        }
    }
    std::cout << cards.to_string() << warnings;
    Table clients({{"PROCESS"},
                   {"PID", Table::Align::right},
                   {"USER"},
                   {"CARD"},
                   {"QUEUES", Table::Align::right},
                   {"HOST MEM", Table::Align::right},
                   {"DEVICE MEM", Table::Align::right}});
    for (const Holder& holder : after.holders.found) {
        std::string name = holder.address;
        for (const Status& status : after.cards) {
            name = status.card.address == holder.address ? status.card.name() : name;
        }
        clients.add({holder.name, std::to_string(holder.pid), holder.user, name,
                     std::to_string(holder.queues.size()), human_bytes(holder.host_bytes),
                     human_bytes(holder.device_bytes)});
    }
    std::cout << "\n" << (clients.empty() ? "No process holds a card.\n" : clients.to_string());
    if (const std::string note = hidden_note(after.holders); !note.empty()) {
        std::cout << "(" << note << ")\n";
    }
    return Exit::ok;
}

void add_info(Program& program) {
    auto [command, options] = add_command<InfoOptions>(
        program, "info", "Everything that is known of a card, or of all of them", info);
    add_card(*command, options->card, "otherwise all cards");
    program.add_json(*command);
}

}  // namespace accel::tools
