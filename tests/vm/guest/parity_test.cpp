// SPDX-License-Identifier: Apache-2.0
//
// The card in the VM, with the driver, does what the emulated device did when this was built: the
// same bytes, the same texts of errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "accel/device.hpp"
#include "transcript.hpp"

namespace accel::test {
namespace {

constexpr const char* native =
#include "expected_transcript.inc"
    ;

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty()) {
            lines.push_back(line);
        }
    }
    return lines;
}

TEST(Parity, TheEmulatedDeviceIsTheSameCard) {
    const auto expected = lines_of(native);
    const auto lines =
        lines_of(transcript(Device::open("/dev/accel0"), "/usr/share/accel/fashion-mlp.onnx"));
    ASSERT_GT(expected.size(), 50U);
    for (std::size_t i = 0; i < std::min(lines.size(), expected.size()); ++i) {
        EXPECT_EQ(lines[i], expected[i]);
    }
    EXPECT_EQ(lines.size(), expected.size());
}

}  // namespace
}  // namespace accel::test
