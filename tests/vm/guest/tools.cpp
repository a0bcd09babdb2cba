// SPDX-License-Identifier: Apache-2.0
//
// Processes of the tools, the JSON that they print, and the connection to the monitor.
#include "tools.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "card.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace uapi {

namespace {

std::string unique(const char* kind) {
    static std::atomic<int> count{0};
    return std::string("/tmp/tools-") + kind + "-" + std::to_string(::getpid()) + "-" +
           std::to_string(++count);
}

std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void redirect(const char* path, int flags, int to) {
    const int fd = ::open(path, flags, 0644);
    if (fd < 0 || ::dup2(fd, to) < 0) {
        ::_exit(127);
    }
}

}  // namespace

ToolProcess::ToolProcess(const std::vector<std::string>& command, bool as_user)
    : out_(unique("out")), err_(unique("err")) {
    std::filesystem::create_directories("/tmp");
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& word : command) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    pid_ = ::fork();
    require(pid_ < 0 ? errno : 0, "fork");
    if (pid_ == 0) {
        redirect("/dev/null", O_RDONLY, STDIN_FILENO);
        redirect(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
        redirect(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
        if (as_user) {
            become_user();
        }
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
}

ToolProcess::~ToolProcess() {
    if (!over_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove(out_);
    std::filesystem::remove(err_);
}

void ToolProcess::await_output(const std::string& text) const {
    await(("'" + text + "' from a program").c_str(), [&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return out().find(text) != std::string::npos;
    });
}

std::string ToolProcess::out() const {
    return text_of(out_);
}

bool ToolProcess::ended() {
    int status = 0;
    if (!over_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        over_ = true;
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return over_;
}

void ToolProcess::signal(int number) const {
    ::kill(pid_, number);
}

ToolResult ToolProcess::wait() {
    await("the end of a program", [&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return ended();
    });
    return {.status = status_, .out = text_of(out_), .err = text_of(err_)};
}

ToolResult run(const std::vector<std::string>& command, bool as_user) {
    return ToolProcess(command, as_user).wait();
}

nlohmann::json document(const std::vector<std::string>& command, int status) {
    static std::atomic<int> count{0};
    const ToolResult ended = run(command);
    if (ended.status != status) {
        throw std::runtime_error(command[0] + " ended with " + std::to_string(ended.status) + ": " +
                                 ended.out + ended.err);
    }
    std::ofstream("/results/document-" + std::to_string(::getpid()) + "-" +
                  std::to_string(++count) + ".json")
        << ended.out;
    return nlohmann::json::parse(ended.out);
}

namespace {

std::string port_path() {
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/sys/class/virtio-ports", error), end;
         !error && entry != end; entry.increment(error)) {
        if (text_of(entry->path() / "name") == "accel.monitor\n") {
            return "/dev/" + entry->path().filename().string();
        }
    }
    return "";
}

}  // namespace

bool Monitor::present() {
    return !port_path().empty();
}

Monitor::Monitor() : port_(::open(port_path().c_str(), O_RDWR | O_CLOEXEC)) {
    require(port_.get() < 0 ? errno : 0, "the port of the monitor");
    try {
        call("qmp_capabilities");
    } catch (const std::runtime_error&) {
        // QEMU does not notice that the port was closed: the session of a previous test continues.
    }
}

nlohmann::json Monitor::read() {
    for (;;) {
        if (const std::size_t end = pending_.find('\n'); end != std::string::npos) {
            const std::string line = pending_.substr(0, end);
            pending_.erase(0, end + 1);
            return nlohmann::json::parse(line);
        }
        pollfd fd{.fd = port_.get(), .events = POLLIN, .revents = 0};
        constexpr int limit = 60000;
        require(::poll(&fd, 1, limit) > 0 ? 0 : ETIMEDOUT, "the monitor");
        std::array<char, 4096> piece{};
        const ssize_t got = ::read(port_.get(), piece.data(), piece.size());
        require(got > 0 ? 0 : EIO, "the monitor");
        pending_.append(piece.data(), static_cast<std::size_t>(got));
    }
}

nlohmann::json Monitor::call(const std::string& command, const nlohmann::json& arguments) {
    // The greeting, events and answers to calls that nobody waited for are ignored.
    static std::atomic<int> count{0};
    const int id = ++count;
    nlohmann::json request{{"execute", command}, {"id", id}};
    if (!arguments.is_null()) {
        request["arguments"] = arguments;
    }
    const std::string text = request.dump() + "\n";
    require(::write(port_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())
                ? 0
                : EIO,
            "the monitor");
    for (;;) {
        const nlohmann::json answer = read();
        if (answer.value("id", 0) != id) {
            continue;
        }
        if (answer.contains("error")) {
            throw std::runtime_error(command + ": " + answer["error"].dump());
        }
        return answer.at("return");
    }
}

void ToolTest::SetUp() {
    if (run({"accelctl", "--version"}).status != 0) {
        GTEST_SKIP() << "the tools are not built";
    }
    if (!Monitor::present()) {
        GTEST_SKIP() << "this machine has no monitor";
    }
}

void ToolTest::TearDown() {
    if (!IsSkipped()) {
        expect_working_card();
    }
}

nlohmann::json Monitor::get(int index, const std::string& property) {
    return call("qom-get", {{"path", "/machine/peripheral/card" + std::to_string(index)},
                            {"property", property}});
}

void Monitor::set(int index, const std::string& property, const nlohmann::json& value) {
    call("qom-set", {{"path", "/machine/peripheral/card" + std::to_string(index)},
                     {"property", property},
                     {"value", value}});
}

}  // namespace uapi
