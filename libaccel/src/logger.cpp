// SPDX-License-Identifier: Apache-2.0
//
// Parsing ACCEL_LOG, and writing lines.
#include "logger.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <system_error>

namespace accel {

namespace detail {

namespace {

constexpr std::array<std::string_view, 5> names{"off", "error", "warn", "info", "debug"};

// One call for a line, so that lines of several threads and processes do not mix.
void write_line(int fd, const std::string& line) noexcept {
    static_cast<void>(!::write(fd, line.data(), line.size()));
}

}  // namespace

Logger::Logger(std::string_view setting, int standard_error) noexcept : fd_(standard_error) {
    try {
        const std::size_t comma = setting.find(',');
        const std::string_view name = setting.substr(0, comma);
        if (setting.empty()) {
            return;
        }
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (name == names[i]) {
                level_ = static_cast<LogLevel>(i);
                if (comma != std::string_view::npos) {
                    open_file(setting.substr(comma + 1));
                }
                return;
            }
        }
        write_line(fd_, "accel: nothing is logged, because ACCEL_LOG is '" + std::string(setting) +
                            "': set it to error, warn, info or debug, and after a comma to the "
                            "name of a file, if the log shall not be on standard error\n");
    } catch (...) {
        level_ = LogLevel::off;  // no memory
    }
}

void Logger::open_file(std::string_view name) noexcept {
    const std::string path(name);
    file_ = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    if (file_.get() >= 0) {
        fd_ = file_.get();
        return;
    }
    write_line(fd_, "accel: the log is on standard error, because the file '" + path +
                        "' that ACCEL_LOG names cannot be opened: " +
                        std::generic_category().message(errno) + "\n");
}

void Logger::write(LogLevel level, std::string_view text) const noexcept {
    if (level > level_ || level == LogLevel::off) {
        return;
    }
    try {
        const auto time = std::chrono::system_clock::now();
        const auto microseconds =
            std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count() %
            1'000'000;
        const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
        std::tm utc{};
        ::gmtime_r(&seconds, &utc);
        std::array<char, 32> date{};
        std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
        std::array<char, 96> head{};
        std::snprintf(head.data(), head.size(), "%s.%06dZ accel[%d] %s: ", date.data(),
                      static_cast<int>(microseconds), static_cast<int>(::getpid()),
                      names[static_cast<std::size_t>(level)].data());
        std::string line(head.data());
        line += text;
        for (char& character : line) {
            character = character == '\n' ? ' ' : character;
        }
        line += '\n';
        write_line(fd_, line);
    } catch (...) {
        return;  // no memory for a line of the log
    }
}

namespace {

// Made at the first use, and never destroyed: objects of static duration may log.
const Logger& logger() noexcept {
    static const Logger* const made = [] {
        const char* const setting = ::secure_getenv("ACCEL_LOG");
        alignas(Logger) static std::array<std::byte, sizeof(Logger)> storage;
        // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): in static memory
        return new (storage.data()) Logger(setting == nullptr ? "" : setting, STDERR_FILENO);
    }();
    return *made;
}

}  // namespace

}  // namespace detail

bool log_enabled(LogLevel level) noexcept {
    return level != LogLevel::off && level <= detail::logger().level();
}

void log(LogLevel level, std::string_view text) noexcept {
    detail::logger().write(level, text);
}

}  // namespace accel
