// SPDX-License-Identifier: Apache-2.0
//
// The QEMU process and its two protocols: see qemu.hpp.
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

// Our environment with these settings, NAME=VALUE, in place of those that it has.
std::vector<std::string> with_ours(const std::vector<std::string>& settings) {
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

// As exec wants it.
std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> result(words.size() + 1);
    std::ranges::transform(words, result.begin(), [](std::string& word) { return word.data(); });
    return result;
}

// Starts a program whose descriptors 3, 4, ... are `inherited`, and which dies with us.
pid_t spawn(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            const Descriptor& errors, std::span<const int> inherited) {
    // All that allocates is done before fork().
    std::vector<std::string> words = command;
    std::vector<std::string> settings = with_ours(environment);
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
    // Out of the way first, so that no target overwrites a source that is still needed.
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

// Waits for the end of a process. False, if it does not come.
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
            throw std::runtime_error("QEMU is gone");
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
            throw std::runtime_error("QEMU does not answer");
        }
        char chunk[4096];
        const ssize_t got = recv(socket_.get(), chunk, sizeof(chunk), 0);
        if (got <= 0) {
            throw std::runtime_error("QEMU is gone");
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
    std::vector<std::string> command = {launcher(),
                                        "-accel",
                                        "tcg",
                                        "-S",
                                        "-nodefaults",
                                        "-display",
                                        "none",
                                        "-machine",
                                        "q35",
                                        "-m",
                                        "256M",
                                        "-chardev",
                                        "socket,id=qtest,fd=3",
                                        "-qtest",
                                        "chardev:qtest",
                                        "-qtest-log",
                                        "/dev/null",
                                        "-chardev",
                                        "socket,id=qmp,fd=4",
                                        "-mon",
                                        "chardev=qmp,mode=control"};
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

// Told to quit, not killed: the card has to come through that, too.
void Qemu::stop() {
    try {
        qmp_.send(R"({"execute":"quit"})");
    } catch (const std::exception&) {
        // It is gone already; the status says why.
    }
    int status = 0;
    if (!reap(process_, status)) {
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        ADD_FAILURE() << "QEMU did not end when told to; it said:\n" << standard_error();
    } else if (decode(status) != 0) {
        ADD_FAILURE() << "QEMU ended with " << decode(status) << "; it said:\n" << standard_error();
    } else if (standard_error().find("accel-pci/") != std::string::npos) {
        // A sanitizer found undefined behaviour in a file of the card; QEMU's own we let pass.
        ADD_FAILURE() << "QEMU said:\n" << standard_error();
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
        throw std::runtime_error(command.front() + " does not end");
    }
    return {decode(status), contents(errors)};
}

std::string launcher() {
    return ACCEL_QEMU_LAUNCHER;
}

std::string program() {
    // No thread of ours writes to the environment.
    const char* chosen = std::getenv("QEMU");  // NOLINT(concurrency-mt-unsafe)
    return chosen != nullptr ? chosen : "/usr/bin/qemu-system-x86_64";
}

}  // namespace accel::qtest
