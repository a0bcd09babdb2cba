// SPDX-License-Identifier: Apache-2.0
//
// The QEMU process, and its qtest and QMP protocols.
#include "qemu.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace accel::qtest {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::pair<Descriptor, Descriptor> socket_pair() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        throw_errno("socketpair");
    }
    return {Descriptor(ends[0]), Descriptor(ends[1])};
}

Descriptor unnamed_file() {
    Descriptor file(memfd_create("stderr", MFD_CLOEXEC));
    if (file.get() < 0) {
        throw_errno("memfd_create");
    }
    return file;
}

std::string contents(const Descriptor& file) {
    std::string text(static_cast<std::size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
    const ssize_t got = pread(file.get(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

// The environment of this process, in which these settings, NAME=VALUE, replace their old values.
std::vector<std::string> merged_environment(const std::vector<std::string>& settings) {
    std::vector<std::string> all = settings;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view ours = *entry;
        const std::string_view name = ours.substr(0, ours.find('=') + 1);
        if (std::ranges::none_of(settings, [&](const auto& s) { return s.starts_with(name); })) {
            all.emplace_back(ours);
        }
    }
    return all;
}

// The words as an array for exec.
std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> result(words.size() + 1);
    std::ranges::transform(words, result.begin(), [](std::string& word) { return word.data(); });
    return result;
}

// Starts a program whose descriptors 3, 4, ... are `inherited`. It is killed when this process
// ends.
pid_t spawn(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            const Descriptor& errors, std::span<const int> inherited) {
    // fork() in a process with threads: the child must not allocate.
    std::vector<std::string> words = command;
    std::vector<std::string> settings = merged_environment(environment);
    const std::vector<char*> argv = pointers(words);
    const std::vector<char*> envp = pointers(settings);
    const pid_t parent = getpid();

    const pid_t child = fork();
    if (child < 0) {
        throw_errno("fork");
    }
    if (child > 0) {
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(errors.get(), STDERR_FILENO);
    // Duplicated to high numbers first, so that no target overwrites a source.
    int parked[8] = {};
    for (std::size_t i = 0; i < inherited.size(); ++i) {
        parked[i] = fcntl(inherited[i], F_DUPFD_CLOEXEC, 64);
    }
    for (std::size_t i = 0; i < inherited.size(); ++i) {
        dup2(parked[i], static_cast<int>(3 + i));
    }
    execvpe(argv[0], argv.data(), envp.data());
    dprintf(STDERR_FILENO, "cannot run %s\n", argv[0]);
    _exit(127);
}

int decode(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// Waits for the end of a process. False if it hangs.
bool reap(pid_t process, int& status) {
    const auto deadline = Clock::now() + hang_limit;
    for (;;) {
        const pid_t got = waitpid(process, &status, WNOHANG);
        if (got == process) {
            return true;
        }
        if (got < 0 || Clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

Descriptor::~Descriptor() {
    if (number_ >= 0) {
        close(number_);
    }
}

void LineStream::send(std::string_view line) {
    std::string text = fmt::format("{}\n", line);
    std::string_view rest = text;
    while (!rest.empty()) {
        const ssize_t sent = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            throw std::runtime_error("QEMU closed its socket: it has ended");
        }
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::string LineStream::receive() {
    std::size_t end = buffer_.find('\n');
    while (end == std::string::npos) {
        pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        const int limit = static_cast<int>(
            std::chrono::duration_cast<std::chrono::milliseconds>(hang_limit).count());
        if (poll(&ready, 1, limit) == 0) {
            throw std::runtime_error("QEMU does not answer: it hangs");
        }
        char chunk[4096];
        const ssize_t got = recv(socket_.get(), chunk, sizeof(chunk), 0);
        if (got <= 0) {
            throw std::runtime_error("QEMU closed its socket: it has ended");
        }
        const std::size_t searched = buffer_.size();
        buffer_.append(chunk, static_cast<std::size_t>(got));
        end = buffer_.find('\n', searched);
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return line;
}

Qemu::Qemu(const std::vector<std::string>& arguments) : errors_(unnamed_file()) {
    auto [qtest_ours, qtest_theirs] = socket_pair();
    auto [qmp_ours, qmp_theirs] = socket_pair();
    std::vector<std::string> command = {launcher()};
    command.insert(command.end(), std::begin(base_arguments), std::end(base_arguments));
    command.insert(command.end(), {"-m", "256M", "-chardev", "socket,id=qtest,fd=3", "-qtest",
                                   "chardev:qtest", "-qtest-log", "/dev/null", "-chardev",
                                   "socket,id=qmp,fd=4", "-mon", "chardev=qmp,mode=control"});
    command.insert(command.end(), arguments.begin(), arguments.end());
    const int inherited[] = {qtest_theirs.get(), qmp_theirs.get()};
    process_ = spawn(command, {}, errors_, inherited);
    qtest_theirs = Descriptor{};
    qmp_theirs = Descriptor{};
    qtest_ = LineStream(std::move(qtest_ours));
    qmp_ = LineStream(std::move(qmp_ours));
    try {
        (void)receive_qmp();  // the greeting
        qmp("qmp_capabilities");
    } catch (const std::exception& error) {
        const std::string text = standard_error();
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        throw std::runtime_error(fmt::format("QEMU did not start: {}\n{}", error.what(), text));
    }
}

Qemu::~Qemu() {
    stop();
}

// QEMU is told to quit and not killed, so that each test also ends the card in an orderly way.
void Qemu::stop() {
    try {
        qmp_.send(R"({"execute":"quit"})");
    } catch (const std::exception&) {
        // It has ended already; its status tells the reason.
    }
    int status = 0;
    if (!reap(process_, status)) {
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        ADD_FAILURE() << "QEMU did not end when told to. Its standard error:\n" << standard_error();
    } else if (decode(status) != 0) {
        ADD_FAILURE() << "QEMU ended with " << decode(status) << ". Its standard error:\n"
                      << standard_error();
    } else if (standard_error().find("accel-pci/") != std::string::npos) {
        // A sanitizer found undefined behavior in a file of the card. That of QEMU's files is
        // ignored.
        ADD_FAILURE() << "the sanitizer reported:\n" << standard_error();
    }
}

std::string Qemu::standard_error() const {
    return contents(errors_);
}

std::string Qemu::qtest(const std::string& request) {
    qtest_.send(request);
    const std::string answer = qtest_.receive();
    if (!answer.starts_with("OK")) {
        throw std::runtime_error(fmt::format("qtest: {}: {}", request, answer));
    }
    return answer.size() > 3 ? answer.substr(3) : std::string();
}

namespace {

char size_letter(unsigned int bytes) {
    switch (bytes) {
        case 1:
            return 'b';
        case 2:
            return 'w';
        case 4:
            return 'l';
        case 8:
            return 'q';
        default:
            throw std::invalid_argument("an access has 1, 2, 4 or 8 bytes");
    }
}

}  // namespace

std::uint64_t Qemu::read(std::uint64_t address, unsigned int bytes) {
    return std::stoull(qtest(fmt::format("read{} {:#x}", size_letter(bytes), address)), nullptr,
                       16);
}

void Qemu::write(std::uint64_t address, std::uint64_t value, unsigned int bytes) {
    qtest(fmt::format("write{} {:#x} {:#x}", size_letter(bytes), address, value));
}

void Qemu::read(std::uint64_t address, std::span<std::byte> data) {
    const std::string hex = qtest(fmt::format("read {:#x} {:#x}", address, data.size()));
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::byte>(std::stoul(hex.substr(2 + 2 * i, 2), nullptr, 16));
    }
}

void Qemu::write(std::uint64_t address, std::span<const std::byte> data) {
    std::string hex;
    for (const std::byte value : data) {
        hex += fmt::format("{:02x}", std::to_integer<unsigned int>(value));
    }
    qtest(fmt::format("write {:#x} {:#x} 0x{}", address, data.size(), hex));
}

void Qemu::out32(std::uint16_t port, std::uint32_t value) {
    qtest(fmt::format("outl {:#x} {:#x}", port, value));
}

nlohmann::json Qemu::receive_qmp() {
    return nlohmann::json::parse(qmp_.receive());
}

nlohmann::json Qemu::qmp(const std::string& command, const nlohmann::json& arguments) {
    qmp_.send(nlohmann::json{{"execute", command}, {"arguments", arguments}}.dump());
    for (;;) {
        nlohmann::json message = receive_qmp();
        if (message.contains("event")) {
            events_.push_back(std::move(message));
        } else if (message.contains("error")) {
            throw std::runtime_error(message["error"]["desc"].get<std::string>());
        } else {
            return message["return"];
        }
    }
}

nlohmann::json Qemu::wait_event(const std::string& name) {
    for (;;) {
        while (!events_.empty()) {
            nlohmann::json event = std::move(events_.front());
            events_.pop_front();
            if (event["event"] == name) {
                return event;
            }
        }
        nlohmann::json message = receive_qmp();
        if (message.contains("event")) {
            events_.push_back(std::move(message));
        }
    }
}

Outcome run(const std::vector<std::string>& command, const std::vector<std::string>& environment) {
    const Descriptor errors = unnamed_file();
    const pid_t process = spawn(command, environment, errors, {});
    int status = 0;
    if (!reap(process, status)) {
        kill(process, SIGKILL);
        waitpid(process, nullptr, 0);
        throw std::runtime_error(command.front() + " does not end: it hangs");
    }
    return {decode(status), contents(errors)};
}

std::string launcher() {
    return ACCEL_QEMU_LAUNCHER;
}

std::string program() {
    // No thread of this process writes to the environment.
    const char* chosen = std::getenv("QEMU");  // NOLINT(concurrency-mt-unsafe)
    return chosen != nullptr ? chosen : "/usr/bin/qemu-system-x86_64";
}

}  // namespace accel::qtest
