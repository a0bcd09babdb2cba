// SPDX-License-Identifier: Apache-2.0
//
// Operators of the domain com.microsoft, and the files that ONNX Runtime's optimizer and quantizers
// write, compared with ONNX Runtime.
#include <fstream>

#include "fixture.hpp"
#include "reference_models.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

// Options with the tolerance of a case.
SuiteOptions options_of(const std::filesystem::path& folder) {
    SuiteOptions options;
    std::ifstream(folder / "tolerance") >> options.relative >> options.absolute >> options.steps;
    return options;
}

class Contrib : public SdkTest, public ::testing::WithParamInterface<const char*> {
  protected:
    void SetUp() override {
        static const std::filesystem::path folder = made_folder(CONTRIB_CASES);
        ASSERT_FALSE(folder.empty()) << CONTRIB_CASES " could not make the models";
        cases = find_models(folder / GetParam());
        ASSERT_GT(cases.size(), 90U);
    }
    std::vector<std::filesystem::path> cases;
};

TEST_P(Contrib, ResultsAreThoseOfOnnxRuntime) {
    const Device device = open();
    Queue queue = device.create_queue();
    for (const auto& folder : cases) {
        const Verdict verdict = judge(device, queue, folder, options_of(folder));
        EXPECT_EQ(verdict.outcome, Outcome::passed) << verdict.name << ": " << verdict.detail;
    }
}

TEST_P(Contrib, FoldedResultsAreThoseOfOnnxRuntime) {
    const Device device = open();
    Queue queue = device.create_queue();
    for (const auto& folder : cases) {
        SuiteOptions options = options_of(folder);
        options.folded = true;
        const Verdict verdict = judge(device, queue, folder, options);
        EXPECT_EQ(verdict.outcome, Outcome::passed) << verdict.name << ": " << verdict.detail;
    }
}

INSTANTIATE_TEST_SUITE_P(Cases, Contrib, ::testing::Values("operators", "quantized", "models"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace accel::test
