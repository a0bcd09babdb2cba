// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <sstream>
#include <type_traits>
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

// The text is a number that fits a T.
template <typename T>
CLI::Validator number_of_type() {
    const auto check = [](const std::string& text) -> std::string {
        T value{};
        if (CLI::detail::lexical_cast(text, value)) {
            return {};
        }
        double number = 0;
        if (!CLI::detail::lexical_cast(text, number)) {
            return fmt::format("'{}' is not a number", text);
        }
        return number != std::floor(number)
                   ? fmt::format("{} is not a whole number", text)
                   : fmt::format("{} is not from {} to {}", text, std::numeric_limits<T>::lowest(),
                                 std::numeric_limits<T>::max());
    };
    return {check, "", "number"};
}

CLI::Validator above_zero() {
    const auto check = [](const std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value);
        return number && value > 0 ? std::string()
                                   : fmt::format("{} is not a number above 0", text);
    };
    return {check, "", "positive"};
}

CLI::Validator one_of(const std::vector<std::string>& choices) {
    std::string list;
    for (const std::string& choice : choices) {
        list += (list.empty() ? "" : ", ") + choice;
    }
    const auto check = [choices, list](const std::string& text) {
        return std::find(choices.begin(), choices.end(), text) != choices.end()
                   ? std::string()
                   : fmt::format("'{}' is none of {}", text, list);
    };
    return {check, fmt::format("{{{}}}", fmt::join(choices, ",")), "choices"};
}

// An empty value is most often a variable of a script that is not set.
CLI::Validator not_empty() {
    const auto check = [](const std::string& text) {
        return text.empty() ? std::string("the value is empty: leave it out, or give one")
                            : std::string();
    };
    return {check, "", "not empty"};
}

CLI::Validator folder_that_exists() {
    const auto check = [](const std::string& text) {
        std::error_code ignored;
        return std::filesystem::is_directory(text, ignored) ? std::string()
               : std::filesystem::exists(text, ignored)     ? text + " is no folder"
                                                            : "there is no folder " + text;
    };
    return {check, "", "folder"};
}

template <typename T>
void check_number(CLI::Option& parser, const T& /*variable*/) {
    if constexpr (std::is_arithmetic_v<T>) {
        parser.check(number_of_type<T>());
    }
}
template <typename T>
void check_number(CLI::Option& parser, const std::optional<T>& /*variable*/) {
    parser.check(number_of_type<T>());
}
void check_number(CLI::Option& parser, const std::vector<double>& /*variable*/) {
    parser.check(number_of_type<double>());
}

// The words of a text between blanks.
std::vector<std::string> words_of(const std::string& text) {
    std::istringstream in(text);
    return {std::istream_iterator<std::string>(in), {}};
}

// The parser's sentence "--queue: 1 required N:[1 to 4] missing" in other words.
std::string missing_value(const std::string& text) {
    const std::vector<std::string> words = words_of(text);
    constexpr std::size_t type = 3;
    const std::string name = words.empty() ? text : words[0].substr(0, words[0].find(':'));
    if (words.size() <= type || words[2] != "required") {
        return (name.starts_with('-') ? name : "--" + name) + " takes no value";
    }
    return fmt::format("{} needs a value: {} {}", name, name,
                       words[type].substr(0, words[type].find(':')));
}

// The parser's sentences "A excludes B" and "A requires B".
std::string with_conflict(const std::string& text) {
    const std::vector<std::string> words = words_of(text);
    if (words.size() != 3) {
        return text;
    }
    return words[1] == "excludes"
               ? fmt::format("{} and {} cannot be given together", words[0], words[2])
               : fmt::format("{} needs {}", words[0], words[2]);
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
        parser->check(not_empty());
    }
    if (!option.choices.empty()) {
        parser->check(one_of(option.choices));
    }
    if (option.bounds) {
        parser->check(within(*option.bounds));
    }
    if (option.positive) {
        parser->check(above_zero());
    }
    if (option.existing_folder) {
        parser->check(folder_that_exists());
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
    CLI::Option* const parser = app_->add_flag(option.name, variable, option.help);
    parser->disable_flag_override();
    declare(std::move(option), parser);
}

template <typename T>
void CommandLine::add_option(Option option, T& variable) {
    CLI::Option* const parser = app_->add_option(option.name, variable, option.help);
    // Otherwise `--input a.npy model.onnx` would take the model for a second input.
    if (!option.positional()) {
        parser->allow_extra_args(false);
    }
    declare(std::move(option), parser);
    check_number(*parser, variable);
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

const Option* CommandLine::find_option(const std::string& name) const {
    const auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& option) {
        const std::vector<std::string> names = option.names();
        return std::find(names.begin(), names.end(), name) != names.end();
    });
    return found == options_.end() ? nullptr : &*found;
}

std::vector<std::string> CommandLine::in_order(int argc, const char* const* argv) const {
    std::vector<std::string> given(argv + std::min(argc, 1), argv + argc);
    auto at = given.begin();
    const auto value_follows = [&](const std::string& name) {
        const auto takes = [&](const CommandLine& line) {
            const Option* const option = line.find_option(name);
            return option != nullptr && option->takes_value();
        };
        return takes(*this) || std::any_of(commands_.begin(), commands_.end(),
                                           [&](const auto& command) { return takes(*command); });
    };
    while (at != given.end() && at->starts_with('-')) {
        const bool two = value_follows(*at) && std::next(at) != given.end();
        at += two ? 2 : 1;
    }
    const auto command = at == given.end()
                             ? commands_.end()
                             : std::find_if(commands_.begin(), commands_.end(),
                                            [&](const auto& one) { return one->name() == *at; });
    if (command == commands_.end()) {
        return given;
    }
    std::vector<std::string> ordered;
    std::vector<std::string> options;  // of the command
    for (auto option = given.begin(); option != at;) {
        const std::string name = option->substr(0, option->find('='));
        const auto next = std::next(option, value_follows(*option) ? 2 : 1);
        std::vector<std::string>& to = (*command)->has_option(name) ? options : ordered;
        to.insert(to.end(), option, next);
        option = next;
    }
    ordered.push_back(*at);
    ordered.insert(ordered.end(), options.begin(), options.end());
    ordered.insert(ordered.end(), std::next(at), given.end());
    return ordered;
}

std::string CommandLine::given_command() const {
    const std::vector<CLI::App*> given = app_->get_subcommands();
    return given.empty() ? "" : given.front()->get_name();
}

std::string CommandLine::unexpected(const std::string& argument) const {
    const std::string given = given_command();
    const bool command_given = !given.empty();
    if (argument.starts_with('-')) {
        const bool of_command =
            std::any_of(commands_.begin(), commands_.end(), [&](const auto& command) {
                return (!command_given || command->name() == given) &&
                       command->has_option(argument);
            });
        return of_command ? fmt::format("option {} belongs to a command: give it after the command",
                                        argument)
                          : fmt::format("there is no option {}", argument);
    }
    return commands_.empty() || command_given ? fmt::format("unexpected argument '{}'", argument)
                                              : fmt::format("there is no command '{}'", argument);
}

CommandLine::Parsed CommandLine::parse(int argc, const char* const* argv) {
    Parsed parsed = try_parse(argc, argv);
    const std::string command = given_command();
    parsed.help = name_ + (command.empty() ? "" : " " + command) + " --help";
    return parsed;
}

CommandLine::Parsed CommandLine::try_parse(int argc, const char* const* argv) {
    try {
        std::vector<std::string> arguments = in_order(argc, argv);
        std::reverse(arguments.begin(), arguments.end());  // as the parser expects them
        app_->parse(std::move(arguments));
    } catch (const CLI::CallForVersion& version) {
        return {.output = std::string(version.what()) + "\n"};
    } catch (const CLI::CallForHelp&) {
        return {.output = app_->help()};
    } catch (const CLI::Success&) {
        return {};
    } catch (const CLI::ArgumentMismatch& error) {
        return {.error = missing_value(error.what())};
    } catch (const CLI::ExtrasError& error) {
        // The parser lists them from the last to the first.
        const std::vector<std::string> words = words_of(error.what());
        const auto option = std::find_if(words.rbegin(), words.rend(), [](const std::string& word) {
            return word.starts_with('-');
        });
        return {.error = unexpected(option == words.rend() ? words.back() : *option)};
    } catch (const CLI::ExcludesError& error) {
        return {.error = with_conflict(error.what())};
    } catch (const CLI::RequiresError& error) {
        return {.error = with_conflict(error.what())};
    } catch (const CLI::ParseError& error) {
        const std::string text = error.what();
        return {.error = text.substr(0, text.find('\n'))};
    }
    return {};
}

}  // namespace accel::tools
