// SPDX-License-Identifier: Apache-2.0
//
// Completions for bash and zsh, from what the parser knows.
#include <fmt/format.h>

#include "program.hpp"

namespace accel::tools {

namespace {

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> shown(const CLI::App& app) {
    return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

std::vector<std::string> words_of(const CLI::Option& option) {
    std::vector<std::string> words;
    for (const std::string& name : option.get_snames()) {
        words.push_back("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        words.push_back("--" + name);
    }
    return words;
}

// What may follow an option: cards, files, a list of words; "" if it takes nothing.
std::string values_of(const CLI::Option& option) {
    const std::string all = option.get_type_name();
    const std::string type = all.substr(0, all.find(':'));  // without what checks add
    if (option.get_expected_max() == 0) {
        return "";
    }
    if (type == "DIR") {
        return "dir";
    }
    if (type == card_type) {
        return "card";
    }
    if (const std::size_t brace = all.find('{'); brace != std::string::npos) {
        std::string words = all.substr(brace + 1, all.find('}', brace) - brace - 1);
        for (char& c : words) {
            c = c == ',' ? ' ' : c;
        }
        return words;
    }
    return "file";
}

std::string join(const std::vector<std::string>& words, const char* separator) {
    return fmt::format("{}", fmt::join(words, separator));
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

std::string bash_case(const std::string& condition, const CLI::App& app) {
    std::vector<std::string> words;
    bool card = false;
    bool file = false;
    std::string out;
    for (const CLI::Option* option : shown(app)) {
        const auto names = words_of(*option);
        const std::string values = values_of(*option);
        if (names.empty()) {
            card = card || values == "card";
            file = file || values == "file";
            continue;
        }
        words.insert(words.end(), names.begin(), names.end());
        if (!values.empty()) {
            const std::string action =
                values == "file"  ? "COMPREPLY=($(compgen -f -- \"$cur\"))"
                : values == "dir" ? "COMPREPLY=($(compgen -d -- \"$cur\"))"
                : values == "card"
                    ? fmt::format("COMPREPLY=($(compgen -W \"$(_{}_cards)\" -- \"$cur\"))", "accel")
                    : fmt::format(R"(COMPREPLY=($(compgen -W "{}" -- "$cur")))", values);
            out += fmt::format("        {}) {}; return ;;\n", join(names, "|"), action);
        }
    }
    std::vector<std::string> all = words;
    for (const CLI::App* command : subcommands(app)) {
        all.push_back(command->get_name());
    }
    return fmt::format(
        "    {})\n        case \"$prev\" in\n{}        esac\n"
        "        COMPREPLY=($(compgen {}-W \"{}{}\" -- \"$cur\")) ;;\n",
        condition, out, file ? "-f " : "", join(all, " "), card ? " $(_accel_cards)" : "");
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

std::string zsh_arguments(const CLI::App& app, const char* indent) {
    std::string out;
    for (const CLI::Option* option : shown(app)) {
        const std::string values = values_of(*option);
        const std::string action = values == "file"   ? "_files"
                                   : values == "dir"  ? "_files -/"
                                   : values == "card" ? "_accel_cards"
                                   : values.empty()   ? ""
                                                      : "(" + values + ")";
        const auto names = words_of(*option);
        if (names.empty()) {
            out += fmt::format(" \\\n{}':{}:{}'", indent, zsh_escape(option->get_name()), action);
        }
        for (const std::string& name : names) {
            out += fmt::format(" \\\n{}'{}[{}]{}'", indent, name,
                               zsh_escape(option->get_description()),
                               action.empty() ? "" : ":value:" + action);
        }
    }
    return out;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
    const std::string& name = app.get_name();
    std::string out = fmt::format(
        "# SPDX-License-Identifier: Apache-2.0\n# bash completion of {0}\n\n"
        "_accel_cards() {{\n    local path node real{1}}}\n\n"
        "_{0}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n"
        "    local command= word\n"
        "    for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n        case \"$word\" in\n",
        name, cards_function);
    std::vector<std::string> commands;
    for (const CLI::App* command : subcommands(app)) {
        commands.push_back(command->get_name());
    }
    out += commands.empty()
               ? "            *) ;;\n"
               : fmt::format("            {}) command=$word; break ;;\n", join(commands, "|"));
    out += "        esac\n    done\n    case \"$command\" in\n";
    out += bash_case("''", app);
    for (const CLI::App* command : subcommands(app)) {
        out += bash_case(command->get_name(), *command);
    }
    return out + fmt::format("    esac\n}}\ncomplete -F _{0} {0}\n", name);
}

std::string zsh_completion(const CLI::App& app) {
    const std::string& name = app.get_name();
    std::string out = fmt::format(
        "#compdef {0}\n# SPDX-License-Identifier: Apache-2.0\n\n"
        "_accel_cards() {{\n    local path node real\n    local -a cards\n"
        "    cards=($({1}))\n    compadd -a cards\n}}\n\n"
        "_{0}() {{\n    local state\n    local -a commands\n",
        name, cards_function);
    if (subcommands(app).empty()) {
        out += "    _arguments" + zsh_arguments(app, "        ") + "\n";
        return out + fmt::format("}}\n\n_{0} \"$@\"\n", name);
    }
    out += "    commands=(\n";
    for (const CLI::App* command : subcommands(app)) {
        out += fmt::format("        '{}:{}'\n", command->get_name(),
                           zsh_escape(command->get_description()));
    }
    out += "    )\n    _arguments -C" + zsh_arguments(app, "        ") +
           " \\\n        '1: :->command' \\\n        '*:: :->rest'\n"
           "    case $state in\n        command) _describe command commands ;;\n"
           "        rest)\n            case $words[1] in\n";
    for (const CLI::App* command : subcommands(app)) {
        out += fmt::format(
            "                {})\n                    _arguments{}\n"
            "                    ;;\n",
            command->get_name(), zsh_arguments(*command, "                        "));
    }
    return out +
           fmt::format("            esac\n            ;;\n    esac\n}}\n\n_{0} \"$@\"\n", name);
}

}  // namespace accel::tools
