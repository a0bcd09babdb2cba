// SPDX-License-Identifier: Apache-2.0
//
// The real kernel: system calls.
#include "kernel.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace accel::detail {

namespace {

// The N of "accelN". The directory "accel" of the kernel's own subsystem has no number.
std::optional<unsigned> node_index(std::string_view name) {
    constexpr std::string_view prefix = "accel";
    if (!name.starts_with(prefix) || name.size() == prefix.size()) {
        return std::nullopt;
    }
    unsigned index = 0;
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, index);
    if (error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return index;
}

class LinuxKernel final : public Kernel {
  public:
    std::vector<std::string> nodes() override {
        std::vector<std::pair<unsigned, std::string>> found;
        std::error_code error;
        for (std::filesystem::directory_iterator entry("/dev", error), end; !error && entry != end;
             entry.increment(error)) {
            if (const auto index = node_index(entry->path().filename().string())) {
                found.emplace_back(*index, entry->path().string());
            }
        }
        std::sort(found.begin(), found.end());
        std::vector<std::string> paths;
        paths.reserve(found.size());
        for (auto& [index, path] : found) {
            paths.push_back(std::move(path));
        }
        return paths;
    }

    std::optional<std::string> attribute(const std::string& path,
                                         const std::string& name) override {
        const std::string node = std::filesystem::path(path).filename().string();
        std::ifstream file("/sys/class/accel-card/" + node + "/" + name);
        std::string line;
        return std::getline(file, line) ? std::optional(line) : std::nullopt;
    }

    int open(const std::string& path) noexcept override {
        return result(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    }

    void close(int fd) noexcept override { ::close(fd); }

    int ioctl(int fd, unsigned long request, void* argument) noexcept override {
        return result(::ioctl(fd, request, argument));
    }

    int mmap(int fd, std::uint64_t offset, std::size_t bytes, void** memory) noexcept override {
        void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                              static_cast<off_t>(offset));
        if (mapped == MAP_FAILED) {
            return -errno;
        }
        // A copy in a child would keep the memory and the file alive, and the child could write it.
        ::madvise(mapped, bytes, MADV_DONTFORK);
        *memory = mapped;
        return 0;
    }

    void munmap(void* memory, std::size_t bytes) noexcept override { ::munmap(memory, bytes); }

    void close_in_child(int fd) noexcept override { ::close(fd); }

    void replace_in_child(void* memory, std::size_t bytes) noexcept override {
        (void)::mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                     -1, 0);
    }

    int poll(std::span<pollfd> fds, int timeout_ms) noexcept override {
        return result(::poll(fds.data(), fds.size(), timeout_ms));
    }

    void ring_doorbell(void* doorbell, std::uint32_t value) noexcept override {
        *static_cast<volatile std::uint32_t*>(doorbell) = value;
    }

  private:
    static int result(int returned) noexcept { return returned < 0 ? -errno : returned; }
};

}  // namespace

std::shared_ptr<Kernel> linux_kernel() {
    return std::make_shared<LinuxKernel>();
}

}  // namespace accel::detail
