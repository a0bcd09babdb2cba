// SPDX-License-Identifier: Apache-2.0
//
// accelctl top: the activity of the cards, live. A terminal gets a screen with keys, a file gets
// one frame after another, and --json prints one document per line.
#include <fmt/core.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <iostream>
#include <set>

#include "commands.hpp"
#include "emulated.hpp"
#include "history.hpp"
#include "json.hpp"
#include "sampler.hpp"
#include "screen.hpp"
#include "snapshot.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Clock = std::chrono::steady_clock;
constexpr double min_interval = 0.1;  // seconds
constexpr double max_interval = 60;
// A snapshot that is later than its interval by this much is reported as missing.
constexpr std::chrono::seconds silence_limit{2};

struct TopOptions {
    std::string card;
    double interval = 1;
    unsigned count = 0;
    bool once = false;
    std::string sort = "compute";
};

volatile std::sig_atomic_t stop_signal = 0;
void note_signal(int number) {
    stop_signal = number;
}

// Puts the terminal into raw mode and on its alternate screen; the destructor restores both.
class RawTerminal {
  public:
    RawTerminal() {
        ::tcgetattr(STDIN_FILENO, &before_);
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        std::cout << "\x1b[?1049h\x1b[?25l" << std::flush;
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    RawTerminal(RawTerminal&&) = delete;
    RawTerminal& operator=(RawTerminal&&) = delete;
    ~RawTerminal() {
        std::cout << "\x1b[?25h\x1b[?1049l" << std::flush;
        ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }

  private:
    termios before_{};
};

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = note_signal;
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) {
        ::sigaction(number, &action, nullptr);
    }
}

bool ends(int number) {
    return number == SIGINT || number == SIGTERM || number == SIGHUP;
}

SortKey sort_key(std::string_view name) {
    for (std::size_t i = 0; i < std::size(sort_names); ++i) {
        if (sort_names[i] == name) {
            return static_cast<SortKey>(i);
        }
    }
    return SortKey::compute;
}

std::string time_text(double seconds) {
    const auto whole = static_cast<std::time_t>(seconds);
    std::tm local{};
    ::localtime_r(&whole, &local);
    std::array<char, 16> text{};
    (void)std::strftime(text.data(), text.size(), "%H:%M:%S", &local);
    return text.data();
}

// Remembers the cards of all frames, to find those that are gone.
class RemovedCards {
  public:
    std::vector<std::string> update(const Json& document) {
        std::set<std::string> now;
        for (const Json& card : document.at("cards").elements()) {
            now.insert(card.at("address").text());
        }
        seen_.insert(now.begin(), now.end());
        std::vector<std::string> gone;
        std::set_difference(seen_.begin(), seen_.end(), now.begin(), now.end(),
                            std::back_inserter(gone));
        return gone;
    }

  private:
    std::set<std::string> seen_;
};

std::vector<std::string> frame(const Json& document, RemovedCards& removed, SortKey sort,
                               const Terminal& terminal, int columns) {
    std::vector<std::string> lines;
    for (const std::string& address : removed.update(document)) {
        lines.push_back(terminal.paint(
            Color::bad, fmt::format("{} is gone: the card or its driver was removed", address)));
    }
    for (std::string& line : render(document, sort, terminal, columns)) {
        lines.push_back(std::move(line));
    }
    return lines;
}

// The interactive screen. It waits for keys, snapshots and the clock, but never for a card.
class Screen {
  public:
    Screen(const Program& program, const TopOptions& options)
        : root_(program.root()),
          terminal_(program.terminal()),
          card_(options.card),
          interval_(options.interval),
          sort_(sort_key(options.sort)) {
        restart();
    }

    Exit run() {
        const RawTerminal raw;
        catch_signals();
        while (!quit_) {
            std::array<pollfd, 2> fds{{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                                       {.fd = sampler_->fd(), .events = POLLIN, .revents = 0}}};
            const int ready = ::poll(fds.data(), fds.size(), 250);
            if (ends(stop_signal)) {
                break;
            }
            if (ready > 0 && fds[0].revents != 0 && !keys()) {
                break;
            }
            if (auto line = sampler_->take_newest()) {
                arrived_ = Clock::now();
                const Json document = Json::parse(*line);
                history_.add(document);
                if (!paused_) {
                    document_ = document;
                }
            } else if (sampler_->ended()) {
                restart();
            }
            draw();
        }
        return Exit::ok;
    }

  private:
    void restart() {
        sampler_.emplace(root_, card_,
                         std::chrono::milliseconds(static_cast<int>(interval_ * 1000)));
        arrived_ = Clock::now();
    }

    // False at the end of input: the terminal is gone.
    bool keys() {
        std::array<char, 64> typed{};
        const ssize_t got = ::read(STDIN_FILENO, typed.data(), typed.size());
        for (ssize_t i = 0; i < got; ++i) {
            key(typed.at(static_cast<std::size_t>(i)));
        }
        return got > 0;
    }

    void key(char c) {
        constexpr char control_c = 3;
        switch (c) {
            case 'q':
            case 'Q':
            case control_c:
                quit_ = true;
                break;
            case 'c':
                sort_ = SortKey::compute;
                break;
            case 'd':
                sort_ = SortKey::dma;
                break;
            case 'm':
                sort_ = SortKey::memory;
                break;
            case 'p':
                sort_ = SortKey::pid;
                break;
            case 's':
                sort_ = static_cast<SortKey>((static_cast<unsigned>(sort_) + 1) %
                                             std::size(sort_names));
                break;
            case ' ':
                paused_ = !paused_;
                break;
            case '+':
            case '-':
                interval_ = std::clamp(c == '+' ? interval_ / 2 : interval_ * 2, min_interval,
                                       max_interval);
                restart();
                break;
            default:
                break;
        }
    }

    [[nodiscard]] std::string title() const {
        return terminal_.paint(
            Color::faint,
            fmt::format("accelctl top {}  every {:g} s, by {}{}",
                        document_.is_null() ? "" : time_text(document_.at("time").number()),
                        interval_, sort_names[static_cast<std::size_t>(sort_)],
                        paused_ ? ", PAUSED" : ""));
    }

    std::vector<std::string> body(int columns) {
        std::vector<std::string> lines;
        const auto silent = std::chrono::duration_cast<std::chrono::seconds>(
            Clock::now() - arrived_ - std::chrono::milliseconds(static_cast<int>(interval_ * 1e3)));
        if (silent >= silence_limit) {
            lines.push_back(terminal_.paint(
                Color::bad, fmt::format("no answer for {} s: a card hangs or is being reset; the "
                                        "values below are old",
                                        silent.count())));
        }
        if (document_.is_null()) {
            lines.emplace_back("reading ...");
        } else {
            for (std::string& line : frame(document_, removed_, sort_, terminal_, columns)) {
                lines.push_back(std::move(line));
            }
        }
        return lines;
    }

    // The title, the values, graphs in the rows that are free, and the keys in the last row.
    void draw() {
        const Terminal::Size size = Terminal::size();
        const int rows = std::max(size.rows - 2, 0);
        std::vector<std::string> lines = body(size.columns);
        const int free = rows - static_cast<int>(lines.size());
        if (free < 0) {
            lines.resize(static_cast<std::size_t>(std::max(rows - 1, 0)));
            lines.push_back(terminal_.paint(
                Color::faint, fmt::format("... {} more lines: enlarge the terminal", 1 - free)));
        }
        const auto graphs = history_.render(free - 1, size.columns, terminal_);
        if (!graphs.empty()) {
            lines.emplace_back();
            lines.insert(lines.end(), graphs.begin(), graphs.end());
        }
        lines.insert(lines.begin(), title());
        lines.resize(static_cast<std::size_t>(std::max(size.rows - 1, 0)));
        std::string out = "\x1b[H";
        for (const std::string& line : lines) {
            out += clip(line, static_cast<std::size_t>(size.columns)) + "\x1b[K\r\n";
        }
        out += clip(terminal_.paint(Color::faint,
                                    "q quit  s sort (c d m p)  + - interval  space pause"),
                    static_cast<std::size_t>(size.columns)) +
               "\x1b[K";
        std::cout << out << "\x1b[J" << std::flush;
    }

    SystemRoot root_;
    Terminal terminal_;
    std::string card_;
    double interval_;
    SortKey sort_;
    std::optional<Sampler> sampler_;
    Clock::time_point arrived_;
    Json document_;
    History history_;
    RemovedCards removed_;
    bool paused_ = false;
    bool quit_ = false;
};

// Prints frames or documents until their number is reached, or a signal arrives.
Exit stream(const Program& program, const TopOptions& options) {
    catch_signals();
    const Terminal terminal = program.terminal();
    const int columns = Terminal::size().columns;
    const unsigned wanted = options.once ? 1 : options.count;
    Sampler sampler(program.root(), options.card,
                    std::chrono::milliseconds(static_cast<int>(options.interval * 1000)));
    RemovedCards removed;
    auto arrived = Clock::now();
    bool reported = false;
    for (unsigned done = 0; wanted == 0 || done < wanted;) {
        pollfd fd{.fd = sampler.fd(), .events = POLLIN, .revents = 0};
        ::poll(&fd, 1, 500);
        if (ends(stop_signal)) {
            break;
        }
        const auto line = sampler.take_newest();
        if (!line && sampler.ended()) {
            throw Failure(Exit::internal, "the child process that reads the cards has ended");
        }
        if (!line) {
            const std::chrono::duration<double> silent = Clock::now() - arrived;
            if (!reported && silent.count() > options.interval + silence_limit.count()) {
                std::cerr << "accelctl: no answer: a card hangs or is being reset\n";
                reported = true;
            }
            continue;
        }
        arrived = Clock::now();
        reported = false;
        const Json document = Json::parse(*line);
        if (program.json()) {
            program.print_json("accelctl.top/1", document, !options.once);
        } else {
            for (const std::string& text :
                 frame(document, removed, sort_key(options.sort), terminal,
                       terminal.interactive() ? columns : 1000)) {
                std::cout << text << "\n";
            }
            std::cout << (options.once ? "" : "\n") << std::flush;
        }
        if (!std::cout) {
            break;
        }
        ++done;
    }
    return Exit::ok;
}

Exit top(const Program& program, const TopOptions& given) {
    TopOptions options = given;
    options.card = name_or_environment(program.root(), given.card);
    // A card that does not exist is an error now; one that is removed later is shown as gone.
    for (const Card& card : select_cards(program.root(), options.card)) {
        require_real_card(card, "accelctl top");
    }
    const bool screen = !options.once && options.count == 0 && !program.json() &&
                        program.terminal().interactive() && ::isatty(STDIN_FILENO) == 1;
    return screen ? Screen(program, options).run() : stream(program, options);
}

}  // namespace

void add_top(Program& program) {
    auto [command, options] = add_command<TopOptions>(
        program, "top", "Show engines, memory, sensors, traffic and clients, live", top);
    command.set_footer(
        "Keys: q quits; c, d, m and p sort by compute, DMA, memory and process, and s by the next "
        "of them; + and - change the interval; space pauses. A card that does not answer or is "
        "removed is reported on the screen, which stays live.");
    add_card(command, options->card, all_cards);
    command.add_option({.name = "-i,--interval",
                        .help = "Set the time between two snapshots (default 1)",
                        .value = "SECONDS",
                        .bounds = Bounds{min_interval, max_interval}},
                       options->interval);
    command.add_flag({.name = "--once", .help = "Print one frame and exit"}, options->once);
    command.add_option({.name = "-n,--count",
                        .help = "Print this number of frames and exit",
                        .value = "N",
                        .bounds = Bounds{1, 1e6}},
                       options->count);
    command.add_option({.name = "--sort",
                        .help = "Set the order of processes (default compute)",
                        .value = "KEY",
                        .choices = {std::begin(sort_names), std::end(sort_names)}},
                       options->sort);
    program.add_json(command);
}

}  // namespace accel::tools
