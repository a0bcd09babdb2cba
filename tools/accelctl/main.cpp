// SPDX-License-Identifier: Apache-2.0
//
// accelctl: what the cards do and suffer, and what can be done about it. A command is a file.
#include "commands.hpp"

namespace accel::tools {
namespace {

Manual manual() {
    return {
        .name = "accelctl",
        .summary = "look after PCI Express accelerators",
        .description =
            {{"",
              {"Without a command it prints one screen: every card with its state, sensors, "
               "memory, "
               "link and load, and every process that holds one.",
               "A CARD is named by its number (0, which is /dev/accel0), its node (accel0), its "
               "PCI "
               "address (0000:01:00.0 or 01:00.0) or its serial number (0x1, or 16 hexadecimal "
               "digits). Cards are listed in the order of their PCI addresses, everywhere.",
               "What is read is read from sysfs and /proc, so looking needs no permission and does "
               "not disturb a card. Commands that use a card (validate, bench, topology) open its "
               "node; resets and power caps are root's."}}},
        .notes =
            {{"Exit status",
              {"0: all went well.", "1: a check failed (validate, doctor), or you said no (reset).",
               "2: an option or argument makes no sense.", "3: there is no such card.",
               "4: not permitted.", "5: the card failed, is gone, or was reset meanwhile.",
               "6: not finished in time.", "7: a file cannot be read or written.",
               "8: this card, driver or kernel cannot do it.", "9: a bug; please report it."}},
             {"JSON",
              {"With --json standard output is JSON and nothing else: a document, or a document a "
               "line for what goes on (top, events). Each begins with its schema and version, such "
               "as accelctl.info/1; the schemas are installed as share/accel/schema/accelctl.json. "
               "Fields are added without a new number. An error is a document, too, "
               "accelctl.error/1, and standard error has it for people."}},
             {"Environment", {"NO_COLOR: no colours, also on a terminal."}},
             {"Files",
              {"/sys/class/accel-card, /sys/bus/pci/devices, /proc/PID/fdinfo: what is read. "
               "/dev/accelN: what is opened."}},
             {"Examples",
              {"    accelctl                             # one screen",
               "    accelctl doctor                      # why is there no /dev/accel0?",
               "    accelctl top                         # live; q quits",
               "    accelctl validate 0 && echo fine", "    accelctl bench 0 --svg bench.svg",
               "    accelctl events -f --json | jq .event",
               "    accelctl reset 0 --queue 3           # one queue of somebody's",
               "    accelctl metrics -o /var/lib/prometheus/node-exporter/accel.prom"}}},
        .see_also = R"(\fBlsaccel\fR(1), \fBsensors\fR(1), \fBlspci\fR(8))"};
}

}  // namespace
}  // namespace accel::tools

int main(int argc, char** argv) {
    using namespace accel::tools;
    Program program(manual());
    program.app().require_subcommand(0, 1);
    program.app().fallthrough();
    program.add_json(program.app());
    program.set_action([&] { return show_summary(program); });
    add_info(program);
    add_topology(program);
    add_top(program);
    add_events(program);
    add_validate(program);
    add_bench(program);
    add_run(program);
    add_compile(program);
    add_quantize(program);
    add_reset(program);
    add_power_cap(program);
    add_doctor(program);
    add_metrics(program);
    return program.run(argc, argv);
}
