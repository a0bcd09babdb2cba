// SPDX-License-Identifier: Apache-2.0
//
// accelctl reset: resets one queue, or the whole PCI function. The kernel may take long, or never
// return; so a child process writes to sysfs, and the parent waits for it with a time limit.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>
#include <thread>

#include "clients.hpp"
#include "commands.hpp"
#include "emulated.hpp"
#include "json.hpp"
#include "status.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Clock = std::chrono::steady_clock;

struct ResetOptions {
    std::string card;
    std::optional<unsigned> queue;
    bool yes = false;
    double timeout = 60;
};

// Writes to a sysfs file in a child process. Returns 0, an errno, or nothing if the time limit
// passed; the child then lives until the kernel returns.
std::optional<int> write_within(const std::string& path, const std::string& text, double seconds,
                                const std::string& what) {
    std::cout << std::flush;
    const pid_t child = ::fork();
    if (child < 0) {
        return errno;
    }
    if (child == 0) {
        // Ctrl-C must not reach the child: a reset that has begun should finish. And a reader of
        // the parent's output must not wait for the child.
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

std::string describe(const Client& client) {
    return fmt::format("{} (pid {}, {})", client.name, client.pid, client.user);
}

void confirm(const std::vector<Client>& affected, const std::string& what, bool yes) {
    if (affected.empty() || yes) {
        return;
    }
    if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) {
        std::cout << "Continue? [y/N] " << std::flush;
        std::string answer;
        std::getline(std::cin, answer);
        if (answer == "y" || answer == "yes") {
            return;
        }
        throw Failure(Exit::failed, "nothing was reset");
    }
    throw Failure(Exit::usage, what + " is in use; nothing was reset",
                  "give --yes to reset it all the same");
}

[[noreturn]] void refuse(int error, const std::string& path) {
    switch (error) {
        case EACCES:
        case EPERM:
            throw Failure(Exit::permission, "a reset is root's: cannot write " + path,
                          "run: sudo accelctl reset ...");
        case ENOENT:
        case ENODEV:
            throw Failure(
                Exit::card, "the card is gone",
                "'accelctl events' shows what happened to the other cards; reseat this one");
        case ENOTTY:
        case EINVAL:
            throw Failure(Exit::unsupported,
                          "the kernel knows no way to reset this card (" + path + ")");
        default:
            throw Failure(
                Exit::card,
                fmt::format("the reset failed: {}", std::generic_category().message(error)),
                "'dmesg' shows the kernel's messages; 'accelctl doctor' looks for the reason");
    }
}

void report(const Program& program, const Card& card, const ResetOptions& options,
            const std::vector<Client>& affected, double seconds) {
    const std::string action = options.queue ? fmt::format("queue {} was stopped", *options.queue)
                                             : std::string("function was reset");
    if (!program.json()) {
        std::cout << fmt::format("{}: {} in {:.1f} s\n", card.name(), action, seconds);
        return;
    }
    Json document{{"address", card.address},
                  {"scope", options.queue ? "queue" : "function"},
                  {"queue", options.queue ? Json(*options.queue) : Json(nullptr)},
                  {"seconds", seconds},
                  {"affected", Json::array()}};
    for (const Client& client : affected) {
        document["affected"].push_back(to_json(client));
    }
    program.print_json("accelctl.reset/1", document);
}

Exit reset_queue(const Program& program, const SystemRoot& root, const Card& card,
                 const ResetOptions& options) {
    if (!card.node) {
        throw Failure(Exit::unsupported, card.address + " has no driver, so it has no queues",
                      "'accelctl doctor' looks for the reason");
    }
    const std::vector<Client> all = find_clients(root).of_card(card.address);
    std::vector<Client> affected;
    std::string list;
    for (const Client& client : all) {
        for (const ClientQueue& queue : client.queues) {
            list += fmt::format("{}{} of {}", list.empty() ? "" : ", ", queue.id, describe(client));
            if (queue.id == *options.queue) {
                affected.push_back(client);
                if (!program.json()) {
                    std::cout << fmt::format(
                        "Queue {} belongs to {}: {}. The process can then reset the queue and "
                        "continue.\n",
                        queue.id, describe(client),
                        queue.pending == 0
                            ? "no job is pending"
                            : "its " + plural(queue.pending, "pending job") + " will fail");
                }
            }
        }
    }
    confirm(affected, fmt::format("queue {}", *options.queue), options.yes);
    const std::string path = root.real(card.folder() + "/stop_queue");
    const auto start = Clock::now();
    const auto error =
        write_within(path, std::to_string(*options.queue), options.timeout, "Stopping the queue");
    const std::chrono::duration<double> taken = Clock::now() - start;
    if (!error) {
        throw Failure(
            Exit::timeout,
            fmt::format("no answer after {:g} s; the kernel still tries", options.timeout),
            "a card that does not stop a queue needs a function reset: "
            "'accelctl reset " +
                card.name() + "'");
    }
    if (*error == ENOENT && root.exists(card.folder())) {
        throw Failure(Exit::usage,
                      fmt::format("no process has queue {} of {}", *options.queue, card.name()),
                      list.empty() ? "the card has no queues" : "its queues: " + list);
    }
    if (*error == EIO) {
        throw Failure(Exit::card, "the card does not answer",
                      "reset the function: 'accelctl reset " + card.name() + "'");
    }
    if (*error != 0 && *error != EALREADY) {
        refuse(*error, path);
    }
    report(program, card, options, affected, taken.count());
    return Exit::ok;
}

Exit reset_function(const Program& program, const SystemRoot& root, const Card& card,
                    const ResetOptions& options) {
    std::vector<Client> affected = find_clients(root).of_card(card.address);
    // A context that has ended has nothing to lose.
    std::erase_if(affected, [](const Client& client) { return client.state != "running"; });
    if (!program.json()) {
        for (const Client& client : affected) {
            std::cout << fmt::format(
                "{} will lose its context{}: its calls fail with ESTALE until it opens the card "
                "again.\n",
                describe(client),
                client.queues.empty() ? "" : " with " + plural(client.queues.size(), "queue"));
        }
    }
    confirm(affected, card.name(), options.yes);
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
        throw Failure(
            Exit::timeout,
            fmt::format("the reset of {} is not over after {:g} s; the kernel goes on, "
                        "and accepts no other reset until then",
                        card.name(), options.timeout),
            "'accelctl events -f' shows its end; if it never ends, power the machine off");
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
                "as root, bind its driver again: " + rebind_command(card) + "; " + power_off_step);
        }
        if (before.generation && after.generation && *after.generation <= *before.generation) {
            throw Failure(Exit::card, "the driver did not notice the reset",
                          "its generation did not change; 'dmesg' shows the kernel's messages");
        }
    }
    report(program, card, options, affected, taken.count());
    return Exit::ok;
}

Exit reset(const Program& program, const ResetOptions& options) {
    const SystemRoot root = program.root();
    const Card card = select_card(root, name_or_environment(root, options.card));
    require_real_card(card, "accelctl reset");
    return options.queue ? reset_queue(program, root, card, options)
                         : reset_function(program, root, card, options);
}

}  // namespace

void add_reset(Program& program) {
    auto [command, options] =
        add_command<ResetOptions>(program, "reset", "Reset a card, or one queue of it", reset);
    command.set_footer(
        "A function reset destroys the contexts of every process; each process must then open the "
        "card again. With --queue, only one queue is stopped: its jobs fail, and its owner can "
        "reset it and continue. Both need root. If processes use the card, their names are "
        "printed, and the command asks first or requires --yes.");
    add_card(command, options->card, only_card);
    command.add_option({.name = "--queue",
                        .help = "Stop only this queue, by its number in 'accelctl top'",
                        .value = "N"},
                       options->queue);
    command.add_flag({.name = "-y,--yes", .help = "Do not ask, even if processes are affected"},
                     options->yes);
    command.add_option({.name = "--timeout",
                        .help = "Stop waiting after this time (default 60)",
                        .value = "SECONDS",
                        .bounds = Bounds{0.1, 3600}},
                       options->timeout);
    program.add_json(command);
}

}  // namespace accel::tools
