// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <utility>

namespace accel::tools {

namespace {

constexpr const char* help_names = "-h,--help";
constexpr const char* help_text = "Print this help and exit";

CLI::Validator within(const Bounds& bounds) {
    const auto check = [bounds](const std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value);
        return number && value >= bounds.least && value <= bounds.most
                   ? std::string()
                   : fmt::format("{} is not a number from {} to {}", text, bounds.least,
                                 bounds.most);
    };
    return {check, fmt::format("[{} to {}]", bounds.least, bounds.most), "bounds"};
}

}  // namespace

std::vector<std::string> Option::names() const {
    std::vector<std::string> all;
    for (std::size_t start = 0; !positional() && start < name.size();) {
        const std::size_t comma = std::min(name.find(',', start), name.size());
        all.push_back(name.substr(start, comma - start));
        start = comma + 1;
    }
    return all;
}

CommandLine::CommandLine(std::string name, std::string summary)
    : name_(std::move(name)),
      summary_(std::move(summary)),
      owned_(std::make_unique<CLI::App>(summary_, name_)),
      app_(owned_.get()) {
    app_->set_help_flag(help_names, help_text);
    options_.push_back({.name = help_names, .help = help_text});
}

CommandLine::CommandLine(CLI::App* app, std::string name, std::string summary)
    : name_(std::move(name)), summary_(std::move(summary)), app_(app) {
    options_.push_back({.name = help_names, .help = help_text});
}

CommandLine::~CommandLine() = default;

void CommandLine::declare(Option&& option, CLI::Option* parser) {
    if (option.takes_value()) {
        parser->type_name(option.value);
    }
    if (!option.choices.empty()) {
        parser->check(CLI::IsMember(option.choices));
    }
    if (option.bounds) {
        parser->check(within(*option.bounds));
    }
    if (option.positive) {
        parser->check(CLI::PositiveNumber);
    }
    if (option.existing_folder) {
        parser->check(CLI::ExistingDirectory);
    }
    if (option.comma_separated) {
        parser->delimiter(',');
    }
    if (!option.excludes.empty()) {
        parser->excludes(app_->get_option(option.excludes));
    }
    if (!option.needs.empty()) {
        parser->needs(app_->get_option(option.needs));
    }
    if (option.hidden) {
        parser->group("");
    }
    parser->required(option.required);
    options_.push_back(std::move(option));
}

template <typename T>
void CommandLine::add_flag(Option option, T& variable) {
    declare(std::move(option), app_->add_flag(option.name, variable, option.help));
}

template <typename T>
void CommandLine::add_option(Option option, T& variable) {
    CLI::Option* const parser = app_->add_option(option.name, variable, option.help);
    // Otherwise `--input a.npy model.onnx` would take the model for a second input.
    if (!option.positional()) {
        parser->allow_extra_args(false);
    }
    declare(std::move(option), parser);
}

template void CommandLine::add_flag(Option, bool&);
template void CommandLine::add_flag(Option, int&);
template void CommandLine::add_option(Option, std::string&);
template void CommandLine::add_option(Option, std::vector<std::string>&);
template void CommandLine::add_option(Option, std::vector<double>&);
template void CommandLine::add_option(Option, double&);
template void CommandLine::add_option(Option, std::uint32_t&);
template void CommandLine::add_option(Option, std::uint64_t&);
template void CommandLine::add_option(Option, std::int64_t&);
template void CommandLine::add_option(Option, std::optional<double>&);
template void CommandLine::add_option(Option, std::optional<unsigned>&);

CommandLine& CommandLine::add_command(const std::string& name, const std::string& summary,
                                      Callback chosen) {
    // A command inherits this, so that options of the program may follow it.
    app_->fallthrough();
    app_->require_subcommand(0, 1);
    CLI::App* const app = app_->add_subcommand(name, summary);
    app->callback(std::move(chosen));
    commands_.push_back(std::unique_ptr<CommandLine>(new CommandLine(app, name, summary)));
    return *commands_.back();
}

void CommandLine::set_footer(const std::string& text) {
    footer_ = text;
    app_->footer(text);
}

void CommandLine::set_version(const std::string& text) {
    constexpr const char* help = "Print the version and exit";
    app_->set_version_flag("--version", text, help);
    options_.push_back({.name = "--version", .help = help});
}

std::vector<Option> CommandLine::visible_options() const {
    std::vector<Option> visible;
    for (const Option& option : options_) {
        if (!option.hidden) {
            visible.push_back(option);
        }
    }
    return visible;
}

CommandLine::Parsed CommandLine::parse(int argc, const char* const* argv) {
    try {
        app_->parse(argc, argv);
    } catch (const CLI::CallForVersion& version) {
        return {.output = std::string(version.what()) + "\n"};
    } catch (const CLI::CallForHelp&) {
        return {.output = app_->help()};
    } catch (const CLI::Success&) {
        return {};
    } catch (const CLI::ParseError& error) {
        const std::string text = error.what();
        return {.error = text.substr(0, text.find('\n'))};
    }
    return {};
}

}  // namespace accel::tools
