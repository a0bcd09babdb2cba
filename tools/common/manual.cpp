// SPDX-License-Identifier: Apache-2.0
//
// The manual page: the description of the command line, and the sections of a Manual.
#include <fmt/core.h>

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

std::string names_of(const Option& option) {
    std::string out;
    for (const std::string& name : option.names()) {
        out += (out.empty() ? "" : ", ") + ("\\fB" + escape(name) + "\\fR");
    }
    if (option.positional()) {
        return "\\fI" + escape(option.name) + "\\fR";
    }
    return out + (option.takes_value() ? " \\fI" + escape(option.value) + "\\fR" : "");
}

void options(std::string& out, const CommandLine& command) {
    for (const Option& option : command.visible_options()) {
        // --help reads the same everywhere; the program's own list has it.
        if (!command.is_program() && option.name.ends_with("--help")) {
            continue;
        }
        out += ".TP\n" + names_of(option) + "\n" + escape(option.help) + "\n";
    }
}

std::string synopsis(const CommandLine& command) {
    std::string out = R"(\fB)" + escape(command.name()) + R"(\fR [\fIOPTION\fR]...)";
    for (const Option& option : command.visible_options()) {
        if (option.positional()) {
            const std::string value = "\\fI" + escape(option.name) + "\\fR";
            out += option.required ? " " + value : " [" + value + "]";
        }
    }
    return out;
}

}  // namespace

std::string manual_page(const Manual& manual, const CommandLine& program) {
    std::string out = ".\\\" SPDX-License-Identifier: Apache-2.0\n";
    out += fmt::format(".TH {} 1 \"\" \"accel {}\" \"User Commands\"\n", upper(manual.name),
                       ACCEL_VERSION_TEXT);
    out += fmt::format(".SH NAME\n{} \\- {}\n", manual.name, escape(manual.summary));
    out += ".SH SYNOPSIS\n" + synopsis(program);
    out += program.commands().empty() ? "\n" : " [\\fICOMMAND\\fR [\\fIOPTION\\fR]...]\n";
    out += ".SH DESCRIPTION\n";
    for (const Section& section : manual.description) {
        if (!section.title.empty()) {
            out += ".SS " + escape(section.title) + "\n";
        }
        paragraphs(out, section.paragraphs);
    }
    out += ".SH OPTIONS\n";
    options(out, program);
    if (!program.commands().empty()) {
        out += ".SH COMMANDS\n";
        for (const auto& command : program.commands()) {
            out += ".SS " + synopsis(*command) + "\n";
            out += escape(command->summary()) + "\n";
            if (!command->footer().empty()) {
                out += ".PP\n" + escape(command->footer()) + "\n";
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
