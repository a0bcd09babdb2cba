// SPDX-License-Identifier: Apache-2.0
//
// Brings up a card without its driver.
#include "raw_card.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "emulated/bring_up.hpp"
#include "command_builders.hpp"

namespace accel::bench {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void write_text(const fs::path& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    if (!file.flush()) {
        throw std::runtime_error("cannot write " + path.string());
    }
}

std::string read_text(const fs::path& path) {
    std::string text;
    std::getline(std::ifstream(path), text);
    return text;
}

// The last card, unbound from its driver, with memory decoding and bus mastering enabled.
std::string take_card() {
    std::string found;
    for (const auto& entry : fs::directory_iterator("/sys/bus/pci/devices")) {
        if (read_text(entry.path() / "vendor") == "0x1234" &&
            read_text(entry.path() / "device") == "0xacc1") {
            found = std::max(found, entry.path().string());
        }
    }
    if (found.empty()) {
        throw std::runtime_error("there is no card");
    }
    const fs::path folder(found);
    if (fs::exists(folder / "driver")) {
        write_text(folder / "driver/unbind", folder.filename().string());
    }
    write_text(folder / "enable", "1");
    constexpr std::uint16_t memory_and_master = 0x6;
    constexpr off_t command_register = 4;
    const int config = open((folder / "config").c_str(), O_RDWR | O_CLOEXEC);
    if (config < 0 || pwrite(config, &memory_and_master, sizeof memory_and_master,
                             command_register) != sizeof memory_and_master) {
        fail("cannot open the card's config space");
    }
    close(config);
    return found;
}

template <typename T>
T load(const void* word) {
    return __atomic_load_n(static_cast<const T*>(word), __ATOMIC_ACQUIRE);
}

}  // namespace

FileMapping::FileMapping(const std::string& path, std::size_t bytes) : bytes_(bytes) {
    const int file = open(path.c_str(), O_RDWR | O_SYNC | O_CLOEXEC);
    void* const start =
        file < 0 ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (start == MAP_FAILED) {
        fail("cannot map " + path);
    }
    close(file);
    start_ = static_cast<std::byte*>(start);
}

FileMapping::~FileMapping() {
    munmap(start_, bytes_);
}

HugePage::HugePage() {
    write_text("/proc/sys/vm/nr_hugepages", "4");
    void* const start =
        mmap(nullptr, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_LOCKED | MAP_POPULATE, -1, 0);
    if (start == MAP_FAILED) {
        fail("cannot map a huge page");
    }
    start_ = static_cast<std::byte*>(start);
    std::memset(start_, 0, size);
    const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    std::uint64_t entry = 0;
    const auto page = reinterpret_cast<std::uintptr_t>(start_) / ACCEL_PAGE_SIZE;
    if (pagemap < 0 || pread(pagemap, &entry, sizeof entry,
                             static_cast<off_t>(page * sizeof entry)) != sizeof entry) {
        fail("cannot read /proc/self/pagemap");
    }
    close(pagemap);
    constexpr std::uint64_t frame = (std::uint64_t{1} << 55) - 1;
    bus_ = (entry & frame) * ACCEL_PAGE_SIZE;
}

HugePage::~HugePage() {
    munmap(start_, size);
}

RawCard::RawCard()
    : folder_(take_card()),
      registers_(folder_ + "/resource0", ACCEL_REGISTERS_SIZE),
      doorbells_(folder_ + "/resource2", ACCEL_DOORBELL_STRIDE),
      device_(folder_ + "/resource4", device_memory_bytes) {
    write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
    wait_for_status(ACCEL_STATUS_READY);
    emulated::enable_card(*this, {.admin_ring = memory_.bus(admin_ring_offset),
                              .admin_results = memory_.bus(admin_results_offset),
                              .event_ring = memory_.bus(events_offset),
                              .admin_entries = 8,
                              .event_entries = 8});
    wait_for_status(ACCEL_STATUS_ENABLED);

    accel_admin_command context = test::create_context(0, 0);
    context.create_context.flags = ACCEL_CONTEXT_BYPASS;
    admin(context);
    admin(test::create_queue(0, {.ring = memory_.bus(ring_offset),
                                 .status = memory_.bus(status_offset),
                                 .entries = ring_length}));
}

void RawCard::wait_for_status(std::uint32_t bit) const {
    while ((load<std::uint32_t>(registers_.at(ACCEL_REG_STATUS)) & bit) == 0) {
    }
}

void RawCard::admin(const accel_admin_command& command) {
    auto* const ring = reinterpret_cast<accel_admin_command*>(memory_.at(admin_ring_offset));
    const auto* const results =
        reinterpret_cast<const accel_admin_result*>(memory_.at(admin_results_offset));
    const std::uint64_t slot = admin_tail_++;
    ring[slot] = command;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    write32(ACCEL_REG_ADMIN_DOORBELL, static_cast<std::uint32_t>(admin_tail_));
    while (load<std::uint64_t>(&results[slot].sequence) != admin_tail_) {
    }
    if (results[slot].status != ACCEL_OK) {
        throw std::runtime_error("the card refused an admin command with status " +
                                 std::to_string(results[slot].status));
    }
}

}  // namespace accel::bench
