// SPDX-License-Identifier: Apache-2.0
//
// The commands of accelctl, one file each. add_X() declares the options of X and the action that
// runs when the user gives that command.
#pragma once

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
void add_bundle(Program& program);
void add_compile(Program& program);
void add_coredump(Program& program);
void add_quantize(Program& program);
void add_reset(Program& program);
void add_power_cap(Program& program);
void add_doctor(Program& program);
void add_metrics(Program& program);

/// The action without a command.
[[nodiscard]] Exit show_summary(const Program& program);

/// A command and the variables that its options write into.
template <typename Options>
struct Added {
    CommandLine& command;
    std::shared_ptr<Options> options;  ///< the action owns them, too
};

template <typename Options>
Added<Options> add_command(Program& program, const std::string& name, const std::string& summary,
                           Exit (*action)(const Program&, const Options&)) {
    auto options = std::make_shared<Options>();
    auto added = std::make_shared<const CommandLine*>(nullptr);
    CommandLine& command =
        program.command().add_command(name, summary, [&program, options, action, added] {
            program.set_chosen(**added);
            program.set_action([&program, options, action] { return action(program, *options); });
        });
    *added = &command;
    return {command, std::move(options)};
}

inline constexpr const char* no_cards = "No card found. 'accelctl doctor' looks for the reason.\n";
inline constexpr const char* stuck_card_hint =
    "'accelctl top' shows the activity of the card; 'accelctl reset' resets it";
inline constexpr const char* card_help =
    "Number (0), node (accel0), PCI address, serial number, or 'emulated'";
inline constexpr const char* all_cards = "default: all cards";
inline constexpr const char* only_card = "may be omitted if the machine has one card";

/// Declares the positional argument CARD. `otherwise` says what is chosen without it.
void add_card(CommandLine& command, std::string& card, const char* otherwise);

}  // namespace accel::tools
