// SPDX-License-Identifier: Apache-2.0
//
// accelctl reset: a queue, or the whole function. The kernel may take its time, or never come back;
// so the write is a child's, and whoever waits for it has a limit.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "commands.hpp"
#include "holders.hpp"
#include "status.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct ResetOptions {
    std::string card;
    std::optional<unsigned> queue;
    bool yes = false;
    double timeout = 60;
};

// Writes to a file of sysfs in a child. The errno, 0, or nothing when the time is up: the child
// then goes on for as long as the kernel does.
std::optional<int> write_within(const std::string& path, const std::string& text, double seconds,
                                const std::string& what) {
    std::cout << std::flush;
    const pid_t child = ::fork();
    if (child < 0) {
        return errno;
    }
    if (child == 0) {
        // Ctrl-C is the parent's: a reset that has begun is better finished. And who reads the
        // parent's output must not wait for this one.
        ::setpgid(0, 0);
        for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
            ::close(stream);
        }
        const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        const bool written =
            fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
        ::_exit(written ? 0 : errno & 0xff);
    }
    Progress progress(what);
    const auto start = Clock::now();
    for (;;) {
        int status = 0;
        if (::waitpid(child, &status, WNOHANG) == child) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
        }
        const std::chrono::duration<double> passed = Clock::now() - start;
        if (passed.count() > seconds) {
            return std::nullopt;
        }
        progress.update(passed.count() / seconds, fmt::format("{:.0f} s", passed.count()));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

std::string describe(const Holder& holder) {
    return fmt::format("{} (pid {}, {})", holder.name, holder.pid, holder.user);
}

void confirm(const std::vector<Holder>& hurt, const std::string& what, bool yes) {
    if (hurt.empty() || yes) {
        return;
    }
    if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) {
        std::cout << "Go on? [y/N] " << std::flush;
        std::string answer;
        std::getline(std::cin, answer);
        if (answer == "y" || answer == "yes") {
            return;
        }
        throw Failure(Exit::failed, "nothing was reset");
    }
    throw Failure(Exit::usage, what + " is in use; nothing was reset",
                  "give --yes to do it all the same");
}

[[noreturn]] void refuse(int error, const std::string& path) {
    switch (error) {
        case EACCES:
        case EPERM:
            throw Failure(Exit::permission, "a reset is root's: " + path + " cannot be written",
                          "sudo accelctl reset ...");
        case ENOENT:
        case ENODEV:
            throw Failure(Exit::card, "the card is gone");
        case ENOTTY:
        case EINVAL:
            throw Failure(Exit::unsupported,
                          "the kernel knows no way to reset this card (" + path + ")");
        default:
            throw Failure(
                Exit::card,
                fmt::format("the reset failed: {}", std::generic_category().message(error)),
                "dmesg has what the kernel says; 'accelctl doctor' looks further");
    }
}

void report(const Program& program, const Card& card, const ResetOptions& options,
            const std::vector<Holder>& hurt, double seconds) {
    const std::string scope =
        options.queue ? fmt::format("queue {}", *options.queue) : std::string("function");
    if (!program.json()) {
        std::cout << fmt::format("{}: {} was reset in {:.1f} s\n", card.name(), scope, seconds);
        return;
    }
    Json document{{"address", card.address},
                  {"scope", options.queue ? "queue" : "function"},
                  {"queue", options.queue ? Json(*options.queue) : Json(nullptr)},
                  {"seconds", seconds},
                  {"hurt", Json::array()}};
    for (const Holder& holder : hurt) {
        document["hurt"].push_back(to_json(holder));
    }
    program.print_json("accelctl.reset/1", document);
}

Exit reset_queue(const Program& program, const Root& root, const Card& card,
                 const ResetOptions& options) {
    if (!card.node) {
        throw Failure(Exit::unsupported, card.address + " has no driver, so it has no queues");
    }
    const std::vector<Holder> all = find_holders(root).of(card.address);
    std::vector<Holder> hurt;
    std::string list;
    for (const Holder& holder : all) {
        for (const QueueUse& queue : holder.queues) {
            list += fmt::format("{}{} of {}", list.empty() ? "" : ", ", queue.id, describe(holder));
            if (queue.id == *options.queue) {
                hurt.push_back(holder);
                if (!program.json()) {
                    std::cout << fmt::format(
                        "Queue {} is of {}: its {} pending jobs fail, and it "
                        "can reset the queue and go on.\n",
                        queue.id, describe(holder), queue.pending);
                }
            }
        }
    }
    confirm(hurt, fmt::format("queue {}", *options.queue), options.yes);
    const std::string path = root.real(card.folder() + "/stop_queue");
    const auto start = Clock::now();
    const auto error =
        write_within(path, std::to_string(*options.queue), options.timeout, "Stopping the queue");
    const std::chrono::duration<double> taken = Clock::now() - start;
    if (!error) {
        throw Failure(
            Exit::timeout,
            fmt::format("no answer after {:g} s; the kernel goes on trying", options.timeout),
            "a card that does not stop a queue needs a reset of the function: "
            "'accelctl reset " +
                card.name() + "'");
    }
    if (*error == ENOENT && root.exists(card.folder())) {
        throw Failure(Exit::usage,
                      fmt::format("no process has queue {} of {}", *options.queue, card.name()),
                      list.empty() ? "there are none" : "there are: " + list);
    }
    if (*error == EIO) {
        throw Failure(Exit::card, "the card does not answer",
                      "reset the function: 'accelctl reset " + card.name() + "'");
    }
    if (*error != 0 && *error != EALREADY) {
        refuse(*error, path);
    }
    report(program, card, options, hurt, taken.count());
    return Exit::ok;
}

Exit reset_function(const Program& program, const Root& root, const Card& card,
                    const ResetOptions& options) {
    const std::vector<Holder> hurt = find_holders(root).of(card.address);
    if (!program.json()) {
        for (const Holder& holder : hurt) {
            std::cout << fmt::format(
                "{} loses what it has on the card: {} queues; its calls fail "
                "with ESTALE until it opens the card again.\n",
                describe(holder), holder.queues.size());
        }
    }
    confirm(hurt, card.name(), options.yes);
    const Status before = read_status(root, card);
    const std::string path = root.real(card.pci() + "/reset");
    if (!root.exists(card.pci() + "/reset")) {
        throw Failure(Exit::unsupported, "the kernel knows no way to reset this card",
                      root.exists(card.pci()) ? "" : "the card is gone");
    }
    const auto start = Clock::now();
    const auto error = write_within(path, "1", options.timeout, "Resetting " + card.name());
    const std::chrono::duration<double> taken = Clock::now() - start;
    if (!error) {
        throw Failure(Exit::timeout,
                      fmt::format("the reset of {} is not over after {:g} s; the kernel goes on, "
                                  "and nothing else can be done meanwhile",
                                  card.name(), options.timeout),
                      "'accelctl events -f' says how it ends; then perhaps a cold boot is left");
    }
    if (*error != 0) {
        refuse(*error, path);
    }
    if (card.node) {
        const Status after = read_status(root, card);
        if (after.state != "running" && after.state != "throttled") {
            throw Failure(
                Exit::card,
                fmt::format("the card did not come back from its reset: it is {}", after.state),
                "try the slot: echo 1 > /sys/bus/pci/devices/" + card.address +
                    "/remove; echo 1 > /sys/bus/pci/rescan. Else power is to be cut");
        }
        if (before.generation && after.generation && *after.generation <= *before.generation) {
            throw Failure(Exit::card, "the driver did not notice the reset");
        }
    }
    report(program, card, options, hurt, taken.count());
    return Exit::ok;
}

Exit reset(const Program& program, const ResetOptions& options) {
    const Root root = program.root();
    const Card card = select_card(root, options.card);
    return options.queue ? reset_queue(program, root, card, options)
                         : reset_function(program, root, card, options);
}

}  // namespace

void add_reset(Program& program) {
    auto [command, options] = add_command<ResetOptions>(
        program, "reset", "Reset a card, or one queue of it; says who is hurt", reset);
    command->footer(
        "The reset of a function ends what every process has on the card; theirs to do is to open "
        "it again. With --queue, one queue alone is stopped: its jobs fail, and its owner can "
        "reset it and go on. Both are root's. When others are hurt it asks first, or wants --yes.");
    add_card(*command, options->card, "may be left out when there is one");
    command
        ->add_option("--queue", options->queue,
                     "Only this queue, by the number that 'accelctl top' shows")
        ->type_name("N");
    command->add_flag("-y,--yes", options->yes, "Do not ask, also when processes are hurt");
    command->add_option("--timeout", options->timeout, "Give up waiting after so long (default 60)")
        ->check(CLI::Range(0.1, 3600.0))
        ->type_name("SECONDS");
    program.add_json(*command);
}

}  // namespace accel::tools
