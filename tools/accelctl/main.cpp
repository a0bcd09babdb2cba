// SPDX-License-Identifier: Apache-2.0
//
// accelctl: monitors, tests, resets and uses the cards. Each command has a file of its own.
#include <fmt/core.h>

#include "commands.hpp"

namespace accel::tools {
namespace {

Manual manual() {
    return {
        .name = "accelctl",
        .summary = "Manage PCI Express accelerators",
        .description =
            {{"",
              {"Without a command, accelctl prints one screen: every card with its state, sensors, "
               "memory, link and utilization, and every process that holds a card.",
               "A CARD is named by its number (0 for /dev/accel0), its node (accel0), its PCI "
               "address (0000:01:00.0 or 01:00.0) or its serial number (0x1, or 16 hexadecimal "
               "digits). Cards are always listed in the order of their PCI addresses. 'emulated' "
               "is a "
               "card that the command emulates in its own process, without a driver.",
               "Information is read from sysfs and /proc, which needs no permission and does not "
               "disturb a card. Commands that use a card (validate, bench, topology, run, compile, "
               "quantize) open its node. Resets and power caps need root."}}},
        .notes =
            {{"Exit status",
              {"0: success.", "1: a check failed (validate, doctor, run), or you declined (reset).",
               "2: an option or argument is invalid.", "3: no such card, or it has no driver.",
               "4: permission denied.",
               "5: the card failed, is gone, or was reset during the command.",
               "6: the time limit passed.", "7: a file cannot be read or written.",
               "8: the card, driver or kernel lacks a function, or no model can be compiled.",
               "9: a bug in accelctl; please report it."}},
             {"JSON",
              {"With --json, standard output is JSON and nothing else: one document, or one "
               "document per line for a stream (top, events -f). Each document begins with its "
               "schema "
               "and version, such as accelctl.info/1; the schemas are installed as "
               "share/accel/schema/accelctl.json. New fields do not change the version. An error "
               "is a document, too, accelctl.error/1, and a message on standard error."}},
             {"Environment",
              {"ACCEL_DEVICE: the CARD of commands that use one, such as 'emulated', unless the "
               "command line names it.",
               "NO_COLOR: disables colors on a terminal."}},
             {"Files",
              {"/sys/class/accel-card, /sys/bus/pci/devices, /proc/PID/fdinfo: read. "
               "/dev/accelN: opened by commands that use a card."}},
             {"Examples",
              {"    accelctl                             # one screen",
               "    accelctl doctor                      # find out why /dev/accel0 is missing",
               "    accelctl top                         # live; q quits",
               "    accelctl validate 0 && echo healthy", "    accelctl bench 0 --svg bench.svg",
               "    accelctl events -f --json | jq .event",
               "    accelctl reset 0 --queue 3           # only one queue",
               "    accelctl metrics -o /var/lib/prometheus/node-exporter/accel.prom"}}},
        .see_also = R"(\fBlsaccel\fR(1), \fBsensors\fR(1), \fBlspci\fR(8))"};
}

}  // namespace

void add_card(CommandLine& command, std::string& card, const char* otherwise) {
    command.add_option(
        {.name = "CARD", .help = fmt::format("{}; {}", card_help, otherwise), .value = card_value},
        card);
    command.add_option({.name = "--device",
                        .help = "The same, as an option; 'emulated' is a card that this command "
                                "emulates in its own process, without hardware or driver",
                        .value = card_value,
                        .excludes = "CARD"},
                       card);
}

}  // namespace accel::tools

int main(int argc, char** argv) {
    using namespace accel::tools;
    Program program(manual());
    program.add_json(program.command());
    program.add_device(fmt::format("The card: {}", card_help));
    program.set_action([&] { return show_summary(program); });
    add_info(program);
    add_topology(program);
    add_top(program);
    add_events(program);
    add_coredump(program);
    add_validate(program);
    add_bench(program);
    add_run(program);
    add_compile(program);
    add_quantize(program);
    add_reset(program);
    add_power_cap(program);
    add_doctor(program);
    add_metrics(program);
    add_bundle(program);
    return program.run(argc, argv);
}
