// SPDX-License-Identifier: Apache-2.0
//
// The commands of accelctl, one file each. add_X() puts its options into the command line and sets
// what is done when it is given.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>

#include "program.hpp"

namespace accel::tools {

void add_info(Program& program);
void add_topology(Program& program);
void add_top(Program& program);
void add_events(Program& program);
void add_validate(Program& program);
void add_bench(Program& program);
void add_run(Program& program);
void add_compile(Program& program);
void add_quantize(Program& program);
void add_reset(Program& program);
void add_power_cap(Program& program);
void add_doctor(Program& program);
void add_metrics(Program& program);

/// What happens without a command.
[[nodiscard]] Exit show_summary(const Program& program);

/// A command with options of its own type: they live as long as the command line does.
template <typename Options>
struct Added {
    CLI::App* command;
    std::shared_ptr<Options> options;
};

template <typename Options>
Added<Options> add_command(Program& program, const std::string& name, const std::string& what,
                           Exit (*action)(const Program&, const Options&)) {
    auto options = std::make_shared<Options>();
    CLI::App* const command = program.app().add_subcommand(name, what);
    command->callback([&program, options, action] {
        program.set_action([&program, options, action] { return action(program, *options); });
    });
    return {command, std::move(options)};
}

/// The positional argument CARD.
inline void add_card(CLI::App& command, std::string& card, const std::string& otherwise) {
    command
        .add_option("CARD", card,
                    "Number (0), node (accel0), PCI address or serial number; " + otherwise)
        ->type_name(card_type);
}

}  // namespace accel::tools
