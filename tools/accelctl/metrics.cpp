// SPDX-License-Identifier: Apache-2.0
//
// accelctl metrics: prints the state of all cards in the text format of Prometheus. Names and
// labels are an interface.
#include <fmt/core.h>

#include <functional>
#include <iostream>

#include "commands.hpp"
#include "output.hpp"
#include "snapshot.hpp"

namespace accel::tools {

namespace {

struct MetricsOptions {
    std::string output;
};

std::string quote(const std::string& text) {
    std::string out;
    for (const char c : text) {
        out += c == '\\' ? "\\\\" : c == '"' ? "\\\"" : c == '\n' ? "\\n" : std::string(1, c);
    }
    return out;
}

// Builds the text: a family of metrics, and then its values.
class Exposition {
  public:
    void family(const char* name, const char* type, const char* help) {
        name_ = name;
        text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }
    void add(const Status& card, double value,
             const std::vector<std::pair<const char*, std::string>>& labels = {}) {
        text_ += fmt::format(R"({}{{address="{}",serial="{}")", name_, card.card.address,
                             quote(card.serial.value_or("")));
        for (const auto& [name, label] : labels) {
            text_ += fmt::format(",{}=\"{}\"", name, quote(label));
        }
        text_ += fmt::format("}} {}\n", value);
    }
    void add(const Status& card, const std::optional<double>& value) {
        if (value) {
            add(card, *value);
        }
    }
    void add(const Status& card, const std::optional<std::uint64_t>& value) {
        if (value) {
            add(card, static_cast<double>(*value));
        }
    }
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::string name_;
    std::string text_;
};

void add_engines(Exposition& out, const std::vector<Status>& cards) {
    out.family("accel_engine_busy_seconds_total", "counter", "Busy time of all engines of a kind");
    for (const Status& card : cards) {
        for (const auto& [name, engine] :
             {std::pair{"dma", &card.dma}, std::pair{"compute", &card.compute}}) {
            if (engine->busy_ns) {
                out.add(card, static_cast<double>(*engine->busy_ns) / 1e9, {{"engine", name}});
            }
        }
    }
    out.family("accel_engines", "gauge", "Number of engines of a kind");
    for (const Status& card : cards) {
        for (const auto& [name, engine] :
             {std::pair{"dma", &card.dma}, std::pair{"compute", &card.compute}}) {
            if (engine->count) {
                out.add(card, static_cast<double>(*engine->count), {{"engine", name}});
            }
        }
    }
}

void add_counters(Exposition& out, const std::vector<Status>& cards) {
    struct Counter {
        const char* file;
        const char* name;
        const char* help;
    };
    static constexpr Counter counters[] = {
        {"commands", "accel_commands_total", "Commands completed"},
        {"doorbells", "accel_doorbells_total", "Doorbell writes"},
        {"interrupts", "accel_interrupts_total", "Interrupts raised"},
        {"host_read_bytes", "accel_host_read_bytes_total", "Bytes read from host memory"},
        {"host_written_bytes", "accel_host_written_bytes_total", "Bytes written to host memory"},
        {"memory_read_bytes", "accel_memory_read_bytes_total", "Bytes read from device memory"},
        {"memory_written_bytes", "accel_memory_written_bytes_total",
         "Bytes written to device memory"},
        {"tlb_misses", "accel_tlb_misses_total", "Page-table walks"},
        {"faults", "accel_faults_total", "Commands ended by a translation fault"},
        {"events_lost", "accel_events_lost_total", "Events dropped by the card"},
    };
    for (const Counter& counter : counters) {
        out.family(counter.name, "counter", counter.help);
        for (const Status& card : cards) {
            if (const auto found = card.counters.find(counter.file); found != card.counters.end()) {
                out.add(card, static_cast<double>(found->second));
            }
        }
    }
}

void add_gauge(Exposition& out, const std::vector<Status>& cards, const char* name,
               const char* help, const std::function<std::optional<double>(const Status&)>& value) {
    out.family(name, "gauge", help);
    for (const Status& card : cards) {
        out.add(card, value(card));
    }
}

std::optional<double> as_double(const std::optional<std::uint64_t>& value) {
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

void add_link(Exposition& out, const std::vector<Status>& cards) {
    constexpr double giga = 1e9;
    add_gauge(out, cards, "accel_link_speed_transfers_per_second", "Current speed of a lane",
              [](const Status& card) {
                  return card.link.speed ? std::optional(*card.link.speed * giga) : std::nullopt;
              });
    add_gauge(out, cards, "accel_link_width_lanes", "Current number of lanes",
              [](const Status& card) {
                  return card.link.width ? std::optional<double>(*card.link.width) : std::nullopt;
              });
    add_gauge(
        out, cards, "accel_link_downgraded", "1 if the link is below what the card supports",
        [](const Status& card) { return std::optional<double>(card.link.downgraded() ? 1 : 0); });
    out.family("accel_link_errors_total", "counter", "Link errors that AER counted");
    for (const Status& card : cards) {
        for (const AerCounter& counter : card.aer) {
            out.add(card, static_cast<double>(counter.count),
                    {{"severity", counter.severity}, {"error", counter.name}});
        }
    }
}

std::string exposition(const Snapshot& snapshot) {
    const std::vector<Status>& cards = snapshot.cards;
    Exposition out;
    out.family("accel_info", "gauge", "Identity of the card; always 1");
    for (const Status& card : cards) {
        out.add(card, 1,
                {{"node", card.card.node ? card.card.name() : ""},
                 {"driver", card.card.driver},
                 {"firmware", card.firmware_version.value_or("")},
                 {"hardware", card.hardware_version.value_or("")}});
    }
    out.family("accel_up", "gauge", "1 if the card runs, even if throttled");
    for (const Status& card : cards) {
        out.add(card, card.state == "running" || card.state == "throttled" ? 1 : 0,
                {{"state", card.state}});
    }
    add_gauge(out, cards, "accel_throttled",
              "1 if the clock is lowered because of heat or the power cap", [](const Status& card) {
                  return std::optional<double>(card.state == "throttled" ? 1 : 0);
              });
    add_gauge(out, cards, "accel_temperature_celsius", "Temperature of the card",
              [](const Status& card) { return card.sensors.celsius; });
    add_gauge(out, cards, "accel_power_watts", "Power consumption",
              [](const Status& card) { return card.sensors.watts; });
    add_gauge(out, cards, "accel_power_cap_watts", "Power cap",
              [](const Status& card) { return card.sensors.cap_watts; });
    add_gauge(out, cards, "accel_clock_hertz", "Core clock",
              [](const Status& card) { return card.sensors.clock_hz; });
    add_gauge(out, cards, "accel_memory_bytes", "Device memory",
              [](const Status& card) { return as_double(card.memory_size); });
    add_gauge(out, cards, "accel_memory_used_bytes", "Device memory in use",
              [](const Status& card) { return as_double(card.memory_used); });
    add_gauge(out, cards, "accel_contexts_used", "Open files with a context on the card",
              [](const Status& card) { return as_double(card.contexts_used); });
    add_gauge(out, cards, "accel_queues_used", "Queues on the card",
              [](const Status& card) { return as_double(card.queues_used); });
    out.family("accel_resets_total", "counter", "Resets since the driver was bound");
    for (const Status& card : cards) {
        out.add(card, card.generation);
    }
    add_engines(out, cards);
    add_counters(out, cards);
    add_link(out, cards);
    return out.text();
}

Exit metrics(const Program& program, const MetricsOptions& options) {
    const std::string text = exposition(take_snapshot(program.root(), ""));
    if (options.output.empty()) {
        std::cout << text;
    } else {
        write_output(options.output, text);
    }
    return Exit::ok;
}

}  // namespace

void add_metrics(Program& program) {
    auto [command, options] = add_command<MetricsOptions>(
        program, "metrics", "Print metrics of all cards in the text format of Prometheus", metrics);
    command.set_footer(
        "For the textfile collector of node_exporter: run this from a timer, with --output "
        "/var/lib/prometheus/node-exporter/accel.prom. Names and labels are stable.");
    command.add_option({.name = "-o,--output",
                        .help = "Write the metrics into this file, which is replaced as a whole",
                        .value = file_value},
                       options->output);
}

}  // namespace accel::tools
