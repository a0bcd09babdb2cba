// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "accel/error.hpp"

namespace accel::tools {

namespace {

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

// An option is completed by what the parser knows; nothing of it is written twice.
std::string generate(const std::string& what, const Manual& manual, const CLI::App& app) {
    if (what == "man") {
        return manual_page(manual, app);
    }
    return what == "bash" ? bash_completion(app) : zsh_completion(app);
}

}  // namespace

Program::Program(Manual manual) : manual_(std::move(manual)), app_(manual_.summary, manual_.name) {
    app_.set_version_flag("--version", std::string(manual_.name) + " " + ACCEL_VERSION_TEXT,
                          "Print the version and exit");
    app_.set_help_flag("-h,--help", "Print this help and exit");
    app_.add_option("--color", colour_, "When to colour: auto is on a terminal only")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->type_name("WHEN");
    app_.add_option("--root", root_,
                    "Read /sys, /proc and /dev under DIR: a copy of another machine's")
        ->check(CLI::ExistingDirectory)
        ->type_name("DIR");
    app_.add_option("--generate", generate_)
        ->check(CLI::IsMember({"man", "bash", "zsh"}))
        ->group("");
}

void Program::add_json(CLI::App& command) {
    command.add_flag("--json", json_, "Print JSON, and nothing but JSON, on standard output");
}

void Program::print_json(const std::string& schema, const nlohmann::ordered_json& document,
                         bool line) const {
    nlohmann::ordered_json all{{"schema", schema}};
    all.update(document);
    std::cout << all.dump(line ? -1 : 2, ' ', false,
                          nlohmann::ordered_json::error_handler_t::replace)
              << std::endl;
}

Exit Program::report(Exit exit, const std::string& what, const std::string& hint) const {
    std::cout << std::flush;
    std::cerr << manual_.name << ": " << what << "\n";
    if (!hint.empty()) {
        std::cerr << std::string(manual_.name.size() + 2, ' ') << hint << "\n";
    }
    if (json_) {
        print_json(
            manual_.name + ".error/1",
            {{"error", {{"exit", static_cast<int>(exit)}, {"message", what}, {"hint", hint}}}});
    }
    return exit;
}

int Program::run(int argc, const char* const* argv) {
    Exit exit = Exit::ok;
    try {
        app_.parse(argc, argv);
        if (!generate_.empty()) {
            std::cout << generate(generate_, manual_, app_);
        } else if (action_) {
            exit = action_();
        }
    } catch (const CLI::CallForVersion& version) {
        std::cout << version.what() << "\n";
    } catch (const CLI::CallForHelp&) {
        std::cout << app_.help();
    } catch (const CLI::Success&) {
        // Nothing to do.
    } catch (const CLI::ParseError& error) {
        if (!generate_.empty()) {
            std::cout << generate(generate_, manual_, app_);
            return 0;
        }
        exit = report(Exit::usage, first_line(error.what()),
                      fmt::format("'{} --help' lists what there is", manual_.name));
    } catch (const Failure& failure) {
        exit = report(failure.exit(), failure.what(), failure.hint());
    } catch (const Error& error) {
        exit = report(exit_of(error.errc()), error.what(), "");
    } catch (const std::exception& error) {
        exit = report(Exit::internal, std::string("this should not happen: ") + error.what(),
                      "please report it with the command that you gave");
    }
    if (!std::cout.flush()) {
        // Into a pipe that was closed, or onto a disk that is full.
        std::cerr << manual_.name << ": cannot write to standard output\n";
        return static_cast<int>(Exit::file);
    }
    return static_cast<int>(exit);
}

}  // namespace accel::tools
