// SPDX-License-Identifier: Apache-2.0
//
// Fault injection through /proc/thread-self/fail-nth, and the counts of resources.
#include "injection.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include "card.hpp"

namespace uapi {

namespace fs = std::filesystem;

namespace {

constexpr auto counter_file = "/proc/thread-self/fail-nth";
constexpr auto debug_folder = "/sys/kernel/debug/";
constexpr int disarm_attempts = 10;
constexpr std::chrono::milliseconds settling_time{100};

// Every allocation may fail, also those that may sleep, and single pages. Each failure is reported
// with its stack.
constexpr std::array<std::array<const char*, 2>, 10> settings{{
    {"failslab/ignore-gfp-wait", "N"},
    {"fail_page_alloc/ignore-gfp-wait", "N"},
    {"fail_page_alloc/ignore-gfp-highmem", "N"},
    {"fail_page_alloc/min-order", "0"},
    {"failslab/verbose", "2"},
    {"fail_page_alloc/verbose", "2"},
    {"fail_usercopy/verbose", "2"},
    {"failslab/verbose_ratelimit_interval_ms", "0"},
    {"fail_page_alloc/verbose_ratelimit_interval_ms", "0"},
    {"fail_usercopy/verbose_ratelimit_interval_ms", "0"},
}};

/// The number after `name` in a file of lines "name number" or "name: number".
std::int64_t field(const fs::path& path, std::string_view name) {
    std::ifstream file(path);
    for (std::string word; file >> word;) {
        if (word == name) {
            std::int64_t value = 0;
            file >> value;
            return value;
        }
    }
    return 0;
}

std::int64_t number(const fs::path& path) {
    std::int64_t value = 0;
    std::ifstream(path) >> value;
    return value;
}

std::int64_t lines(const fs::path& path) {
    std::ifstream file(path);
    std::int64_t count = 0;
    for (std::string line; std::getline(file, line);) {
        ++count;
    }
    return count;
}

/// True if the kernel checks DMA mappings. It stops for good when an allocation of that check
/// fails.
bool checks_dma() {
    std::ifstream file(fs::path(debug_folder) / "dma-api/disabled");
    return file.get() == 'N';
}

/// Spares the caches without a mark. "slub_debug=A;-,radix_tree_node" on the kernel's command line
/// marks all but the nodes of radix trees, which the check of DMA mappings needs.
void spare_unmarked_caches() {
    std::ifstream mark("/sys/kernel/slab/kmalloc-64/failslab");
    require(
        mark.get() == '1' ? 0 : EINVAL,
        "boot with slub_debug=A;-,radix_tree_node or with dma_debug=off: the mark of kmalloc-64");
    require(write_file(fs::path(debug_folder) / "failslab/cache-filter", "Y"), "cache-filter");
}

}  // namespace

bool can_inject() {
    return fs::exists(counter_file);
}

Injection::Injection() : file_(::open(counter_file, O_RDWR | O_CLOEXEC)) {
    require(file_.get() >= 0 ? 0 : errno, counter_file);
    for (const auto& [name, value] : settings) {
        require(write_file(fs::path(debug_folder) / name, value), name);
    }
    if (checks_dma()) {
        spare_unmarked_caches();
    }
}

void Injection::arm(int n) const {
    const std::string text = std::to_string(n);
    const ssize_t written = ::pwrite(file_.get(), text.data(), text.size(), 0);
    require(written == static_cast<ssize_t>(text.size()) ? 0 : EIO, "arm the injection");
}

bool Injection::disarm() const {
    // The counter also runs down in these calls. A read that is itself the call that fails shows
    // that the counter was not used up before.
    std::array<char, 16> text{};
    const bool injected =
        ::pread(file_.get(), text.data(), text.size() - 1, 0) > 0 && text[0] == '0';
    for (int i = 0; i < disarm_attempts; ++i) {
        if (::pwrite(file_.get(), "0", 1, 0) == 1) {
            return injected;
        }
    }
    require(EIO, "disarm the injection");
    return injected;
}

void mark(const std::string& text) {
    require(write_file("/dev/kmsg", "accel-vm: " + text), "/dev/kmsg");
}

Resources Resources::measure(const File* observer) {
    Resources all;
    auto& counts = all.counts_;
    for (const auto& card : fs::directory_iterator("/sys/class/accel-card")) {
        const std::string name = card.path().filename();
        for (const char* what : {"contexts_used", "queues_used", "memory_used"}) {
            counts[name + " " + what] = number(card.path() / what);
        }
        for (const char* what : {"contexts", "queues", "page_tables"}) {
            counts[name + " lines of debugfs " + what] =
                lines(fs::path(debug_folder) / "accel-card" / name / what);
        }
    }
    if (observer != nullptr) {
        const accel_info info = observer->info();
        counts["the user's contexts"] = static_cast<std::int64_t>(info.contexts_used);
        counts["the user's queues"] = static_cast<std::int64_t>(info.queues_used);
        counts["the user's device memory"] = static_cast<std::int64_t>(info.memory_used);
        counts["the user's host memory"] = static_cast<std::int64_t>(info.host_memory_used);
        counts["the process's registered memory"] = static_cast<std::int64_t>(info.locked);
    }
    const fs::path dma = fs::path(debug_folder) / "dma-api";
    counts["DMA mappings"] = number(dma / "nr_total_entries") - number(dma / "num_free_entries");
    static_cast<void>(write_file("/proc/sys/vm/stat_refresh", "1"));
    counts["pinned pages"] = field("/proc/vmstat", "nr_foll_pin_acquired") -
                             field("/proc/vmstat", "nr_foll_pin_released");
    counts["locked memory"] = field("/proc/self/status", "VmLck:");
    counts["pinned memory"] = field("/proc/self/status", "VmPin:");
    counts["descriptors"] = std::distance(fs::directory_iterator("/proc/self/fd"), {});
    return all;
}

Resources Resources::settled(const File* observer) {
    Resources last = measure(observer);
    for (;;) {
        std::this_thread::sleep_for(settling_time);
        Resources now = measure(observer);
        if (now == last) {
            return now;
        }
        last = std::move(now);
    }
}

std::string Resources::difference(const Resources& after) const {
    std::ostringstream text;
    for (const auto& [name, count] : counts_) {
        const auto found = after.counts_.find(name);
        const std::int64_t now = found == after.counts_.end() ? 0 : found->second;
        if (now != count) {
            text << (text.tellp() > 0 ? ", " : "") << name << ": " << count << " > " << now;
        }
    }
    return text.str();
}

}  // namespace uapi
