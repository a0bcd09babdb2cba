// SPDX-License-Identifier: Apache-2.0
//
// What the two programs have in common: options, --version, errors and their exit codes, and what
// is generated from the command line itself: manual page and completions.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "exit.hpp"
#include "root.hpp"
#include "terminal.hpp"

namespace accel::tools {

/// A section of the manual page: paragraphs, and lines that begin with four blanks for examples.
struct Section {
    std::string title;
    std::vector<std::string> paragraphs;
};

struct Manual {
    std::string name;
    std::string summary;               ///< for the NAME line and --help
    std::vector<Section> description;  ///< before the options; a title of "" continues DESCRIPTION
    std::vector<Section> notes;        ///< after them
    std::string see_also;
};

/// DataType names of options that the completions know.
inline constexpr const char* card_type = "CARD";
inline constexpr const char* file_type = "FILE";

class Program {
  public:
    using Action = std::function<Exit()>;

    explicit Program(Manual manual);

    [[nodiscard]] CLI::App& app() { return app_; }

    /// What is done once the command line is parsed. The last one counts.
    void set_action(Action action) { action_ = std::move(action); }
    /// Output is to be JSON: an error is then one, too.
    void add_json(CLI::App& command);

    [[nodiscard]] Root root() const { return Root(root_); }
    [[nodiscard]] Terminal terminal() const { return Terminal(colour_); }
    [[nodiscard]] bool json() const { return json_; }

    /// Prints a document on stdout, `schema` first. `line`: in one line, for streams.
    void print_json(const std::string& schema, const nlohmann::ordered_json& document,
                    bool line = false) const;

    /// Parses, acts, reports; returns the exit code.
    [[nodiscard]] int run(int argc, const char* const* argv);

  private:
    [[nodiscard]] Exit report(Exit exit, const std::string& what, const std::string& hint) const;

    Manual manual_;
    CLI::App app_;
    Action action_;
    std::string root_;
    std::string colour_ = "auto";
    std::string generate_;
    bool json_ = false;
};

/// The manual page as troff.
[[nodiscard]] std::string manual_page(const Manual& manual, const CLI::App& app);
/// Completions for bash and zsh.
[[nodiscard]] std::string bash_completion(const CLI::App& app);
[[nodiscard]] std::string zsh_completion(const CLI::App& app);

}  // namespace accel::tools
