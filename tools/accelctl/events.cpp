// SPDX-License-Identifier: Apache-2.0
//
// accelctl events: prints the event log of the cards, and follows it.
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <iostream>
#include <map>
#include <sstream>

#include "accel/error.hpp"
#include "card.hpp"
#include "commands.hpp"
#include "json.hpp"

namespace accel::tools {

namespace {

using Clock = std::chrono::steady_clock;

struct EventOptions {
    std::string card;
    bool follow = false;
    double seconds = 0;
    unsigned count = 0;
};

struct Event {
    std::uint64_t sequence = 0;
    double time = 0;  ///< seconds, CLOCK_REALTIME
    std::string name;
    std::map<std::string, std::string> fields;
};

volatile std::sig_atomic_t stopped = 0;
void note_stop(int /*number*/) {
    stopped = 1;
}

double clock_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// "17 123456789 queue-error queue=3 client=12 ..."
std::vector<Event> parse(const std::string& text) {
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
        {"too-many-recoveries", "it failed again and again"}};
    const auto found = meanings.find(word);
    return found == meanings.end() ? word : found->second;
}

// The value of a field; "?" if the event has none.
std::string field(const Event& event, const char* name) {
    const auto found = event.fields.find(name);
    return found == event.fields.end() ? "?" : found->second;
}

// The process that an event names, as a part of a sentence.
std::string by_process(const Event& event) {
    const std::string pid = field(event, "pid");
    return pid == "?" || pid == "0" ? "" : "; process " + pid + " caused it";
}

std::string explain_queue_event(const Event& event) {
    const std::string queue =
        fmt::format("queue {} of process {}", field(event, "queue"), field(event, "pid"));
    if (event.name == "queue-error") {
        const auto status = parse_number<std::uint32_t>(field(event, "status"));
        return queue + " stopped: " +
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

// The meaning of an event, for people.
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
        return "the card did not start, error " + field(event, "error");
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
        return "the driver made a dump (" + field(event, "cause") +
               "); 'accelctl coredump' explains it";
    }
    if (event.name == "coredump-kept") {
        return "there is no dump of this failure (" + field(event, "cause") +
               "), because the one of an earlier failure was still there";
    }
    if (event.name == "refused") {
        return "the card refused to end an access to memory; the driver resets it";
    }
    if (event.name == "transfer-hung") {
        return "a read() or write() made no progress; its caller got EIO";
    }
    if (event.name == "setting") {
        return fmt::format("process {} set {} to {}", field(event, "pid"), field(event, "name"),
                           field(event, "value"));
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

std::string time_text(double seconds) {
    const auto whole = static_cast<std::time_t>(seconds);
    std::tm local{};
    ::localtime_r(&whole, &local);
    std::array<char, 32> text{};
    (void)std::strftime(text.data(), text.size(), "%F %T", &local);
    return fmt::format("{}.{:03d}", text.data(),
                       static_cast<int>((seconds - static_cast<double>(whole)) * 1e3));
}

// The event log of one card.
class EventLog {
  public:
    EventLog(const SystemRoot& root, const Card& card) : card_(card) {
        const std::string path = card.folder() + "/events";
        fd_ = ::open(root.real(path).c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0 && errno == ENOENT) {
            throw Failure(Exit::unsupported,
                          fmt::format("the driver of {} keeps no events: it is older than this "
                                      "tool",
                                      card.name()),
                          "update the driver to the version of the tools");
        }
        if (fd_ < 0) {
            const int error = errno;
            throw Failure(exit_of(static_cast<std::errc>(error)),
                          "cannot read " + path + ": " + std::generic_category().message(error));
        }
    }
    EventLog(const EventLog&) = delete;
    EventLog& operator=(const EventLog&) = delete;
    EventLog(EventLog&& other) noexcept
        : card_(std::move(other.card_)),
          fd_(std::exchange(other.fd_, -1)),
          last_(other.last_),
          gone_(other.gone_) {}
    EventLog& operator=(EventLog&&) = delete;
    ~EventLog() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    [[nodiscard]] const Card& card() const { return card_; }
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool gone() const { return gone_; }

    // The new events. `lost` gets the number of events between these that were overwritten.
    std::vector<Event> take(std::uint64_t& lost) {
        std::string text;
        std::array<char, 8192> part{};
        ssize_t got = 0;
        off_t at = 0;
        while ((got = ::pread(fd_, part.data(), part.size(), at)) > 0) {
            text.append(part.data(), static_cast<std::size_t>(got));
            at += got;
        }
        gone_ = got < 0;
        std::vector<Event> events = parse(text);
        std::erase_if(events, [&](const Event& event) { return event.sequence <= last_; });
        lost = 0;
        for (const Event& event : events) {
            lost += event.sequence - last_ - 1;
            last_ = event.sequence;
        }
        return events;
    }

  private:
    Card card_;
    int fd_ = -1;
    std::uint64_t last_ = 0;
    bool gone_ = false;
};

void print(const Program& program, const Card& card, const Event& event) {
    if (program.json()) {
        Json fields = Json::object();
        for (const auto& [name, value] : event.fields) {
            const auto number = parse_number<std::int64_t>(value);
            fields[name] = number ? Json(*number) : Json(value);
        }
        program.print_json("accelctl.event/1",
                           {{"address", card.address},
                            {"node", card.name()},
                            {"sequence", event.sequence},
                            {"time", event.time},
                            {"event", event.name},
                            {"fields", fields}},
                           true);
        return;
    }
    const bool fine = event.name == "started";
    std::cout << fmt::format("{}  {}  {}  {}\n", time_text(event.time), card.name(),
                             program.terminal().paint(fine ? Color::good : Color::warning,
                                                      fmt::format("{:<13}", event.name)),
                             explain_event(event))
              << std::flush;
}

// The new events of all cards, in the order of their times.
std::vector<std::pair<Card, Event>> new_events(std::vector<EventLog>& logs, bool first) {
    std::vector<std::pair<Card, Event>> events;
    for (EventLog& log : logs) {
        std::uint64_t lost = 0;
        for (Event& event : log.take(lost)) {
            events.emplace_back(log.card(), std::move(event));
        }
        // Before the first read, the log may have been overwritten many times.
        if (lost > 0 && !first) {
            std::cerr << fmt::format("accelctl: {}: {} events were lost: they came too fast\n",
                                     log.card().name(), lost);
        }
    }
    std::stable_sort(events.begin(), events.end(),
                     [](const auto& a, const auto& b) { return a.second.time < b.second.time; });
    return events;
}

// Reports the cards that are gone, and drops their logs.
void drop_gone(std::vector<EventLog>& logs) {
    std::vector<EventLog> rest;
    for (EventLog& log : logs) {
        if (log.gone()) {
            std::cerr << fmt::format("accelctl: {} ({}) is gone\n", log.card().name(),
                                     log.card().address);
        } else {
            rest.push_back(std::move(log));
        }
    }
    logs = std::move(rest);
}

void wait_for_events(const std::vector<EventLog>& logs) {
    std::vector<pollfd> fds;
    fds.reserve(logs.size());
    for (const EventLog& log : logs) {
        fds.push_back({.fd = log.fd(), .events = POLLPRI | POLLERR, .revents = 0});
    }
    // The removal of a file does not wake poll(), so the wait is short.
    ::poll(fds.data(), fds.size(), 500);
}

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = note_stop;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

Exit events(const Program& program, const EventOptions& options) {
    const SystemRoot root = program.root();
    std::vector<EventLog> logs;
    for (const Card& card : select_cards(root, options.card)) {
        if (card.node) {
            logs.emplace_back(root, card);
        }
    }
    if (logs.empty()) {
        if (!options.follow && options.card.empty()) {
            return Exit::ok;  // no card, and so no events
        }
        throw Failure(Exit::no_card, "no card with a driver to follow",
                      "'accelctl doctor' looks for the reason");
    }
    catch_signals();
    const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
    unsigned printed = 0;
    for (bool first = true;; first = false) {
        for (const auto& [card, event] : new_events(logs, first)) {
            print(program, card, event);
            if (options.count != 0 && ++printed >= options.count) {
                return Exit::ok;
            }
        }
        drop_gone(logs);
        const bool over = options.seconds > 0 && Clock::now() >= end;
        if (!options.follow || over || stopped != 0) {
            return Exit::ok;
        }
        if (logs.empty()) {
            throw Failure(Exit::card, "every card to follow is gone");
        }
        wait_for_events(logs);
    }
}

}  // namespace

void add_events(Program& program) {
    auto [command, options] = add_command<EventOptions>(
        program, "events", "Print the event log: resets, errors, heat", events);
    command.set_footer(
        "Each card keeps its last 16 events and the last 16 queue errors. With --json each event "
        "is a document on a line of its own.");
    add_card(command, options->card, all_cards);
    command.add_flag({.name = "-f,--follow", .help = "Print new events as they happen"},
                     options->follow);
    command.add_option({.name = "--duration",
                        .help = "Exit after this time; with --follow",
                        .value = "SECONDS",
                        .positive = true},
                       options->seconds);
    command.add_option({.name = "-n,--count",
                        .help = "Exit after this number of events",
                        .value = "N",
                        .bounds = Bounds{1, 1e6}},
                       options->count);
    program.add_json(command);
}

}  // namespace accel::tools
