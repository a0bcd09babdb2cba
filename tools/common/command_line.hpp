// SPDX-License-Identifier: Apache-2.0
//
// The command line of a tool, described once: the parser, --help, the manual page and the
// completions all read the same description. The parser is CLI11, and command_line.cpp alone
// includes its header: it takes longer to compile than most tools.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace accel::tools {

/// The bounds of a number, both included.
struct Bounds {
    double least = 0;
    double most = 0;
};

/// Names of values that the completions know how to complete.
inline constexpr const char* card_value = "CARD";
inline constexpr const char* file_value = "FILE";
inline constexpr const char* folder_value = "DIR";

/// One option or positional argument.
struct Option {
    std::string name{};                  ///< "-o,--output"; without dashes: a positional argument
    std::string help{};                  ///< begins with a verb or a noun
    std::string value{};                 ///< stands for the value in --help; empty: a flag
    std::vector<std::string> choices{};  ///< empty: any value
    std::optional<Bounds> bounds{};      ///< of a number
    std::string excludes{};              ///< an option that cannot be given together with this
    std::string needs{};                 ///< an option that must be given together with this
    bool positive = false;               ///< a number above zero
    bool required = false;
    bool comma_separated = false;  ///< "a,b" is two values
    bool existing_folder = false;  ///< the value must be a folder that exists
    bool hidden = false;           ///< in neither help, manual page nor completions

    [[nodiscard]] bool positional() const { return !name.starts_with('-'); }
    [[nodiscard]] bool takes_value() const { return !value.empty(); }
    /// "-o" and "--output"; empty for a positional argument.
    [[nodiscard]] std::vector<std::string> names() const;
};

/// The program itself, or one of its commands. Options write into variables of the caller, which
/// must outlive the parser.
class CommandLine {
  public:
    using Callback = std::function<void()>;

    CommandLine(std::string name, std::string summary);
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;
    CommandLine(CommandLine&&) = delete;
    CommandLine& operator=(CommandLine&&) = delete;
    ~CommandLine();

    /// `T` is bool, or int for a flag that counts.
    template <typename T>
    void add_flag(Option option, T& variable);
    /// `T` is a string, a list of strings, a number, or an optional number.
    template <typename T>
    void add_option(Option option, T& variable);
    /// A command of this program. `chosen` is called when the parser meets its name.
    CommandLine& add_command(const std::string& name, const std::string& summary, Callback chosen);
    void set_footer(const std::string& text);
    /// Adds --version, which prints `text`.
    void set_version(const std::string& text);

    /// The options that help shows, in their order; --help is one of them.
    [[nodiscard]] std::vector<Option> visible_options() const;
    [[nodiscard]] const std::vector<std::unique_ptr<CommandLine>>& commands() const {
        return commands_;
    }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::string& summary() const { return summary_; }
    [[nodiscard]] const std::string& footer() const { return footer_; }
    [[nodiscard]] bool is_program() const { return owned_ != nullptr; }

    struct Parsed {
        std::string output{};  ///< to be printed instead of any action: help or the version
        std::string error{};   ///< the reason why the command line makes no sense
        std::string help{};    ///< the command that prints the options: "accelctl reset --help"
    };
    [[nodiscard]] Parsed parse(int argc, const char* const* argv);

  private:
    CommandLine(CLI::App* app, std::string name, std::string summary);
    void declare(Option&& option, CLI::Option* parser);
    [[nodiscard]] Parsed try_parse(int argc, const char* const* argv);
    [[nodiscard]] std::string given_command() const;
    [[nodiscard]] const Option* find_option(const std::string& name) const;
    [[nodiscard]] bool has_option(const std::string& name) const {
        return find_option(name) != nullptr;
    }
    /// The arguments after the program's name, with the options of a command that stand in front of
    /// it behind it.
    [[nodiscard]] std::vector<std::string> in_order(int argc, const char* const* argv) const;
    /// A sentence about an argument that nothing takes.
    [[nodiscard]] std::string unexpected(const std::string& argument) const;

    std::string name_;
    std::string summary_;
    std::string footer_;
    std::vector<Option> options_;
    std::vector<std::unique_ptr<CommandLine>> commands_;
    std::unique_ptr<CLI::App> owned_;  ///< of the program; its commands belong to it
    CLI::App* app_;
};

}  // namespace accel::tools
