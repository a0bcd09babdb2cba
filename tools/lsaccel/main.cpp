// SPDX-License-Identifier: Apache-2.0
//
// lsaccel: the accelerators of a machine, with lspci's options and habits.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "program.hpp"
#include "show.hpp"

namespace accel::tools::ls {
namespace {

Manual manual() {
    return {
        .name = "lsaccel",
        .summary = "list PCI Express accelerators",
        .description =
            {{"",
              {"Lists the processing accelerators of this machine (PCI class 12), in the order of "
               "their PCI addresses, with the options of lspci(8). Of cards with the driver accel "
               "it also knows the node, the state, memory in use, errors of the link and the "
               "processes that hold them.",
               "Without options it prints a line for each, and a warning below it if the link runs "
               "below what both ends can do. Lines that lspci prints too read the same.",
               "All of it works without root. What may not be read is left out, and a note on "
               "standard error says so."}}},
        .notes =
            {{"Exit status",
              {"0: all went well, also when there is no accelerator. 2: an option makes no sense. "
               "7: a dump cannot be read. 8: this machine has no PCI. 9: a bug."}},
             {"JSON",
              {"With --json standard output is one document, lsaccel/1, also when there is nothing "
               "to list. Its schema is installed as share/accel/schema/lsaccel.json. Fields are "
               "added without a new number; the number changes when one goes or means something "
               "else."}},
             {"Environment", {"NO_COLOR: no colours, also on a terminal."}},
             {"Files",
              {"/sys/bus/pci/devices, /sys/class/accel-card, /proc/PID/fdinfo: what is read. "
               "/usr/share/misc/pci.ids: names of makers and devices."}},
             {"Examples",
              {"    lsaccel -vv                    # everything that is known",
               "    lsaccel -t -v                  # where they hang",
               "    lsaccel --json | jq '.devices[].card.state'",
               "    lspci -xxxx >machine.dump; lsaccel -F machine.dump -vv    # of another "
               "machine"}}},
        .see_also = R"(\fBaccelctl\fR(1), \fBlspci\fR(8))"};
}

struct Options {
    Scan scan;
    View view;
    int machine = 0;
    bool tree = false;
};

void add_options(Program& program, Options& options) {
    CLI::App& app = program.app();
    app.add_flag("-v", options.view.verbose,
                 "Be verbose; -vv decodes registers, -vvv all there is");
    app.add_flag("-k", options.view.kernel, "Show kernel drivers and nodes");
    app.add_flag("-n", options.scan.numeric, "Show numbers; -nn: numbers and names");
    app.add_flag("-t", options.tree, "Draw the tree of buses that leads to them");
    app.add_flag("-x", options.view.hex, "Dump config space: 64 bytes; -xxx: 256, -xxxx: 4096");
    app.add_flag("-D", options.scan.domains, "Always show the domain");
    app.add_flag("-m", options.machine,
                 "Print for scripts, as lspci -mm; with -v: a record a device");
    app.add_option("-s", options.scan.slot, "Only those in [[DOMAIN]:]BUS]:][DEVICE][.[FUNCTION]]")
        ->type_name("SLOT");
    app.add_option("-d", options.scan.id, "Only those with [VENDOR]:[DEVICE][:CLASS]")
        ->type_name("ID");
    app.add_option("-F", options.scan.dump, "Read a dump that lspci -x (better: -xxxx) wrote")
        ->type_name(file_type);
    program.add_json(app);
}

Exit list(const Program& program, const Options& options) {
    const Root root = program.root();
    const bool live = options.scan.dump.empty();
    const auto all = scan(root, options.scan);
    const auto cards = live ? find_cards(root) : std::vector<Card>();
    // A plain tree says where they are and nothing of how they do.
    const bool looks_closer = !options.tree || program.json() || options.view.verbose > 0;
    const Holders holders =
        live && (program.json() || options.view.verbose > 0) ? find_holders(root) : Holders{};
    std::vector<Entry> entries;
    for (const Function& function : all) {
        if (!function.accelerator() || !selected(function, options.scan)) {
            continue;
        }
        Entry entry{.function = function, .status = std::nullopt, .holders = {}};
        for (const Card& card : cards) {
            if (card.address == function.address && looks_closer) {
                entry.status = read_status(root, card);
                entry.holders = holders.of(card.address);
            }
        }
        entries.push_back(std::move(entry));
    }

    const auto remarks = program.json() || options.view.verbose > 0 ? notes(entries, holders, !live)
                                                                    : std::vector<std::string>();
    if (program.json()) {
        nlohmann::ordered_json document{{"devices", nlohmann::ordered_json::array()},
                                        {"notes", remarks}};
        for (const Entry& entry : entries) {
            document["devices"].push_back(to_json(entry));
        }
        program.print_json("lsaccel/1", document);
        return Exit::ok;
    }
    const Terminal terminal = program.terminal();
    if (options.tree) {
        std::cout << show_tree(all, entries, options.view.verbose > 0);
        return Exit::ok;
    }
    const bool spaced = options.view.verbose > 0 || options.view.hex > 0;
    for (const Entry& entry : entries) {
        if (options.machine > 0) {
            std::cout << show_machine(entry.function, options.view.verbose > 0);
        } else {
            std::cout << show(entry, options.view, terminal) << (spaced ? "\n" : "");
        }
    }
    std::cout << std::flush;
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
