// SPDX-License-Identifier: Apache-2.0
//
// ONNX's operator suite on the core of the emulated card. The suite `vm` runs it through the
// driver.
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <set>

#include "fixture.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

// The folder of the newest suite; empty if it cannot be fetched.
std::string newest_suite() {
    std::string name;
    FILE* const pipe = popen(MODEL_SUITE, "r");
    for (int c = pipe != nullptr ? std::fgetc(pipe) : EOF; c != EOF && c != '\n';
         c = std::fgetc(pipe)) {
        name.push_back(static_cast<char>(c));
    }
    return pipe != nullptr && pclose(pipe) == 0 ? name : "";
}

class OperatorSuite : public SdkTest {
  protected:
    // Judges all models of a folder, and compares with what `make model-report` recorded.
    void expect_as_recorded(const std::string& folder, const char* suite) {
        const nlohmann::json record = nlohmann::json::parse(std::ifstream(MODEL_RECORD)).at(suite);
        const auto loosely = record.at("loosely").get<std::set<std::string>>();
        const Device device = open();
        Queue queue = device.create_queue();
        std::vector<Verdict> verdicts;
        std::ofstream list(std::string(MODEL_RESULTS) + suite + ".txt");
        for (const auto& model : find_models(folder)) {
            verdicts.push_back(judge(device, queue, model));
            const Verdict& v = verdicts.back();
            list << static_cast<int>(v.outcome) << " " << v.name << " " << v.detail << std::endl;
            if (queue.failure()) {
                queue.reset();
            }
            EXPECT_NE(v.outcome, Outcome::wrong) << v.name << ": " << v.detail;
            EXPECT_TRUE(v.outcome != Outcome::loosely || loosely.contains(v.name))
                << v.name << " passed exactly, and is " << v.detail;
            EXPECT_TRUE(v.outcome != Outcome::unsupported || record.at("refused").contains(v.name))
                << v.name << " was not refused before: " << v.detail;
        }
        std::cout << summary(verdicts);
        EXPECT_GE(std::ranges::count(verdicts, Outcome::passed, &Verdict::outcome),
                  record.at("passed").get<std::ptrdiff_t>());
    }
};

TEST_F(OperatorSuite, OfDebianPassesAsRecorded) {
    expect_as_recorded(suite_folder, "debian");
}

TEST_F(OperatorSuite, TheNewestPassesAsRecorded) {
    const std::string folder = newest_suite();
    ASSERT_FALSE(folder.empty()) << MODEL_SUITE " could not make the suite";
    expect_as_recorded(folder, "newest");
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
