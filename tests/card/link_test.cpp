// SPDX-License-Identifier: Apache-2.0
//
// The PCIe link of the timing model agrees with the public efficiency model and the data sheet.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "timing/link.hpp"

namespace accel::test {
namespace {

using card::Link;

constexpr std::uint64_t long_transfer = std::uint64_t{64} * 1024;

// Gb/s of payload for transfers of `bytes`.
double write_rate(const Link& link, std::uint64_t bytes) {
    return link.packet_rate() * static_cast<double>(bytes) /
           static_cast<double>(link.write_bytes(0, bytes));
}
double read_rate(const Link& link, std::uint64_t bytes) {
    return link.packet_rate() * static_cast<double>(bytes) /
           static_cast<double>(link.completion_bytes(0, bytes));
}

accel_core_link config(std::uint32_t generation, std::uint32_t lanes, std::uint32_t payload,
                       std::uint32_t completion) {
    return {.generation = generation,
            .lanes = lanes,
            .payload = payload,
            .read_request = 512,
            .completion = completion};
}

// Published values for Gen 3 x8 with 64-bit addresses.
TEST(LinkModel, Gen3x8GivesThePublishedRates) {
    struct Published {
        std::uint32_t payload;
        double write;
        double read;
    };
    for (const auto& [payload, write, read] :
         {Published{128, 47.7, 49.0}, {256, 52.9, 53.7}, {512, 54.8, 55.2}}) {
        const Link link(config(3, 8, payload, payload));
        EXPECT_NEAR(link.raw_rate(), 63.02, 0.01);
        EXPECT_NEAR(write_rate(link, long_transfer), write, 0.06);
        EXPECT_NEAR(read_rate(link, long_transfer), read, 0.06);
    }
    const Link link(config(3, 8, 256, 256));
    EXPECT_NEAR(write_rate(link, 64), 42.1, 0.05);
    EXPECT_NEAR(read_rate(link, 64), 44.1, 0.05);
}

// | Gen | lanes | payload | write, card | public | read, card | public | read 64, card | public |
TEST(LinkModel, TheCardChargesTheTimesOfTheDataSheet) {
    std::ifstream sheet(CARD_DATA_SHEET);
    int rows = 0;
    bool inside = false;
    for (std::string line; std::getline(sheet, line);) {
        inside = inside ? line.starts_with('|') : line.starts_with("| Gen | lanes | payload |");
        if (!inside || !std::isdigit(static_cast<unsigned char>(line[2]))) {
            continue;
        }
        ++rows;
        std::vector<double> cells;
        std::istringstream in(line.substr(1));
        for (std::string cell; std::getline(in, cell, '|');) {
            cells.push_back(std::stod(cell));
        }
        ASSERT_EQ(cells.size(), 9U) << line;
        const auto number = [&](std::size_t i) { return static_cast<std::uint32_t>(cells[i]); };
        const Link whole(config(number(0), number(1), number(2), number(2)));
        const Link cut(config(number(0), number(1), number(2), 64));
        EXPECT_NEAR(write_rate(whole, long_transfer), cells[3], 0.006) << line;
        EXPECT_NEAR(read_rate(whole, long_transfer), cells[5], 0.006) << line;
        EXPECT_NEAR(read_rate(cut, long_transfer), cells[7], 0.006) << line;
        if (number(0) < 6) {
            for (const std::size_t i : {3U, 5U, 7U}) {
                EXPECT_NEAR(cells[i], cells[i + 1], 0.005 * cells[i + 1]) << line;
            }
        }
    }
    EXPECT_GE(rows, 19);
}

TEST(LinkModel, AFlitCarries236BytesOfPackets) {
    const Link link(config(6, 16, 256, 256));
    EXPECT_DOUBLE_EQ(link.raw_rate(), 1024.0);
    EXPECT_DOUBLE_EQ(link.packet_rate(), 1024.0 * 236 / 256);
    EXPECT_EQ(link.write_bytes(0, 256), 256U + 16U);
    EXPECT_EQ(link.completion_bytes(0, 256), 256U + 12U);
}

TEST(LinkModel, PacketsAreSplitAtMultiplesOfTheLongestPayload) {
    const Link link(config(3, 8, 256, 256));
    EXPECT_EQ(link.write_bytes(0, 0), 0U);
    EXPECT_EQ(link.write_bytes(0, 1), 1U + 24U);
    EXPECT_EQ(link.write_bytes(255, 2), 2U + 2 * 24U);
    EXPECT_EQ(link.write_bytes(4096 - 8, 16), 16U + 2 * 24U);
    EXPECT_EQ(link.request_bytes(0, 4096), 8 * 24U);
    EXPECT_EQ(link.request_bytes(511, 2), 2 * 24U);
    EXPECT_EQ(link.completion_bytes(0, 4096), 4096U + 16 * 20U);
    const Link cut(config(3, 8, 256, 64));
    EXPECT_EQ(cut.completion_bytes(0, 4096), 4096U + 64 * 20U);
}

}  // namespace
}  // namespace accel::test
