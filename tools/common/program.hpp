// SPDX-License-Identifier: Apache-2.0
//
// The frame of both tools: common options, --version, error messages and exit codes. The manual
// page and the completions are generated from the command line itself.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "command_line.hpp"
#include "exit.hpp"
#include "root.hpp"
#include "terminal.hpp"

namespace accel::tools {

class Json;

/// A section of the manual page: paragraphs; a paragraph that begins with four blanks is an
/// example.
struct Section {
    std::string title;
    std::vector<std::string> paragraphs;
};

struct Manual {
    std::string name;
    std::string summary;               ///< for the NAME line and --help
    std::vector<Section> description;  ///< before the options; a title of "" continues DESCRIPTION
    std::vector<Section> notes;        ///< after the options
    std::string see_also;
};

class Program {
  public:
    using Action = std::function<Exit()>;

    explicit Program(Manual manual);

    [[nodiscard]] CommandLine& command() { return command_; }

    /// Runs after the command line is parsed. A later call replaces the action.
    void set_action(Action action) { action_ = std::move(action); }
    /// The parser met this command.
    void set_chosen(const CommandLine& command) { chosen_ = &command; }
    /// Adds --json to a command. Errors are then documents, too.
    void add_json(CommandLine& command);
    /// Adds --device to the program, for the action without a command. In front of a command that
    /// has this option, it belongs to the command.
    void add_device(const std::string& help);
    [[nodiscard]] const std::string& device() const { return device_; }

    [[nodiscard]] SystemRoot root() const { return SystemRoot(root_); }
    [[nodiscard]] Terminal terminal() const { return Terminal(color_); }
    [[nodiscard]] bool json() const { return json_; }

    /// Prints a document on stdout, `schema` first. `line`: in one line, for streams.
    void print_json(const std::string& schema, const Json& document, bool line = false) const;

    /// Parses the command line, runs the action, reports errors; returns the exit code.
    [[nodiscard]] int run(int argc, const char* const* argv);

  private:
    [[nodiscard]] Exit report(Exit exit, const std::string& what, const std::string& hint) const;
    [[nodiscard]] Exit parse_and_act(int argc, const char* const* argv);

    Manual manual_;
    CommandLine command_;
    Action action_;
    const CommandLine* chosen_ = nullptr;
    std::vector<const CommandLine*> with_json_;
    std::string root_;
    std::string color_ = "auto";
    std::string generate_;
    std::string device_;
    bool json_ = false;
};

/// The manual page as troff.
[[nodiscard]] std::string manual_page(const Manual& manual, const CommandLine& program);
[[nodiscard]] std::string bash_completion(const CommandLine& program);
[[nodiscard]] std::string zsh_completion(const CommandLine& program);

}  // namespace accel::tools
