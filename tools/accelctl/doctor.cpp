// SPDX-License-Identifier: Apache-2.0
//
// accelctl doctor: why there is no /dev/accel0, or why it does not work, and what to do.
#include "doctor.hpp"

#include <accel_hw.h>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "commands.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;

struct DoctorOptions {};

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

void diagnose_bus(const Root& root, const std::vector<Card>& cards, Findings& findings) {
    if (!root.exists("/sys/bus/pci/devices")) {
        findings.push_back({"no-pci",
                            Severity::problem,
                            "machine",
                            "/sys/bus/pci is not there: the kernel has no PCI, or sysfs is not "
                            "mounted",
                            {"mount -t sysfs sysfs /sys"}});
        return;
    }
    if (cards.empty()) {
        findings.push_back(
            {"no-card",
             Severity::problem,
             "machine",
             fmt::format("no PCI device {:04x}:{:04x} is on the bus: the card is not in the "
                         "machine, has no power, its slot is off in the firmware's settings, or "
                         "it is not passed through to this virtual machine",
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
    const Colour colour = ok                                      ? Colour::good
                          : finding.severity == Severity::warning ? Colour::warning
                                                                  : Colour::bad;
    std::cout << fmt::format(
        "{}  {}: {}\n",
        terminal.paint(colour, fmt::format("{:<7}", severity_name(finding.severity))),
        finding.subject, finding.text);
    for (const std::string& cure : finding.cures) {
        std::cout << "             " << cure << "\n";
    }
}

Exit doctor(const Program& program, const DoctorOptions& /*options*/) {
    const Root root = program.root();
    const std::vector<Card> cards = find_cards(root);
    Findings findings;
    diagnose_bus(root, cards, findings);
    std::vector<Card> bare;
    std::copy_if(cards.begin(), cards.end(), std::back_inserter(bare),
                 [](const Card& card) { return !card.node; });
    if (!bare.empty()) {
        diagnose_driver(root, bare, findings);
    }
    for (const Card& card : cards) {
        if (card.node) {
            diagnose_node(root, card, findings);
        }
    }
    if (!cards.empty()) {
        diagnose_limits(root, findings);
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
                                            {"cures", finding.cures}});
        }
        program.print_json("accelctl.doctor/1", document);
    } else {
        const Terminal terminal = program.terminal();
        for (const Finding& finding : findings) {
            print(finding, terminal);
        }
        std::cout << (healthy ? "Nothing stands in the way.\n"
                              : "Below each problem are the commands that mend it; most are "
                                "root's.\n");
    }
    return healthy ? Exit::ok : Exit::failed;
}

}  // namespace

void add_doctor(Program& program) {
    auto [command, options] = add_command<DoctorOptions>(
        program, "doctor", "Why there is no /dev/accel0, or why it does not work", doctor);
    command->footer("Ends with 1 if something stands in the way. It changes nothing.");
    program.add_json(*command);
}

}  // namespace accel::tools
