// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <system_error>

#include "accel/error.hpp"
#include "json.hpp"

namespace accel::tools {

namespace {

std::string generate(const std::string& what, const Manual& manual, const CommandLine& program) {
    if (what == "man") {
        return manual_page(manual, program);
    }
    return what == "bash" ? bash_completion(program) : zsh_completion(program);
}

// Why standard output cannot be written: the reader closed the pipe, or the disk is full. The
// stream does not tell, and the write that failed may be long ago, so another one asks the kernel.
std::string output_problem() {
    return ::write(STDOUT_FILENO, "\n", 1) < 0 ? ": " + std::generic_category().message(errno) : "";
}

// A standard descriptor that the caller closed becomes one that cannot be written. Otherwise the
// next file that the program opens, such as a card, gets its number, and the program's output.
void keep_standard_descriptors() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) < 0) {
            // It gets the lowest number that is free, which is this one.
            static_cast<void>(::open("/dev/null", O_RDONLY));
        }
    }
}

}  // namespace

Program::Program(Manual manual)
    : manual_(std::move(manual)), command_(manual_.name, manual_.summary) {
    command_.set_version(std::string(manual_.name) + " " + ACCEL_VERSION_TEXT);
    command_.add_option({.name = "--color",
                         .help = "Color the output; auto: on a terminal only",
                         .value = "WHEN",
                         .choices = {"auto", "always", "never"}},
                        color_);
    command_.add_option({.name = "--root",
                         .help = "Read /sys, /proc and /dev below DIR, a copy of another machine's",
                         .value = folder_value,
                         .existing_folder = true},
                        root_);
    command_.add_option(
        {.name = "--generate", .value = "WHAT", .choices = {"man", "bash", "zsh"}, .hidden = true},
        generate_);
}

void Program::add_json(CommandLine& command) {
    with_json_.push_back(&command);
    command.add_flag(
        {.name = "--json", .help = "Print JSON, and nothing but JSON, on standard output"}, json_);
}

void Program::add_device(const std::string& help) {
    command_.add_option({.name = "--device", .help = help, .value = card_value}, device_);
}

void Program::print_json(const std::string& schema, const Json& document, bool line) const {
    Json all{{"schema", schema}};
    all.append(document);
    std::cout << all.dump(line) << std::endl;
}

Exit Program::report(Exit exit, const std::string& what, const std::string& hint) const {
    std::cout << std::flush;
    std::cerr << manual_.name << ": " << what << "\n";
    if (!hint.empty()) {
        std::cerr << std::string(manual_.name.size() + 2, ' ') << hint << "\n";
    }
    if (json_) {
        const Json error{{"exit", static_cast<int>(exit)}, {"message", what}, {"hint", hint}};
        print_json(manual_.name + ".error/1", {{"error", error}});
    }
    return exit;
}

Exit Program::parse_and_act(int argc, const char* const* argv) {
    const CommandLine::Parsed parsed = command_.parse(argc, argv);
    if (!generate_.empty()) {
        std::cout << generate(generate_, manual_, command_);
        return Exit::ok;
    }
    if (!parsed.error.empty()) {
        return report(Exit::usage, parsed.error,
                      fmt::format("'{}' lists {}options", parsed.help,
                                  command_.commands().empty() ||
                                          parsed.help.find(' ') != parsed.help.rfind(' ')
                                      ? ""
                                      : "commands and "));
    }
    if (!parsed.output.empty()) {
        std::cout << parsed.output;
        return Exit::ok;
    }
    // Options of the program may follow a command, so the parser accepts these for all of them.
    if (json_ && chosen_ != nullptr &&
        std::find(with_json_.begin(), with_json_.end(), chosen_) == with_json_.end()) {
        return report(Exit::usage, fmt::format("'{}' does not print JSON", chosen_->name()),
                      "leave --json out");
    }
    if (!device_.empty() && chosen_ != nullptr) {
        return report(Exit::usage, fmt::format("'{}' takes no --device", chosen_->name()),
                      "it acts on all cards of the machine");
    }
    return action_ ? action_() : Exit::ok;
}

int Program::run(int argc, const char* const* argv) {
    keep_standard_descriptors();
    Exit exit = Exit::ok;
    try {
        exit = parse_and_act(argc, argv);
    } catch (const Failure& failure) {
        exit = report(failure.exit(), failure.what(), failure.hint());
    } catch (const Error& error) {
        exit = report(exit_of(error), error.what(), "");
    } catch (const std::exception& error) {
        exit = report(Exit::internal, std::string("internal error: ") + error.what(),
                      "this is a bug of the tool: report it with the command line that you used");
    }
    if (!std::cout.flush()) {
        std::cerr << manual_.name << ": cannot write to standard output" << output_problem()
                  << "\n";
        return static_cast<int>(Exit::file);
    }
    return static_cast<int>(exit);
}

}  // namespace accel::tools
