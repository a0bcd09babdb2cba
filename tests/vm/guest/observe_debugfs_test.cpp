// SPDX-License-Identifier: Apache-2.0
//
// debugfs: rings, files and page tables of the driver, with addresses only for users with the
// capability. Reading is safe during resets and removals of the card.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

using Row = std::map<std::string, std::string>;

std::string folder() {
    return "/sys/kernel/debug/accel-card/" +
           std::filesystem::path(uapi::Card().node()).filename().string();
}

std::string text_of(const std::string& name) {
    return uapi::read_file(folder() + "/" + name);
}

/// The rows of a table, by the words of its heading.
std::vector<Row> table_of(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    std::istringstream heading(line);
    std::vector<std::string> names;
    for (std::string name; heading >> name;) {
        names.push_back(name);
    }
    std::vector<Row> rows;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        Row row;
        for (const std::string& name : names) {
            EXPECT_TRUE(words >> row[name]) << line;
        }
        rows.push_back(row);
    }
    return rows;
}

/// drm-client-id of a file.
std::string client_of(const uapi::File& file) {
    const std::string info = uapi::read_file("/proc/self/fdinfo/" + std::to_string(file.fd()));
    const std::string key = "drm-client-id:\t";
    const std::size_t at = info.find(key) + key.size();
    return info.substr(at, info.find('\n', at) - at);
}

/// The rows of a table for one file.
std::vector<Row> rows_of(const std::string& name, const uapi::File& file) {
    std::vector<Row> rows = table_of(text_of(name));
    const std::string client = client_of(file);
    std::erase_if(rows, [&](Row& row) { return row["client"] != client; });
    return rows;
}

void drop_capability(int capability) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2]{};
    uapi::require(::syscall(SYS_capget, &header, data) == 0 ? 0 : errno, "capget");
    data[capability / 32].effective &= ~(1U << capability % 32);
    uapi::require(::syscall(SYS_capset, &header, data) == 0 ? 0 : errno, "capset");
}

TEST(Debugfs, ShowsTheRingOfEachQueue) {
    const uapi::File file;
    uapi::Queue queue(file, 32);
    const uapi::Queue idle(file, 2);
    const uapi::Semaphore gate(file);
    queue.run(uapi::nop());
    static_cast<void>(queue.submit(uapi::wait_for(gate.address(), 1)));
    std::vector<Row> rows = rows_of("queues", file);
    ASSERT_EQ(rows.size(), 2U);
    Row& row = rows[0]["handle"] == std::to_string(queue.handle()) ? rows[0] : rows[1];
    EXPECT_EQ(row["handle"], std::to_string(queue.handle()));
    EXPECT_EQ(row["entries"], "32");
    EXPECT_EQ(row["completed"], "1");
    EXPECT_EQ(row["tail"], "2");
    EXPECT_EQ(row["error"], "0");
    EXPECT_EQ(row["waited"], "0");
    EXPECT_EQ(std::stoull(row["memory"], nullptr, 16), queue.created().address);
    gate.set(1);
    EXPECT_EQ(queue.wait(2), 0);
}

TEST(Debugfs, ShowsTheOpenFilesAndTheirResources) {
    const uapi::File file;
    const uapi::Buffer on_host(file, 2 * uapi::page);
    const uapi::Buffer on_card(file, 3 * uapi::page, uapi::device);
    std::vector<Row> rows = rows_of("contexts", file);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0]["pid"], std::to_string(::getpid()));
    EXPECT_EQ(rows[0]["errno"], "0");
    EXPECT_EQ(rows[0]["queues"], "0");
    EXPECT_EQ(rows[0]["buffers"], "2");
    EXPECT_EQ(rows[0]["host_bytes"], std::to_string(2 * uapi::page));
    EXPECT_EQ(rows[0]["device_bytes"], std::to_string(3 * uapi::page));
    uapi::Card().reset();
    rows = rows_of("contexts", file);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0]["errno"], std::to_string(-ESTALE));
    EXPECT_TRUE(rows_of("page_tables", file).empty());
    EXPECT_TRUE(rows_of("queues", file).empty());
}

TEST(Debugfs, ShowsThePageTablesOfAFile) {
    const uapi::File file;
    EXPECT_TRUE(rows_of("page_tables", file).empty());
    const uapi::Buffer input(file, 5 * uapi::page, uapi::readable);
    const uapi::Buffer large(file, 4 << 20, uapi::device);
    std::uint64_t on_host = 0;
    std::uint64_t on_card = 0;
    for (Row& row : rows_of("page_tables", file)) {
        const std::uint64_t bytes = std::stoull(row["bytes"]);
        const std::uint64_t address = std::stoull(row["address"], nullptr, 16);
        if (row["memory"] == "host") {
            EXPECT_EQ(address, input.address() + on_host);
            EXPECT_EQ(row["access"], "r-");
            EXPECT_EQ(row["page"], "4K");
            on_host += bytes;
        } else {
            EXPECT_EQ(address, large.address() + on_card);
            EXPECT_EQ(row["access"], "rw");
            EXPECT_EQ(row["page"], "2M");
            EXPECT_LT(std::stoull(row["target"], nullptr, 16), file.info().memory_size);
            on_card += bytes;
        }
    }
    EXPECT_EQ(on_host, input.bytes());
    EXPECT_EQ(on_card, large.bytes());
}

TEST(Debugfs, IsTheSameWhenReadInSmallPieces) {
    const uapi::File file;
    // Pages of the process are scattered: one row each, more than a buffer of the kernel holds.
    const uapi::Mapping own = uapi::Mapping::anonymous(3000 * uapi::page);
    for (std::size_t i = 0; i < own.size(); i += uapi::page) {
        own.data()[own.size() - uapi::page - i] = std::byte{1};
    }
    const uapi::Registration registered(file, own.data(), own.size());
    const std::string whole = text_of("page_tables");
    const uapi::Descriptor open(::open((folder() + "/page_tables").c_str(), O_RDONLY));
    std::string pieces;
    char piece[100];
    for (ssize_t got = 0; (got = ::read(open.get(), piece, sizeof(piece))) > 0;) {
        pieces.append(piece, static_cast<std::size_t>(got));
    }
    EXPECT_EQ(pieces, whole);
    std::uint64_t bytes = 0;
    for (Row& row : rows_of("page_tables", file)) {
        bytes += std::stoull(row["bytes"]);
    }
    EXPECT_EQ(bytes, own.size());
}

TEST(Debugfs, ShowsTheDriversOwnRings) {
    const std::string state = text_of("state");
    for (const char* part : {"card: errno 0", "registers: status", "admin: tail", "events: head",
                             "transfers: context"}) {
        EXPECT_NE(state.find(part), std::string::npos) << part;
    }
}

TEST(Debugfs, HidesAddressesWithoutTheCapability) {
    const uapi::File file;
    const uapi::Buffer buffer(file, uapi::page);
    const uapi::Queue queue(file);
    const std::string path = folder();
    for (const char* name : {"state", "queues", "page_tables"}) {
        EXPECT_EQ(text_of(name).find("(hidden)"), std::string::npos) << name;
    }
    uapi::Process limited([&] {
        drop_capability(CAP_SYS_ADMIN);
        for (const char* name : {"queues", "page_tables"}) {
            const std::string text = uapi::read_file(path + "/" + name);
            uapi::check(text.find("(hidden)") != std::string::npos, "no address is hidden");
            uapi::check(text.find("0x") == std::string::npos, "an address is visible");
        }
        const std::string state = uapi::read_file(path + "/state");
        uapi::check(state.find("(hidden)") != std::string::npos, "no address is hidden");
        uapi::check(state.find("0x0000") == std::string::npos, "an address is visible");
    });
    EXPECT_EQ(limited.wait(), 0);
    uapi::Process user([&] {
        uapi::become_user();
        uapi::check(::open((path + "/state").c_str(), O_RDONLY) < 0 && errno == EACCES,
                    "a plain user could read debugfs");
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST(Debugfs, DisappearsWithTheCardEvenIfAFileIsOpen) {
    const uapi::Card card;
    const std::string path = folder();
    const uapi::File file;
    const uapi::Queue queue(file);
    const uapi::Descriptor open(::open((path + "/page_tables").c_str(), O_RDONLY));
    char text[64];
    EXPECT_GT(::read(open.get(), text, sizeof(text)), 0);
    card.unbind();
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_EQ(::read(open.get(), text, sizeof(text)), -1);
    EXPECT_EQ(errno, EIO);
    card.bind();
    EXPECT_TRUE(std::filesystem::exists(folder() + "/queues"));
    uapi::expect_working_card();
}

TEST(Debugfs, IsReadableWhileFilesAreOpenedAndTheCardIsReset) {
    const uapi::OneProcessor one;
    const uapi::Card card;
    const std::string path = folder();
    std::atomic<bool> stop = false;
    std::vector<std::jthread> readers;
    for (const char* name : {"state", "queues", "contexts", "page_tables"}) {
        readers.emplace_back([&, name] {
            while (!stop) {
                EXPECT_FALSE(uapi::read_file(path + "/" + name).empty());
            }
        });
    }
    for (int i = 0; i < 30; ++i) {
        const uapi::File file;
        const uapi::Buffer buffer(file, (1 + i) * uapi::page, uapi::device);
        const uapi::Buffer other(file, 70 * uapi::page);
        uapi::Queue queue(file);
        queue.run(uapi::fill(buffer.address(), 1, buffer.bytes()));
        if (i % 10 == 9) {
            card.reset();
        }
    }
    stop = true;
    readers.clear();
    uapi::expect_working_card();
}

}  // namespace
