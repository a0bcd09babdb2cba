// SPDX-License-Identifier: Apache-2.0
#include "event_text.hpp"

#include <fmt/core.h>

#include <array>
#include <cstddef>
#include <ctime>
#include <sstream>
#include <system_error>
#include <utility>

#include "accel/command.hpp"
#include "accel/error.hpp"
#include "root.hpp"

namespace accel::tools {

namespace {

double clock_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

// "17 123456789 queue-error queue=3 client=12 ..."
std::vector<Event> parse_events(const std::string& text) {
    const double offset = clock_of(CLOCK_REALTIME) - clock_of(CLOCK_BOOTTIME);
    std::vector<Event> events;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        Event event;
        std::uint64_t nanoseconds = 0;
        if (!(words >> event.sequence >> nanoseconds >> event.name)) {
            continue;
        }
        event.time = offset + static_cast<double>(nanoseconds) * 1e-9;
        std::string word;
        while (words >> word) {
            if (const std::size_t equals = word.find('='); equals != std::string::npos) {
                event.fields[word.substr(0, equals)] = word.substr(equals + 1);
            }
        }
        events.push_back(std::move(event));
    }
    return events;
}

namespace {

// The meanings of the driver's words for reasons and causes.
std::string meaning(const std::string& word) {
    static const std::map<std::string, std::string> meanings{
        {"reset", "an administrator reset the card"},
        {"recovery", "the driver resets the card, because it does not work"},
        {"link-error", "the link reported an error that may have lost data"},
        {"suspend", "the machine was suspended"},
        {"removed", "the card was removed, or its driver was unbound"},
        {"wedged", "no reset by the driver helped"},
        {"admin", "it does not answer the driver"},
        {"access", "it did not give up access to memory"},
        {"fatal", "it reported a fatal error"},
        {"engines", "its engines make no progress"},
        {"copy-queue", "the driver's copy queue makes no progress"},
        {"lost", "it does not answer on the bus"},
        {"start-failed", "it did not start after a reset"},
        {"too-many-recoveries", "it failed again and again"}};
    const auto found = meanings.find(word);
    return found == meanings.end() ? word : found->second;
}

// The failure that a dump is about.
std::string dump_cause(const std::string& word) {
    static const std::map<std::string, std::string> causes{
        {"hang", "a queue made no progress"},
        {"fault", "a command used an address that it may not use"},
        {"recovery", "the driver resets a card that does not work"}};
    const auto found = causes.find(word);
    return found == causes.end() ? meaning(word) : found->second;
}

// The value of a field; "?" if the event has none.
std::string field(const Event& event, const char* name) {
    const auto found = event.fields.find(name);
    return found == event.fields.end() ? "?" : found->second;
}

// The process that an event names; empty if the reader cannot see it, as in a container.
std::string process_of(const Event& event) {
    const std::string pid = field(event, "pid");
    return pid == "?" || pid == "0" ? "" : "process " + pid;
}

// The process that an event names, as a part of a sentence.
std::string by_process(const Event& event) {
    const std::string process = process_of(event);
    return process.empty() ? "" : "; " + process + " caused it";
}

// "Connection timed out (errno 110)"
std::string errno_text(const Event& event) {
    const auto error = parse_number<int>(field(event, "error"));
    return error ? fmt::format("{} (errno {})", std::generic_category().message(*error), *error)
                 : "of an unknown error";
}

// " at GEMM", if the event names a command that the data sheet has.
std::string at_command(const Event& event) {
    const auto opcode = parse_number<unsigned>(field(event, "opcode"), 16);
    if (!opcode) {
        return "";
    }
    std::array<std::byte, 64> command{};
    command[0] = static_cast<std::byte>(*opcode);
    const std::string text = describe_command(command);
    return " at " + text.substr(0, text.find(' '));
}

std::string explain_queue_event(const Event& event) {
    const std::string process = process_of(event);
    const std::string queue =
        "queue " + field(event, "queue") + (process.empty() ? "" : " of " + process);
    if (event.name == "queue-error") {
        const auto status = parse_number<std::uint32_t>(field(event, "status"));
        return queue + " stopped" + at_command(event) + ": " +
               (status ? std::string(explain(static_cast<CardStatus>(*status))) : "?");
    }
    if (event.name == "queue-hung") {
        return queue + " made no progress; the driver stopped it";
    }
    return event.name == "queue-stopped" ? queue + " was stopped by an administrator" : "";
}

std::string explain_end(const Event& event) {
    if (event.name == "recovery") {
        return "the driver resets the card: " + meaning(field(event, "cause")) + by_process(event);
    }
    if (event.name == "wedged") {
        return "the card is wedged: " + meaning(field(event, "cause")) + by_process(event) +
               "; 'accelctl doctor' shows what to do";
    }
    if (event.fields.contains("reason")) {
        return meaning(field(event, "reason")) + by_process(event) +
               ": the contexts of all open files are lost";
    }
    return event.name == "stopped"
               ? "reset, suspend or link error: the contexts of all open files are lost"
               : "the card was removed, or its driver is being unbound";
}

}  // namespace

std::string explain_event(const Event& event) {
    if (event.name.starts_with("queue-")) {
        return explain_queue_event(event);
    }
    if (event.name == "stopped" || event.name == "gone" || event.name == "recovery" ||
        event.name == "wedged") {
        return explain_end(event);
    }
    if (event.name == "started") {
        return "the card runs";
    }
    if (event.name == "start-failed") {
        return "the card did not start: " + errno_text(event) +
               "; 'accelctl doctor' shows what to do";
    }
    if (event.name == "hot") {
        const auto heat = parse_number<int>(field(event, "millidegrees"));
        return fmt::format("the card is hot ({} C) and lowers its clock", heat ? *heat / 1000 : 0);
    }
    if (event.name == "failed") {
        return "the card reported a fatal error; the driver resets it";
    }
    if (event.name == "unresponsive") {
        return "the card does not answer the driver, which resets it";
    }
    if (event.name == "coredump") {
        return "the driver made a dump: " + dump_cause(field(event, "cause")) +
               "; 'accelctl coredump' explains it";
    }
    if (event.name == "coredump-kept") {
        return "no dump was made (" + dump_cause(field(event, "cause")) +
               "), because the one of an earlier failure was still there";
    }
    if (event.name == "refused") {
        return "the card refused to end an access to memory; the driver resets it";
    }
    if (event.name == "transfer-hung") {
        return "a read() or write() made no progress; its caller got EIO";
    }
    if (event.name == "setting") {
        const std::string process = process_of(event);
        return fmt::format("{} set {} to {}", process.empty() ? "an administrator" : process,
                           field(event, "name"), field(event, "value"));
    }
    if (event.name == "events-lost") {
        return fmt::format("the card dropped {} events; the driver asked all queues for errors",
                           field(event, "count"));
    }
    if (event.name == "link-error") {
        const std::string severity = field(event, "severity");
        return "uncorrectable link error (" + severity + "): " +
               (severity == "harmless" ? "no data of the card is lost"
                                       : "the contexts of all open files are lost");
    }
    if (event.name == "bad-doorbell") {
        return "the doorbell of queue " + field(event, "queue") +
               " was written, and no such queue exists";
    }
    return "";
}

}  // namespace accel::tools
