// SPDX-License-Identifier: Apache-2.0
//
// lsaccel: lists the accelerators of a machine, with the options and formats of lspci.
#include <iostream>

#include "json.hpp"
#include "program.hpp"
#include "show.hpp"

namespace accel::tools::ls {
namespace {

Manual manual() {
    return {
        .name = "lsaccel",
        .summary = "List PCI Express accelerators",
        .description =
            {{"",
              {"Lists the processing accelerators of this machine (PCI class 12) in the order of "
               "their PCI addresses, with the options of lspci(8). For cards with the driver accel "
               "it adds the node, the state, memory in use, link errors and the processes that "
               "hold the card.",
               "Without options it prints one line for each card, and a warning if a link runs "
               "below what both ends support. Lines that lspci prints too have the same format.",
               "No option needs root. Information that this user may not read is left out, and a "
               "note on standard error says so."}}},
        .notes =
            {{"Exit status",
              {"0: success, even without an accelerator. 2: an option is invalid. 7: a dump cannot "
               "be read. 8: this machine has no PCI. 9: a bug in lsaccel; please report it."}},
             {"JSON",
              {"With --json, standard output is one document, lsaccel/1, even if there is nothing "
               "to list. Its schema is installed as share/accel/schema/lsaccel.json. New fields do "
               "not change the version; removed or changed fields do."}},
             {"Environment", {"NO_COLOR: disables colors on a terminal."}},
             {"Files",
              {"/sys/bus/pci/devices, /sys/class/accel-card, /proc/PID/fdinfo: read. "
               "/usr/share/misc/pci.ids: names of vendors and devices."}},
             {"Examples",
              {"    lsaccel -vv                    # all details",
               "    lsaccel -t -v                  # the tree of buses",
               "    lsaccel --json | jq '.devices[].card.state'",
               "    lspci -xxxx >machine.dump; lsaccel -F machine.dump -vv    # another machine"}}},
        .see_also = R"(\fBaccelctl\fR(1), \fBlspci\fR(8))"};
}

struct Options {
    Scan scan;
    View view;
    int machine = 0;
    bool tree = false;
};

void add_options(Program& program, Options& options) {
    CommandLine& command = program.command();
    command.add_flag({.name = "-v", .help = "Be verbose; -vv decodes registers, -vvv all of them"},
                     options.view.verbose);
    command.add_flag({.name = "-k", .help = "Show kernel drivers and nodes"}, options.view.kernel);
    command.add_flag({.name = "-n", .help = "Show numbers; -nn: numbers and names"},
                     options.scan.numeric);
    command.add_flag({.name = "-t", .help = "Draw the tree of buses above the accelerators"},
                     options.tree);
    command.add_flag(
        {.name = "-x", .help = "Dump config space: 64 bytes; -xxx: 256 bytes, -xxxx: 4096 bytes"},
        options.view.hex);
    command.add_flag({.name = "-D", .help = "Always show the domain"}, options.scan.domains);
    command.add_flag(
        {.name = "-m", .help = "Print for scripts, as lspci -mm; with -v: one record per device"},
        options.machine);
    command.add_option({.name = "-s",
                        .help = "Show only those in [[DOMAIN]:]BUS]:][DEVICE][.[FUNCTION]]",
                        .value = "SLOT"},
                       options.scan.slot);
    command.add_option(
        {.name = "-d", .help = "Show only those with [VENDOR]:[DEVICE][:CLASS]", .value = "ID"},
        options.scan.id);
    command.add_option({.name = "-F",
                        .help = "Read a dump that lspci -x (better: -xxxx) wrote",
                        .value = file_value},
                       options.scan.dump);
    program.add_json(command);
}

// The accelerators that the filters select, with the state of those that are cards.
std::vector<Entry> find_entries(const SystemRoot& root, const Options& options, bool with_status,
                                const std::vector<Function>& functions, const Clients& clients) {
    const auto cards = options.scan.dump.empty() ? find_cards(root) : std::vector<Card>();
    std::vector<Entry> entries;
    for (const Function& function : functions) {
        if (!function.accelerator() || !selected(function, options.scan)) {
            continue;
        }
        Entry entry{.function = function, .status = std::nullopt, .clients = {}};
        for (const Card& card : cards) {
            if (card.address == function.address && with_status) {
                entry.status = read_status(root, card);
                entry.clients = clients.of_card(card.address);
            }
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

void print_text(const Program& program, const Options& options, const std::vector<Entry>& entries) {
    const Terminal terminal = program.terminal();
    const bool verbose = options.view.verbose > 0;
    const bool spaced = verbose || options.view.hex > 0;
    for (const Entry& entry : entries) {
        if (options.machine > 0) {
            std::cout << show_machine(entry.function, verbose);
        } else {
            std::cout << show(entry, options.view, terminal) << (spaced ? "\n" : "");
        }
    }
    std::cout << std::flush;
}

Exit list(const Program& program, const Options& options) {
    const SystemRoot root = program.root();
    const bool live = options.scan.dump.empty();
    const bool verbose = options.view.verbose > 0;
    const bool detailed = program.json() || verbose;
    const auto functions = scan(root, options.scan);
    const Clients clients = live && detailed ? find_clients(root) : Clients{};
    // A plain tree shows only locations.
    const bool with_status = !options.tree || detailed;
    const auto entries = find_entries(root, options, with_status, functions, clients);
    const auto remarks = detailed ? notes(entries, clients, !live) : std::vector<std::string>();
    if (program.json()) {
        Json document{{"devices", Json::array()}, {"notes", Json::array_of(remarks)}};
        for (const Entry& entry : entries) {
            document["devices"].push_back(to_json(entry));
        }
        program.print_json("lsaccel/1", document);
        return Exit::ok;
    }
    if (options.tree) {
        std::cout << show_tree(functions, entries, verbose);
        return Exit::ok;
    }
    print_text(program, options, entries);
    if (options.machine == 0) {
        for (const std::string& remark : remarks) {
            std::cerr << "lsaccel: note: " << remark << "\n";
        }
    }
    return Exit::ok;
}

}  // namespace
}  // namespace accel::tools::ls

int main(int argc, char** argv) {
    using namespace accel::tools;
    Program program(ls::manual());
    ls::Options options;
    ls::add_options(program, options);
    program.set_action([&] { return ls::list(program, options); });
    return program.run(argc, argv);
}
