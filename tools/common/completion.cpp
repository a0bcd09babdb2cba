// SPDX-License-Identifier: Apache-2.0
//
// Completions for bash and zsh: the description of the command line as shell code.
#include <fmt/core.h>

#include "program.hpp"

namespace accel::tools {

namespace {

// The kind of value that follows an option.
enum class Values : std::uint8_t { none, cards, files, folders, words };

Values values_of(const Option& option) {
    if (option.positional()) {
        return option.value == card_value ? Values::cards : Values::files;
    }
    return !option.takes_value()          ? Values::none
           : !option.choices.empty()      ? Values::words
           : option.value == card_value   ? Values::cards
           : option.value == folder_value ? Values::folders
                                          : Values::files;
}

std::string join(const std::vector<std::string>& words, const char* separator) {
    std::string out;
    for (const std::string& word : words) {
        out += (out.empty() ? "" : separator) + word;
    }
    return out;
}

std::vector<std::string> command_names(const CommandLine& program) {
    std::vector<std::string> names;
    for (const auto& command : program.commands()) {
        names.push_back(command->name());
    }
    return names;
}

constexpr const char* cards_function = R"sh(
    for path in /sys/class/accel-card/accel*/device; do
        [ -e "$path" ] || continue
        node=${path%/device}
        echo "${node##*/}"
        real=$(readlink -f "$path")
        echo "${real##*/}"
    done
)sh";

// The shell command that fills COMPREPLY with the values of an option.
std::string bash_values(const Option& option) {
    std::string generator;
    switch (values_of(option)) {
        case Values::files:
            generator = "-f";
            break;
        case Values::folders:
            generator = "-d";
            break;
        case Values::cards:
            generator = "-W \"$(_accel_cards)\"";
            break;
        default:
            generator = "-W \"" + join(option.choices, " ") + "\"";
            break;
    }
    return fmt::format("COMPREPLY=($(compgen {} -- \"$cur\"))", generator);
}

std::string bash_case(const std::string& condition, const CommandLine& command) {
    std::vector<std::string> words;
    bool card = false;
    bool file = false;
    std::string out;
    for (const Option& option : command.visible_options()) {
        if (option.positional()) {
            card = card || values_of(option) == Values::cards;
            file = file || values_of(option) == Values::files;
            continue;
        }
        const auto names = option.names();
        words.insert(words.end(), names.begin(), names.end());
        if (option.takes_value()) {
            out +=
                fmt::format("        {}) {}; return ;;\n", join(names, "|"), bash_values(option));
        }
    }
    const auto commands = command_names(command);
    words.insert(words.end(), commands.begin(), commands.end());
    return fmt::format(
        "    {})\n        case \"$prev\" in\n{}        esac\n"
        "        COMPREPLY=($(compgen {}-W \"{}{}\" -- \"$cur\")) ;;\n",
        condition, out, file ? "-f " : "", join(words, " "), card ? " $(_accel_cards)" : "");
}

std::string zsh_escape(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\'') {
            out += "'\\''";
        } else if (c == '[' || c == ']' || c == ':') {
            out += std::string("\\") + c;
        } else {
            out += c;
        }
    }
    return out;
}

std::string zsh_values(const Option& option) {
    switch (values_of(option)) {
        case Values::none:
            return "";
        case Values::cards:
            return "_accel_cards";
        case Values::files:
            return "_files";
        case Values::folders:
            return "_files -/";
        case Values::words:
            break;
    }
    return "(" + join(option.choices, " ") + ")";
}

std::string zsh_arguments(const CommandLine& command, const char* indent) {
    std::string out;
    for (const Option& option : command.visible_options()) {
        const std::string values = zsh_values(option);
        if (option.positional()) {
            out += fmt::format(" \\\n{}':{}:{}'", indent, zsh_escape(option.name), values);
        }
        for (const std::string& name : option.names()) {
            out += fmt::format(" \\\n{}'{}[{}]{}'", indent, name, zsh_escape(option.help),
                               values.empty() ? "" : ":value:" + values);
        }
    }
    return out;
}

}  // namespace

std::string bash_completion(const CommandLine& program) {
    const std::string& name = program.name();
    std::string out = fmt::format(
        "# SPDX-License-Identifier: Apache-2.0\n# bash completion of {0}\n\n"
        "_accel_cards() {{\n    local path node real{1}}}\n\n"
        "_{0}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n"
        "    local command= word\n"
        "    for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n        case \"$word\" in\n",
        name, cards_function);
    const auto commands = command_names(program);
    out += commands.empty()
               ? "            *) ;;\n"
               : fmt::format("            {}) command=$word; break ;;\n", join(commands, "|"));
    out += "        esac\n    done\n    case \"$command\" in\n";
    out += bash_case("''", program);
    for (const auto& command : program.commands()) {
        out += bash_case(command->name(), *command);
    }
    return out + fmt::format("    esac\n}}\ncomplete -F _{0} {0}\n", name);
}

std::string zsh_completion(const CommandLine& program) {
    const std::string& name = program.name();
    std::string out = fmt::format(
        "#compdef {0}\n# SPDX-License-Identifier: Apache-2.0\n\n"
        "_accel_cards() {{\n    local path node real\n    local -a cards\n"
        "    cards=($({1}))\n    compadd -a cards\n}}\n\n"
        "_{0}() {{\n    local state\n    local -a commands\n",
        name, cards_function);
    if (program.commands().empty()) {
        out += "    _arguments" + zsh_arguments(program, "        ") + "\n";
        return out + fmt::format("}}\n\n_{0} \"$@\"\n", name);
    }
    out += "    commands=(\n";
    for (const auto& command : program.commands()) {
        out += fmt::format("        '{}:{}'\n", command->name(), zsh_escape(command->summary()));
    }
    out += "    )\n    _arguments -C" + zsh_arguments(program, "        ") +
           " \\\n        '1: :->command' \\\n        '*:: :->rest'\n"
           "    case $state in\n        command) _describe command commands ;;\n"
           "        rest)\n            case $words[1] in\n";
    for (const auto& command : program.commands()) {
        out += fmt::format(
            "                {})\n                    _arguments{}\n"
            "                    ;;\n",
            command->name(), zsh_arguments(*command, "                        "));
    }
    return out +
           fmt::format("            esac\n            ;;\n    esac\n}}\n\n_{0} \"$@\"\n", name);
}

}  // namespace accel::tools
