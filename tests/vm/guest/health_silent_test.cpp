// SPDX-License-Identifier: Apache-2.0
//
// A card that does not answer: a read of a register returns all ones, which is no value.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "card.hpp"
#include "health.hpp"

namespace {

namespace fs = std::filesystem;

using Silent = uapi::Health;

/// The text of a file, or an empty text if it cannot be read.
std::string text_of(const fs::path& path) {
    try {
        return uapi::read_file(path);
    } catch (const std::exception&) {
        return "";
    }
}

TEST_F(Silent, NoFileShowsAllOnes) {
    const fs::path folder = fs::path("/sys/class/accel-card") / card().name();
    std::vector<fs::path> files;
    for (const char* name : {"serial", "memory_size", "hardware_version", "firmware_version"}) {
        files.push_back(folder / name);
    }
    for (const auto& file : fs::directory_iterator(folder / "counters")) {
        files.push_back(file.path());
    }
    for (const auto& sensors : fs::directory_iterator(folder / "device/hwmon")) {
        for (const char* name : {"temp1_input", "power1_input", "power1_cap", "freq1_input"}) {
            files.push_back(sensors.path() / name);
        }
    }
    for (const fs::path& file : files) {
        EXPECT_NE(text_of(file), "") << file;
    }
    const uapi::File open;
    plant("dead");
    for (const fs::path& file : files) {
        EXPECT_EQ(text_of(file), "") << file;
    }
    accel_info info{};
    EXPECT_NE(open.call(ACCEL_IOCTL_INFO, info), 0);
    plant("none");
}

}  // namespace
