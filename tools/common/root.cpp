// SPDX-License-Identifier: Apache-2.0
#include "root.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>
#include <type_traits>

namespace accel::tools {

std::string SystemRoot::real(std::string_view path) const {
    return prefix_ + std::string(path);
}

Text SystemRoot::read(const std::string& path) const {
    const int fd = ::open(real(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return {.value = {}, .error = errno};
    }
    Text text;
    std::array<char, 4096> piece{};
    ssize_t got = 0;
    while ((got = ::read(fd, piece.data(), piece.size())) > 0) {
        text.value.append(piece.data(), static_cast<std::size_t>(got));
    }
    text.error = got < 0 ? errno : 0;
    ::close(fd);
    if (text.value.ends_with('\n')) {
        text.value.pop_back();
    }
    return text;
}

std::optional<std::string> SystemRoot::text(const std::string& path) const {
    Text found = read(path);
    return found.error == 0 ? std::optional(std::move(found.value)) : std::nullopt;
}

std::optional<std::int64_t> SystemRoot::number(const std::string& path, int base) const {
    const Text found = read(path);
    return found.error == 0 ? parse_number<std::int64_t>(found.value, base) : std::nullopt;
}

std::optional<std::string> SystemRoot::target(const std::string& path) const {
    std::error_code error;
    const auto found = std::filesystem::read_symlink(real(path), error);
    return error ? std::nullopt : std::optional(found.string());
}

std::optional<std::string> SystemRoot::link(const std::string& path) const {
    const auto found = target(path);
    return found ? std::optional(std::filesystem::path(*found).filename().string()) : std::nullopt;
}

std::vector<std::string> SystemRoot::list(const std::string& path, int* error) const {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(real(path).c_str()), ::closedir);
    if (error != nullptr) {
        *error = folder ? 0 : errno;
    }
    if (folder) {
        while (const dirent* entry = ::readdir(folder.get())) {  // NOLINT(concurrency-mt-unsafe)
            const std::string_view name = static_cast<const char*>(entry->d_name);
            if (name != "." && name != "..") {
                names.emplace_back(name);
            }
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

bool SystemRoot::exists(const std::string& path) const {
    std::error_code error;
    return std::filesystem::exists(std::filesystem::symlink_status(real(path), error));
}

template <typename T>
std::optional<T> parse_number(std::string_view text, int base) {
    if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) {
        text.remove_prefix(2);
    }
    T value{};
    const char* const end = text.data() + text.size();
    std::from_chars_result result{};
    if constexpr (std::is_floating_point_v<T>) {
        result = std::from_chars(text.data(), end, value);
    } else {
        result = std::from_chars(text.data(), end, value, base);
    }
    if (text.empty() || result.ec != std::errc{} || result.ptr != end) {
        return std::nullopt;
    }
    return value;
}

template std::optional<int> parse_number(std::string_view, int);
template std::optional<std::int64_t> parse_number(std::string_view, int);
template std::optional<std::uint32_t> parse_number(std::string_view, int);
template std::optional<std::uint64_t> parse_number(std::string_view, int);
template std::optional<float> parse_number(std::string_view, int);

}  // namespace accel::tools
