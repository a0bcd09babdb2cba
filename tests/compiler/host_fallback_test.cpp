// SPDX-License-Identifier: Apache-2.0
//
// The host fallback: used on request only, listed, and with the results that ONNX expects.
#include <algorithm>

#include "accel/model.hpp"
#include "fixture.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

class HostFallback : public SdkTest {
  protected:
    static std::string model(const std::string& name) {
        return std::string(suite_folder) + "/node/" + name + "/model.onnx";
    }
    // Whether the model needs the host fallback.
    static bool needs_fallback(const Device& device, const std::filesystem::path& folder) {
        try {
            static_cast<void>(
                Model::load(device, folder / "model.onnx", {.allow_narrowing = true}));
        } catch (const ConstantInputRequired&) {
            return true;
        } catch (const Error&) {
            return false;  // shapes are missing; these models need no fallback
        }
        return false;
    }
};

TEST_F(HostFallback, ComputesWhatTheSuiteExpects) {
    const Device device = open();
    Queue queue = device.create_queue();
    std::size_t with_fallback = 0;
    std::size_t passed = 0;
    for (const auto& folder : find_models(suite_folder)) {
        const Verdict verdict = judge(device, queue, folder, {.host_fallback = true});
        EXPECT_NE(verdict.outcome, Outcome::wrong) << verdict.name << ": " << verdict.detail;
        passed += verdict.outcome == Outcome::passed ? 1 : 0;
        with_fallback +=
            verdict.outcome == Outcome::passed && needs_fallback(device, folder) ? 1 : 0;
    }
    std::printf("%zu models passed, of which %zu use the host fallback\n", passed, with_fallback);
    EXPECT_GT(with_fallback, 50U);
}

TEST_F(HostFallback, IsUsedOnRequestOnlyAndListsItsNodes) {
    const Device device = open();
    const std::string file = model("test_nonmaxsuppression_two_classes");
    expect_says(error_of([&] { static_cast<void>(Model::load(device, file)); }), file,
                "NonMaxSuppression", "must be known");
    const Model net = Model::load(device, file, {.host_fallback = true});
    ASSERT_EQ(net.host_nodes().size(), 1U);
    EXPECT_EQ(net.host_nodes()[0].node, "NonMaxSuppression");
    EXPECT_NE(net.host_nodes()[0].reason.find("must be known"), std::string::npos);
    EXPECT_EQ(net.outputs()[0].shape, (std::vector<std::int64_t>{4, 3}))
        << "as the file declares it";
    EXPECT_TRUE(
        Model::load(device, model("test_relu"), {.host_fallback = true}).host_nodes().empty());
}

TEST_F(HostFallback, IsRefusedBySubmit) {
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net = Model::load(device, model("test_nonzero_example"), {.host_fallback = true});
    expect_says(error_of([&] { net.submit(queue, {}); }), "Model::run()");
}

TEST_F(HostFallback, IsPartOfCompiledModels) {
    const Device device = open();
    Queue queue = device.create_queue();
    const std::string file = std::string(MODEL_RESULTS) + "host.accel";
    Model::load(device, model("test_nonzero_example"), {.host_fallback = true}).save(file);
    const Model net = Model::load(device, file);
    ASSERT_EQ(net.host_nodes().size(), 1U);
    const TensorInfo& info = net.inputs()[0];
    ASSERT_EQ(info.type, DataType::boolean);
    TensorData in{info.type, info.shape, {std::byte{1}, std::byte{0}, std::byte{0}, std::byte{1}}};
    EXPECT_EQ(net.run(queue, std::vector{in}).at(0).shape, (std::vector<std::int64_t>{2, 2}));
    in.bytes[0] = std::byte{0};
    EXPECT_EQ(net.run(queue, std::vector{in}).at(0).shape, (std::vector<std::int64_t>{2, 1}))
        << "each run decides the shape";
}

}  // namespace
}  // namespace accel::test
