// SPDX-License-Identifier: Apache-2.0
//
// accelctl coredump: prints the dump that the driver makes of a failure, with its numbers
// explained. A dump is text: lines "key: value" below headings "[section]".
#include <accel_hw.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "accel/command.hpp"
#include "accel/error.hpp"
#include "card.hpp"
#include "commands.hpp"
#include "json.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

constexpr const char* dump_of_card = "/devcoredump/data";  // below the PCI function
constexpr const char* format_key = "accel-coredump";
constexpr unsigned format_version = 1;
// The longest dump that is read: the driver's are much shorter.
constexpr std::size_t longest = std::size_t{64} << 20;

struct CoredumpOptions {
    std::string file;
};

struct Entry {
    std::string key;  // empty: a line without a key
    std::string value;
    std::string meaning;  // empty: the value speaks for itself
};

struct Section {
    std::string name;
    std::vector<Entry> entries;
};

std::string trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    const std::size_t last = text.find_last_not_of(" \t\r");
    return first == std::string_view::npos ? "" : std::string(text.substr(first, last - first + 1));
}

std::optional<std::uint64_t> to_number(const std::string& text) {
    const std::string word = text.substr(0, text.find(' '));
    return parse_number<std::uint64_t>(word, word.starts_with("0x") ? 16 : 10);
}

// The 64 bytes of a command, which the dump has as hexadecimal digits, in words or not.
std::optional<std::array<std::byte, 64>> to_command(const std::string& value) {
    std::string digits;
    for (const char c : value) {
        if (c != ' ') {
            digits += c;
        }
    }
    std::array<std::byte, 64> bytes{};
    if (digits.size() != 2 * bytes.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = parse_number<unsigned>(std::string_view(digits).substr(2 * i, 2), 16);
        if (!byte || *byte > 0xff) {
            return std::nullopt;
        }
        bytes[i] = static_cast<std::byte>(*byte);
    }
    return bytes;
}

std::string flag_names(std::uint64_t value) {
    constexpr std::array<std::pair<std::uint64_t, const char*>, 5> flags{
        {{ACCEL_STATUS_READY, "ready"},
         {ACCEL_STATUS_RESETTING, "resetting"},
         {ACCEL_STATUS_FATAL, "fatal"},
         {ACCEL_STATUS_ENABLED, "enabled"},
         {ACCEL_STATUS_THROTTLED, "throttled"}}};
    std::string names;
    for (const auto& [bit, name] : flags) {
        if ((value & bit) != 0) {
            names += (names.empty() ? "" : ", ") + std::string(name);
        }
    }
    return names;
}

std::string activity_name(std::uint64_t value) {
    constexpr std::array names{"no queue", "idle",    "ready: waits for an engine",
                               "running",  "blocked", "stopped"};
    return value < names.size() ? names[value] : "";
}

std::string page_entry(std::uint64_t value) {
    if ((value & ACCEL_PTE_VALID) == 0) {
        return "not valid";
    }
    std::string text = (value & ACCEL_PTE_LEAF) != 0 ? "page" : "table";
    text += fmt::format(" at {:#x}", value & ACCEL_PTE_ADDRESS);
    if ((value & ACCEL_PTE_LEAF) != 0) {
        text += (value & ACCEL_PTE_MEMORY) != 0 ? " of device memory" : " on the bus";
        text += (value & ACCEL_PTE_READ) != 0 ? ", readable" : "";
        text += (value & ACCEL_PTE_WRITE) != 0 ? ", writable" : "";
    }
    return text + ((value & ACCEL_PTE_RESERVED) != 0 ? ", reserved bits set" : "");
}

std::string admin_command(const std::array<std::byte, 64>& bytes) {
    constexpr std::array names{"NOP",          "CREATE_CONTEXT", "DESTROY_CONTEXT", "INVALIDATE",
                               "CREATE_QUEUE", "DESTROY_QUEUE",  "RESET_QUEUE",     "QUERY_QUEUE",
                               "CLEAR_MEMORY", "QUERY_QUEUES"};
    static_assert(names.size() == ACCEL_ADMIN_QUERY_QUEUES + 1);
    accel_admin_command command;
    std::memcpy(&command, bytes.data(), sizeof(command));
    std::string text = command.opcode < names.size() ? names[command.opcode]
                                                     : fmt::format("opcode {:#x}", command.opcode);
    text += fmt::format(" id={}", command.id);
    for (const std::uint64_t word : command.words) {
        text += fmt::format(" {:#x}", word);
    }
    return text;
}

// The subject of a key: "error" for "queue 3 error", "command" for "command 17".
std::string subject_of(const std::string& key) {
    std::istringstream words(key);
    std::string word;
    std::string subject;
    while (words >> word) {
        if (subject.empty() || std::isdigit(static_cast<unsigned char>(word.front())) == 0) {
            subject = word;
        }
    }
    return subject;
}

// The meaning of a value; empty if it needs no explanation.
std::string explain_entry(const Section& section, const Entry& entry) {
    if (const auto command = to_command(entry.value)) {
        return section.name == "admin" ? admin_command(*command) : describe_command(*command);
    }
    const auto number = to_number(entry.value);
    if (!number) {
        return "";
    }
    const std::string subject = subject_of(entry.key);
    if (section.name == "registers") {
        return subject == "status"     ? flag_names(*number)
               : subject == "clock_hz" ? fmt::format("{:g} MHz", static_cast<double>(*number) / 1e6)
                                       : "";
    }
    if (section.name == "card" && subject == "time") {
        return fmt::format("{:.3f} s after the machine started",
                           static_cast<double>(*number) / 1e9);
    }
    if (subject == "error" || subject == "status") {
        return *number == 0 ? "" : std::string(explain(static_cast<CardStatus>(*number)));
    }
    if (subject == "reason") {
        return *number == 0 ? "" : std::string(explain(static_cast<Reason>(*number)));
    }
    if (subject == "activity") {
        return activity_name(*number);
    }
    if (subject == "opcode" || subject == "error_opcode") {
        std::array<std::byte, 64> command{};
        command[0] = static_cast<std::byte>(*number);
        const std::string text = describe_command(command);
        return text.starts_with("opcode") ? "" : text.substr(0, text.find(' '));
    }
    return subject == "level" ? page_entry(*number) : "";
}

// The time limit of a queue is in ticks of the card's clock, which another section has.
void explain_time_limits(std::vector<Section>& sections) {
    std::optional<std::uint64_t> clock_hz;
    for (const Section& section : sections) {
        for (const Entry& entry : section.entries) {
            if (section.name == "registers" && entry.key == "clock_hz") {
                clock_hz = to_number(entry.value);
            }
        }
    }
    for (Section& section : sections) {
        for (Entry& entry : section.entries) {
            const auto ticks = to_number(entry.value);
            if (subject_of(entry.key) != "time_limit" || !ticks) {
                continue;
            }
            if (*ticks == 0) {
                entry.meaning = "none";
            } else if (clock_hz && *clock_hz != 0) {
                entry.meaning = fmt::format(
                    "{} of device time",
                    human_time(static_cast<double>(*ticks) / static_cast<double>(*clock_hz)));
            }
        }
    }
}

std::vector<Section> parse(std::istream& input) {
    std::vector<Section> sections(1);  // the first one precedes the headings
    std::string line;
    while (std::getline(input, line)) {
        const std::string text = trimmed(line);
        if (text.empty()) {
            continue;
        }
        if (text.front() == '[' && text.back() == ']') {
            sections.push_back({text.substr(1, text.size() - 2), {}});
            continue;
        }
        Section& section = sections.back();
        const std::size_t colon = text.find(": ");
        Entry entry;
        if (colon != std::string::npos) {
            entry = {trimmed(text.substr(0, colon)), trimmed(text.substr(colon + 2)), ""};
        } else if (text.back() == ':') {
            entry.key = text.substr(0, text.size() - 1);
        } else {
            entry.value = text;
        }
        entry.meaning = explain_entry(section, entry);
        section.entries.push_back(std::move(entry));
    }
    explain_time_limits(sections);
    return sections;
}

// The dump that the kernel has of the first card that has one.
std::string find_dump(const SystemRoot& root) {
    for (const Card& card : find_cards(root)) {
        if (root.exists(card.pci() + dump_of_card)) {
            return root.real(card.pci() + dump_of_card);
        }
    }
    throw Failure(Exit::file, "the kernel has no dump of a card",
                  "the driver makes a dump of a failure, and the kernel drops it after five "
                  "minutes; name a FILE to read a copy");
}

std::string read_dump(const std::string& path) {
    std::ifstream file;
    errno = 0;
    if (path != "-") {
        std::error_code ignored;
        if (std::filesystem::is_directory(path, ignored)) {
            // A stream opens a folder, and reads nothing.
            throw Failure(Exit::file, "cannot read " + path + ": it is a folder",
                          fmt::format("name the file in it; the kernel's dump of a card is "
                                      "/sys/bus/pci/devices/ADDRESS{}",
                                      dump_of_card));
        }
        file.open(path, std::ios::binary);
        if (!file) {
            const int error = errno == 0 ? EIO : errno;
            const bool denied = error == EACCES || error == EPERM;
            throw Failure(
                denied ? Exit::permission : Exit::file,
                fmt::format("cannot read {}: {}", path, std::generic_category().message(error)),
                denied ? "only root can read a dump that the kernel keeps" : "");
        }
    }
    std::istream& input = path == "-" ? std::cin : file;
    std::string text;
    std::array<char, 65536> part{};
    while (text.size() < longest && (input.read(part.data(), part.size()), input.gcount() > 0)) {
        text.append(part.data(), static_cast<std::size_t>(input.gcount()));
    }
    return text;
}

// Throws Failure unless the text begins as a dump does. A newer format is readable, in part.
void check_format(const std::string& path, const std::vector<Section>& sections) {
    const bool headed = !sections.empty() && !sections.front().entries.empty() &&
                        sections.front().entries.front().key == format_key;
    if (!headed) {
        throw Failure(Exit::file,
                      (path == "-" ? "standard input" : path) +
                          " is not a dump of a card: it does not " + "begin with '" + format_key +
                          ": '",
                      fmt::format("the kernel's dump of a card is /sys/bus/pci/devices/ADDRESS{}",
                                  dump_of_card));
    }
    const std::string& version = sections.front().entries.front().value;
    if (parse_number<unsigned>(version) != format_version) {
        std::cerr << fmt::format(
            "accelctl: {} has version {} of the format, and this tool knows version {}: meanings "
            "may be wrong; update the tools\n",
            path == "-" ? "standard input" : path, version, format_version);
    }
}

Exit coredump(const Program& program, const CoredumpOptions& options) {
    const std::string path = options.file.empty() ? find_dump(program.root()) : options.file;
    std::istringstream text(read_dump(path));
    const std::vector<Section> sections = parse(text);
    check_format(path, sections);
    if (program.json()) {
        Json document{{"sections", Json::array()}};
        for (const Section& section : sections) {
            Json entries = Json::array();
            for (const Entry& entry : section.entries) {
                entries.push_back(
                    {{"key", entry.key},
                     {"value", entry.value},
                     {"meaning", entry.meaning.empty() ? Json() : Json(entry.meaning)}});
            }
            document["sections"].push_back({{"name", section.name}, {"entries", entries}});
        }
        program.print_json("accelctl.coredump/1", document);
        return Exit::ok;
    }
    const Terminal terminal = program.terminal();
    for (const Section& section : sections) {
        if (!section.name.empty()) {
            std::cout << terminal.paint(Color::bold, section.name) << "\n";
        }
        for (const Entry& entry : section.entries) {
            std::cout << "  "
                      << (entry.key.empty() ? entry.value
                                            : fmt::format("{:<21} {}", entry.key, entry.value))
                      << "\n";
            if (!entry.meaning.empty()) {
                std::cout << fmt::format("  {:<21} = {}\n", "", entry.meaning);
            }
        }
    }
    return Exit::ok;
}

}  // namespace

void add_coredump(Program& program) {
    auto [command, options] = add_command<CoredumpOptions>(
        program, "coredump", "Explain the dump that the driver made of a failure", coredump);
    command.set_footer(
        "The driver makes a dump when a queue hangs, a command faults, or the card is reset. The "
        "kernel keeps one dump for each card, for five minutes; copy it to a file to keep it. "
        "Only root may read it there.");
    command.add_option({.name = "FILE",
                        .help = "The dump, or a copy of it; -: standard input; default: the dump "
                                "that the kernel has of a card",
                        .value = file_value},
                       options->file);
    program.add_json(command);
}

}  // namespace accel::tools
