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

#include "card.hpp"
#include "commands.hpp"
#include "emulated.hpp"
#include "event_text.hpp"
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

volatile std::sig_atomic_t stopped = 0;
void note_stop(int /*number*/) {
    stopped = 1;
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
        std::vector<Event> events = parse_events(text);
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

Json to_json(const Card& card, const Event& event) {
    Json fields = Json::object();
    for (const auto& [name, value] : event.fields) {
        const auto number = parse_number<std::int64_t>(value);
        fields[name] = number ? Json(*number) : Json(value);
    }
    return {{"address", card.address}, {"node", card.name()}, {"sequence", event.sequence},
            {"time", event.time},      {"event", event.name}, {"fields", fields}};
}

void print(const Program& program, const Card& card, const Event& event) {
    if (program.json()) {
        program.print_json("accelctl.event/1", to_json(card, event), true);
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

// All events there are, as one document.
Exit print_document(const Program& program, std::vector<EventLog>& logs, unsigned count) {
    Json all = Json::array();
    for (const auto& [card, event] : new_events(logs, true)) {
        if (count == 0 || all.elements().size() < count) {
            all.push_back(to_json(card, event));
        }
    }
    program.print_json("accelctl.events/1", {{"events", std::move(all)}});
    return Exit::ok;
}

Exit events(const Program& program, const EventOptions& options) {
    const SystemRoot root = program.root();
    std::vector<EventLog> logs;
    const std::string name = name_or_environment(root, options.card);
    for (const Card& card : select_cards(root, name)) {
        require_real_card(card, "accelctl events");
        if (!name.empty()) {
            require_driver(card);
        }
        if (card.node) {
            logs.emplace_back(root, card);
        }
    }
    if (logs.empty()) {
        if (!options.follow && name.empty()) {
            if (program.json()) {
                return print_document(program, logs, options.count);
            }
            std::cout << "No card with a driver, and so no events. 'accelctl doctor' looks for the "
                         "reason.\n";
            return Exit::ok;
        }
        throw Failure(Exit::no_card, "no card with a driver to follow",
                      "'accelctl doctor' looks for the reason");
    }
    if (program.json() && !options.follow) {
        return print_document(program, logs, options.count);
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
        "Each card keeps its last 16 events and the last 16 queue errors. --json prints one "
        "document, and with --follow a document for each event on a line of its own.");
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
