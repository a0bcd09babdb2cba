// SPDX-License-Identifier: Apache-2.0
//
// ONNX's operator suite on the core of the emulated card. The suite `vm` runs it through the
// driver.
#include <fstream>
#include <iostream>

#include "fixture.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

class OperatorSuite : public SdkTest {};

TEST_F(OperatorSuite, NothingIsWrongAndMostModelsPass) {
    const Device device = open();
    Queue queue = device.create_queue();
    std::vector<Verdict> verdicts;
    std::ofstream list(MODEL_RESULTS "suite.txt");
    for (const auto& folder : find_models(suite_folder)) {
        verdicts.push_back(judge(device, queue, folder));
        const Verdict& v = verdicts.back();
        list << static_cast<int>(v.outcome) << " " << v.name << " " << v.detail << std::endl;
        if (queue.failure()) {
            queue.reset();
        }
    }
    std::cout << summary(verdicts);
    EXPECT_EQ(std::ranges::count(verdicts, Outcome::wrong, &Verdict::outcome), 0);
    EXPECT_GE(std::ranges::count(verdicts, Outcome::passed, &Verdict::outcome), 600);
}

// Constant folding gives the results that the card gives.
TEST_F(OperatorSuite, NothingIsWrongWhenAllInputsAreConstant) {
    const Device device = open();
    Queue queue = device.create_queue();
    std::size_t passed = 0;
    for (const auto& folder : find_models(suite_folder)) {
        const Verdict verdict = judge(device, queue, folder, {.folded = true});
        EXPECT_NE(verdict.outcome, Outcome::wrong) << verdict.name << ": " << verdict.detail;
        passed += verdict.outcome == Outcome::passed ? 1 : 0;
    }
    EXPECT_GT(passed, 900U);
}

}  // namespace
}  // namespace accel::test
