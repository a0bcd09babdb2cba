// SPDX-License-Identifier: Apache-2.0
//
// ONNX's operator suite through the driver, on the card in QEMU.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "card.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

TEST(Models, NothingOfTheOperatorSuiteIsWrongAndMostPasses) {
    const Device device = Device::open(bench::Card(0).address());
    Queue queue = device.create_queue();
    std::vector<Verdict> verdicts;
    for (const auto& folder : find_models(suite_folder)) {
        verdicts.push_back(judge(device, queue, folder));
        if (verdicts.size() % 100 == 0) {
            std::cout << verdicts.size() << " models" << std::endl;
        }
    }
    std::cout << summary(verdicts);
    EXPECT_EQ(std::ranges::count(verdicts, Outcome::wrong, &Verdict::outcome), 0);
    EXPECT_GE(std::ranges::count(verdicts, Outcome::passed, &Verdict::outcome), 600);
}

}  // namespace
}  // namespace accel::test
