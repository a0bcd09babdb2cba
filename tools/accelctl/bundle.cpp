// SPDX-License-Identifier: Apache-2.0
//
// accelctl bundle: collects what a support case needs in one file, with a list of its content.
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "bundle_archive.hpp"
#include "bundle_files.hpp"
#include "card.hpp"
#include "commands.hpp"
#include "json.hpp"
#include "output.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

using Clock = std::chrono::steady_clock;

// A card that hangs must not keep the bundle from being written.
constexpr std::chrono::seconds report_limit{20};

struct BundleOptions {
    std::string output;
};

// A command whose output is a file of the bundle.
struct ReportFile {
    const char* name;
    const char* tool;
    std::vector<std::string> arguments;
};

const std::vector<ReportFile>& report_files() {
    static const std::vector<ReportFile> all{{"info.txt", "accelctl", {"info"}},
                                             {"info.json", "accelctl", {"info", "--json"}},
                                             {"events.txt", "accelctl", {"events"}},
                                             {"events.json", "accelctl", {"events", "--json"}},
                                             {"doctor.txt", "accelctl", {"doctor"}},
                                             {"metrics.txt", "accelctl", {"metrics"}},
                                             {"lsaccel.txt", "lsaccel", {"-vv"}},
                                             {"lsaccel.json", "lsaccel", {"-vv", "--json"}},
                                             {"accelctl-version.txt", "accelctl", {"--version"}},
                                             {"lsaccel-version.txt", "lsaccel", {"--version"}}};
    return all;
}

// The tool beside this program, so that both have one version.
std::string path_of(const char* tool) {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const auto beside = self.parent_path() / tool;
    return !error && std::filesystem::exists(beside, error) ? beside.string() : tool;
}

// Reads until the end or the time limit. False: the limit.
bool read_all(int fd, std::string& text) {
    const auto end = Clock::now() + report_limit;
    std::array<char, 4096> piece{};
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) == 0) {
            return false;
        }
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got <= 0) {
            return true;
        }
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
}

// The output of a command, with its errors.
std::string output_of(const std::string& program, std::vector<std::string> arguments) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return "no pipe\n";
    }
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    arguments.insert(arguments.begin(), program);
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
        pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    pid_t child = 0;
    const int failed =
        ::posix_spawnp(&child, program.c_str(), &actions, nullptr, pointers.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::string text;
    if (failed != 0) {
        text = program + " does not start: " + std::generic_category().message(failed) + "\n";
    } else {
        if (!read_all(ends[0], text)) {
            text += fmt::format("(no answer within {} s)\n", report_limit.count());
            ::kill(child, SIGKILL);
        }
        ::waitpid(child, nullptr, 0);
    }
    ::close(ends[0]);
    return text;
}

// The dumps of failures that the kernel keeps. Their content may be data of users: it is not added.
std::string list_coredumps(const SystemRoot& root) {
    std::string text;
    for (const Card& card : find_cards(root)) {
        if (root.exists(card.pci() + "/devcoredump/data")) {
            text += fmt::format("{}: {}/devcoredump/data\n", card.title(), card.pci());
        }
    }
    return text.empty() ? "There is no dump of a failure.\n"
                        : text +
                              "The dumps themselves are not in this bundle, as they may hold "
                              "data of users. To add one: accelctl coredump > coredump.txt\n";
}

std::string content_list(const BundleArchive& archive, bool kernel_log) {
    std::string text =
        "This bundle describes the accelerator cards of a machine and their driver.\n\n"
        "It has: the output of accelctl and lsaccel (report/), the attributes of the cards and of\n"
        "the ports above them, with the serial numbers of the cards (sys/), versions of kernel,\n"
        "driver and tools, the words of the kernel's command line about the cards, and the names,\n"
        "numbers and users of the processes that hold a card.\n"
        "It has not: the content of any memory, models, inputs, dumps, environment variables,\n"
        "command lines of processes, passwords or keys.\n\n";
    text += kernel_log ? "The kernel's log (dev/kmsg) is cut to lines about driver and cards.\n"
                       : "The kernel's log is missing: only root may read it here.\n";
    text += "Read it: tar -xf FILE && accelctl --root accel-bundle info\n\nFiles:\n";
    for (const std::string& path : archive.paths()) {
        text += path + "\n";
    }
    return text;
}

std::string default_name() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::array<char, 64> text{};
    (void)std::strftime(text.data(), text.size(), "accel-bundle-%Y%m%d-%H%M%S.tar.gz", &local);
    return text.data();
}

Exit bundle(const Program& program, const BundleOptions& options) {
    const std::string output = options.output.empty() ? default_name() : options.output;
    std::ostream& out = summary_stream(output, program.json());
    check_output(output);
    const SystemRoot root = program.root();
    BundleArchive archive("accel-bundle");
    {
        Progress progress("Collecting");
        double done = 0;
        for (const ReportFile& report : report_files()) {
            progress.update(done++ / static_cast<double>(report_files().size()), report.name);
            std::vector<std::string> arguments{"--color", "never"};
            if (!root.own()) {
                arguments.insert(arguments.end(), {"--root", root.real("")});
            }
            arguments.insert(arguments.end(), report.arguments.begin(), report.arguments.end());
            archive.add_file(std::string("report/") + report.name,
                             output_of(path_of(report.tool), std::move(arguments)));
        }
    }
    archive.add_file("report/coredumps.txt", list_coredumps(root));
    add_system_files(root, archive);
    const bool kernel_log = add_kernel_log(root, archive);
    archive.add_file("CONTENT.txt", content_list(archive, kernel_log));
    const std::size_t files = archive.paths().size();
    const std::vector<std::byte> bytes = archive.finish();
    write_output(output, bytes);
    if (program.json()) {
        program.print_json("accelctl.bundle/1", {{"output", output},
                                                 {"files", files},
                                                 {"bytes", bytes.size()},
                                                 {"kernel_log", kernel_log}});
        return Exit::ok;
    }
    out << fmt::format("wrote {}: {}, {}\n", output, plural(files, "file"),
                       human_bytes(bytes.size()))
        << "accel-bundle/CONTENT.txt in it lists what it has. Read it before you send it"
        << (std::filesystem::is_regular_file(output)
                ? fmt::format(":\n  tar -xOf {} accel-bundle/CONTENT.txt\n", shell_word(output))
                : ".\n");
    if (!kernel_log) {
        out << "The kernel's log is missing: run this as root to add its lines about the cards.\n";
    }
    return Exit::ok;
}

}  // namespace

void add_bundle(Program& program) {
    auto [command, options] = add_command<BundleOptions>(
        program, "bundle", "Collect what a support case needs in a tar file", bundle);
    command.set_footer(
        "The file has the output of info, events, doctor, metrics and lsaccel, the attributes of "
        "the cards in sysfs, versions, and the kernel's messages about the driver; no data of "
        "users. Unpacked, 'accelctl --root accel-bundle' reads it again.");
    command.add_option({.name = "FILE",
                        .help = "Write to this file; default: accel-bundle-DATE.tar.gz",
                        .value = file_value},
                       options->output);
    program.add_json(command);
}

}  // namespace accel::tools
