// SPDX-License-Identifier: Apache-2.0
//
// The manual page, from the command line's own description and the sections of a Manual.
#include <fmt/format.h>

#include <algorithm>

#include "program.hpp"

namespace accel::tools {

namespace {

std::string escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
            out += std::string("\\&") + c;
        } else {
            out += c;
        }
    }
    return out;
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

void paragraphs(std::string& out, const std::vector<std::string>& list) {
    bool example = false;
    for (const std::string& text : list) {
        const bool code = text.starts_with("    ");
        if (code != example) {
            out += code ? ".PP\n.EX\n" : ".EE\n";
        }
        if (!code) {
            out += ".PP\n";
        }
        example = code;
        out += escape(text) + "\n";
    }
    out += example ? ".EE\n" : "";
}

std::vector<const CLI::Option*> shown(const CLI::App& app) {
    return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

std::string names_of(const CLI::Option& option) {
    std::string out;
    const auto add = [&](const std::string& name) {
        out += (out.empty() ? "" : ", ") + ("\\fB" + escape(name) + "\\fR");
    };
    for (const std::string& name : option.get_snames()) {
        add("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        add("--" + name);
    }
    if (out.empty()) {
        return "\\fI" + escape(option.get_name()) + "\\fR";
    }
    const std::string type = option.get_type_name();
    const std::string value = type.substr(0, type.find(':'));  // without what checks add
    if (option.get_expected_max() != 0 && !value.empty()) {
        out += " \\fI" + escape(value) + "\\fR";
    }
    return out;
}

void options(std::string& out, const CLI::App& app) {
    for (const CLI::Option* option : shown(app)) {
        if (option->get_name() == "--help" && app.get_parent() != nullptr) {
            continue;
        }
        out += ".TP\n" + names_of(*option) + "\n" + escape(option->get_description()) + "\n";
    }
}

std::string synopsis(const CLI::App& app, const std::string& name) {
    std::string out = R"(\fB)" + escape(name) + R"(\fR [\fIOPTION\fR]...)";
    for (const CLI::Option* option : shown(app)) {
        if (option->get_positional()) {
            const std::string value = "\\fI" + escape(option->get_name()) + "\\fR";
            out += option->get_required() ? " " + value : " [" + value + "]";
        }
    }
    return out;
}

}  // namespace

std::string manual_page(const Manual& manual, const CLI::App& app) {
    std::string out = ".\\\" SPDX-License-Identifier: Apache-2.0\n";
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    out += fmt::format(".TH {} 1 \"\" \"accel {}\" \"User Commands\"\n", upper(manual.name),
                       ACCEL_VERSION_TEXT);
    out += fmt::format(".SH NAME\n{} \\- {}\n", manual.name, escape(manual.summary));
    out += ".SH SYNOPSIS\n" + synopsis(app, manual.name);
    out += commands.empty() ? "\n" : " [\\fICOMMAND\\fR [\\fIOPTION\\fR]...]\n";
    out += ".SH DESCRIPTION\n";
    for (const Section& section : manual.description) {
        if (!section.title.empty()) {
            out += ".SS " + escape(section.title) + "\n";
        }
        paragraphs(out, section.paragraphs);
    }
    out += ".SH OPTIONS\n";
    options(out, app);
    if (!commands.empty()) {
        out += ".SH COMMANDS\n";
        for (const CLI::App* command : commands) {
            out += ".SS " + synopsis(*command, command->get_name()) + "\n";
            out += escape(command->get_description()) + "\n";
            if (!command->get_footer().empty()) {
                out += ".PP\n" + escape(command->get_footer()) + "\n";
            }
            options(out, *command);
        }
    }
    for (const Section& section : manual.notes) {
        out += ".SH " + escape(upper(section.title)) + "\n";
        paragraphs(out, section.paragraphs);
    }
    out += ".SH SEE ALSO\n" + manual.see_also + "\n";
    return out;
}

}  // namespace accel::tools
