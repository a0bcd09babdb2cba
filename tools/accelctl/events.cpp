// SPDX-License-Identifier: Apache-2.0
//
// accelctl events: what happened to the cards, and what happens.
#include <fcntl.h>
#include <fmt/format.h>
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
#include <nlohmann/json.hpp>
#include <sstream>

#include "accel/error.hpp"
#include "card.hpp"
#include "commands.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;
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

// What it means, for people.
std::string explain_event(const Event& event) {
    const auto field = [&](const char* name) {
        const auto found = event.fields.find(name);
        return found == event.fields.end() ? std::string("?") : found->second;
    };
    if (event.name == "started") {
        return "the card runs";
    }
    if (event.name == "start-failed") {
        return "the card did not start, error " + field("error");
    }
    if (event.name == "stopped") {
        return "reset, suspend or an error of the link: open files ended";
    }
    if (event.name == "gone") {
        return "the card is gone, or its driver is being unbound";
    }
    if (event.name == "queue-error") {
        const auto status = parse_number<std::uint32_t>(field("status"));
        return fmt::format("queue {} of process {} stopped: {}", field("queue"), field("pid"),
                           status ? explain(static_cast<CardStatus>(*status)) : "?");
    }
    if (event.name == "queue-stopped") {
        return fmt::format("queue {} of process {} was stopped by an administrator", field("queue"),
                           field("pid"));
    }
    if (event.name == "hot") {
        const auto heat = parse_number<int>(field("millidegrees"));
        return fmt::format("the card is hot ({} C) and lowers its clock", heat ? *heat / 1000 : 0);
    }
    if (event.name == "failed") {
        return "the card failed: reset it ('accelctl reset')";
    }
    if (event.name == "unresponsive") {
        return "the card does not answer the driver: reset it ('accelctl reset')";
    }
    if (event.name == "link-error") {
        return "uncorrectable error of the link (" + field("severity") + "): all files end";
    }
    if (event.name == "bad-doorbell") {
        return "a doorbell of queue " + field("queue") + ", which is none";
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

class Source {
  public:
    Source(const Root& root, const Card& card) : card_(card) {
        const std::string path = card.folder() + "/events";
        fd_ = ::open(root.real(path).c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0 && errno == ENOENT) {
            throw Failure(Exit::unsupported,
                          fmt::format("the driver of {} keeps no events: it is older than this "
                                      "tool",
                                      card.name()));
        }
        if (fd_ < 0) {
            throw Failure(exit_of(static_cast<std::errc>(errno)), "cannot read " + path);
        }
    }
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    Source(Source&& other) noexcept
        : card_(std::move(other.card_)),
          fd_(std::exchange(other.fd_, -1)),
          last_(other.last_),
          gone_(other.gone_) {}
    Source& operator=(Source&&) = delete;
    ~Source() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    [[nodiscard]] const Card& card() const { return card_; }
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool gone() const { return gone_; }

    // What is new, and how many events before that were lost.
    std::vector<Event> take(std::uint64_t& lost) {
        std::string text;
        std::array<char, 8192> piece{};
        ssize_t got = 0;
        off_t at = 0;
        while ((got = ::pread(fd_, piece.data(), piece.size(), at)) > 0) {
            text.append(piece.data(), static_cast<std::size_t>(got));
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
                             program.terminal().paint(fine ? Colour::good : Colour::warning,
                                                      fmt::format("{:<13}", event.name)),
                             explain_event(event))
              << std::flush;
}

Exit events(const Program& program, const EventOptions& options) {
    const Root root = program.root();
    std::vector<Source> sources;
    for (const Card& card : select_cards(root, options.card)) {
        if (card.node) {
            sources.emplace_back(root, card);
        }
    }
    if (sources.empty()) {
        if (!options.follow && options.card.empty()) {
            return Exit::ok;  // nothing happened to no card
        }
        throw Failure(Exit::no_card, "there is no card with a driver to follow",
                      "'accelctl doctor' looks for the reason");
    }
    struct sigaction action {};
    action.sa_handler = note_stop;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
    unsigned printed = 0;
    bool first = true;
    for (;;) {
        std::vector<std::pair<Card, Event>> news;
        for (Source& source : sources) {
            std::uint64_t lost = 0;
            for (Event& event : source.take(lost)) {
                news.emplace_back(source.card(), std::move(event));
            }
            if (lost > 0 && !first) {
                std::cerr << fmt::format("accelctl: {}: {} events came too fast and are lost\n",
                                         source.card().name(), lost);
            }
        }
        std::stable_sort(news.begin(), news.end(), [](const auto& a, const auto& b) {
            return a.second.time < b.second.time;
        });
        for (const auto& [card, event] : news) {
            print(program, card, event);
            if (options.count != 0 && ++printed >= options.count) {
                return Exit::ok;
            }
        }
        for (const Source& source : sources) {
            if (source.gone()) {
                std::cerr << fmt::format("accelctl: {} ({}) is gone\n", source.card().name(),
                                         source.card().address);
            }
        }
        first = false;
        std::vector<Source> rest;
        for (Source& source : sources) {
            if (!source.gone()) {
                rest.push_back(std::move(source));
            }
        }
        sources = std::move(rest);
        const bool over = options.seconds > 0 && Clock::now() >= end;
        if (!options.follow || over || stopped != 0) {
            return Exit::ok;
        }
        if (sources.empty()) {
            throw Failure(Exit::card, "no card is left to follow");
        }
        std::vector<pollfd> fds;
        fds.reserve(sources.size());
        for (const Source& source : sources) {
            fds.push_back({.fd = source.fd(), .events = POLLPRI | POLLERR, .revents = 0});
        }
        // A file that vanishes wakes nobody: look now and then.
        ::poll(fds.data(), fds.size(), 500);
    }
}

}  // namespace

void add_events(Program& program) {
    auto [command, options] = add_command<EventOptions>(
        program, "events", "What happened to the cards: resets, errors, heat", events);
    command->footer(
        "Each card keeps its last 16 events and the last 16 errors of queues. With "
        "--json each event is a document in a line of its own.");
    add_card(*command, options->card, "otherwise all cards");
    command->add_flag("-f,--follow", options->follow, "Go on, and print what happens");
    command->add_option("--for", options->seconds, "With --follow: end after so long")
        ->check(CLI::PositiveNumber)
        ->type_name("SECONDS");
    command->add_option("-n,--count", options->count, "End after so many events")
        ->check(CLI::Range(1U, 1000000U))
        ->type_name("N");
    program.add_json(*command);
}

}  // namespace accel::tools
