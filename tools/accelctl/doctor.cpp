// SPDX-License-Identifier: Apache-2.0
//
// accelctl doctor: finds the reason why a card or its node is missing or does not work, and prints
// the commands that fix it.
#include "doctor.hpp"

#include <accel_hw.h>
#include <fmt/core.h>
#include <accel/command.hpp>
#include <accel/device.hpp>
#include <accel/queue.hpp>

#include <algorithm>
#include <iostream>

#include "commands.hpp"
#include "emulated.hpp"
#include "json.hpp"

namespace accel::tools {

namespace {

struct DoctorOptions {
    std::string card;
};

const char* severity_name(Severity severity) {
    switch (severity) {
        case Severity::ok:
            return "ok";
        case Severity::warning:
            return "warning";
        case Severity::problem:
            break;
    }
    return "problem";
}

void diagnose_bus(const SystemRoot& root, const std::vector<Card>& cards, Findings& findings) {
    if (!root.exists("/sys/bus/pci/devices")) {
        findings.push_back(
            {"no-pci",
             Severity::problem,
             "machine",
             "/sys/bus/pci is missing: the kernel has no PCI, or sysfs is not mounted",
             {"mount -t sysfs sysfs /sys"}});
        return;
    }
    if (cards.empty()) {
        findings.push_back(
            {"no-card",
             Severity::problem,
             "machine",
             fmt::format(
                 "no PCI device {:04x}:{:04x} is on the bus: the card is not installed, has "
                 "no power, its slot is disabled in the firmware, or it is not passed "
                 "through to this virtual machine",
                 ACCEL_PCI_VENDOR, ACCEL_PCI_DEVICE),
             {"echo 1 > /sys/bus/pci/rescan", "lspci -nn | grep -i 'processing accelerators'"}});
        return;
    }
    for (const Card& card : cards) {
        findings.push_back({"on-bus", Severity::ok, card.address, "is on the bus", {}});
    }
}

void print(const Finding& finding, const Terminal& terminal) {
    const bool ok = finding.severity == Severity::ok;
    const Color color = ok                                      ? Color::good
                        : finding.severity == Severity::warning ? Color::warning
                                                                : Color::bad;
    std::cout << fmt::format(
        "{}  {}: {}\n",
        terminal.paint(color, fmt::format("{:<7}", severity_name(finding.severity))),
        finding.subject, finding.text);
    for (const std::string& fix : finding.fixes) {
        std::cout << "             " << fix << "\n";
    }
}

// Finds what is wrong with these cards of the machine.
void diagnose_machine(const SystemRoot& root, const std::vector<Card>& cards, Findings& findings) {
    diagnose_bus(root, cards, findings);
    std::vector<Card> without_driver;
    std::copy_if(cards.begin(), cards.end(), std::back_inserter(without_driver),
                 [](const Card& card) { return !card.node; });
    if (!without_driver.empty()) {
        diagnose_driver(root, without_driver, findings);
    }
    for (const Card& card : cards) {
        if (card.node) {
            diagnose_node(root, card, findings);
        }
    }
    if (!cards.empty()) {
        diagnose_limits(root, findings);
    }
}

// Whether the SDK finds the library of the emulated card, and the card works.
void diagnose_emulated(const Card& card, Findings& findings) {
    try {
        const Device device = open_card(card);
        constexpr std::uint32_t value = 0x5eed;
        const auto memory = device.allocate<std::uint32_t>({1});
        device.create_queue().submit(fill(memory, value)).wait();
        findings.push_back(
            {"emulated",
             memory[0] == value ? Severity::ok : Severity::problem,
             card.name(),
             memory[0] == value ? "works within this process" : "wrote a wrong value",
             {}});
    } catch (const Error& error) {
        findings.push_back({"emulated", Severity::problem, card.name(), error.what(), {}});
    }
}

Exit doctor(const Program& program, const DoctorOptions& options) {
    const SystemRoot root = program.root();
    const std::vector<Card> cards = select_cards(root, name_or_environment(root, options.card));
    Findings findings;
    if (!cards.empty() && !cards.front().emulated.empty()) {
        for (const Card& card : cards) {
            diagnose_emulated(card, findings);
        }
    } else {
        diagnose_machine(root, cards, findings);
    }
    const bool healthy = std::none_of(findings.begin(), findings.end(), [](const Finding& f) {
        return f.severity == Severity::problem;
    });
    if (program.json()) {
        Json document{{"healthy", healthy}, {"findings", Json::array()}};
        for (const Finding& finding : findings) {
            document["findings"].push_back({{"id", finding.id},
                                            {"severity", severity_name(finding.severity)},
                                            {"subject", finding.subject},
                                            {"text", finding.text},
                                            {"fixes", Json::array_of(finding.fixes)}});
        }
        program.print_json("accelctl.doctor/1", document);
    } else {
        const Terminal terminal = program.terminal();
        for (const Finding& finding : findings) {
            print(finding, terminal);
        }
        std::cout << (healthy ? "No problem found.\n"
                              : "Run the commands below each problem to fix it; most of them "
                                "need root.\n");
    }
    return healthy ? Exit::ok : Exit::failed;
}

}  // namespace

void add_doctor(Program& program) {
    auto [command, options] = add_command<DoctorOptions>(
        program, "doctor", "Find the reason why a card or its node is missing or does not work",
        doctor);
    command.set_footer("Exits with 1 if there is a problem. Changes nothing.");
    add_card(command, options->card, all_cards);
    program.add_json(command);
}

}  // namespace accel::tools
