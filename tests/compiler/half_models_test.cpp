// SPDX-License-Identifier: Apache-2.0
//
// Models in f16 against the same models in f32: not further away than ONNX Runtime's own f16.
#include <algorithm>
#include <cmath>
#include <fstream>

#include "fixture.hpp"
#include "ir/tensor.hpp"
#include "reference_models.hpp"
#include "suite.hpp"
#include "value_file.hpp"

namespace accel::test {
namespace {

namespace fs = std::filesystem;

// ONNX Runtime's signal-to-noise ratios, in dB. It rounds weights that it merges with others to f16
// anew, which moves a ratio up or down by chance.
struct Ratios {
    double all = 0;       // with all optimizations
    double separate = 0;  // normalizations are not merged into weights
};

class HalfModels : public SdkTest {
  protected:
    void SetUp() override {
        folder = made_folder(std::string(HALF_CASES) + " '" + FASHION_MODELS + "'");
        ASSERT_FALSE(folder.empty()) << HALF_CASES " could not make the models";
    }

    static std::vector<TensorData> tensors(const fs::path& set, const std::string& kind) {
        std::vector<TensorData> all;
        for (int i = 0;; ++i) {
            const fs::path file = set / (kind + "_" + std::to_string(i) + ".pb");
            if (!fs::exists(file)) {
                return all;
            }
            all.push_back(read_value_file(file).at(0));
        }
    }

    static std::vector<float> numbers(const TensorData& data) {
        compiler::Tensor tensor(data.type, data.shape);
        tensor.data = data.bytes;
        return tensor.floats();
    }

    // The power of the signal by that of the difference from the f32 model, in dB.
    double decibels(const Device& device, Queue& queue, const fs::path& model) {
        const Model net = Model::load(device, model / "model.onnx");
        double signal = 0;
        double noise = 0;
        for (int i = 0; fs::exists(model / ("test_data_set_" + std::to_string(i))); ++i) {
            const fs::path set = model / ("test_data_set_" + std::to_string(i));
            const auto got = net.run(queue, tensors(set, "input"));
            const auto expected = tensors(set, "output");
            EXPECT_EQ(got.size(), expected.size());
            for (std::size_t k = 0; k < got.size(); ++k) {
                const auto x = numbers(got[k]);
                const auto y = numbers(expected[k]);
                EXPECT_EQ(x.size(), y.size());
                for (std::size_t j = 0; j < x.size(); ++j) {
                    signal += double{y[j]} * double{y[j]};
                    noise += std::pow(double{x[j]} - double{y[j]}, 2);
                }
            }
        }
        return 10 * std::log10(signal / noise);
    }

    static Ratios ratios_of(const fs::path& model) {
        Ratios ratios;
        std::ifstream(model / "decibels") >> ratios.all >> ratios.separate;
        return ratios;
    }

    fs::path folder;
};

TEST_F(HalfModels, AreNotFurtherFromF32ThanInOnnxRuntime) {
    // Another order of the sums in f32 moves a ratio by about this much.
    constexpr double jitter = 0.1;
    const Device device = open();
    Queue queue = device.create_queue();
    std::ofstream table(MODEL_RESULTS "half-models.md");
    table.precision(1);
    table << std::fixed;
    const auto models = find_models(folder);
    ASSERT_GT(models.size(), 60U);
    for (const fs::path& model : models) {
        const Ratios theirs = ratios_of(model);
        const double ours = decibels(device, queue, model);
        const std::string name = fs::relative(model, folder).string();
        EXPECT_GE(ours, std::min(theirs.all, theirs.separate) - jitter) << name;
        table << "| " << name << " | " << ours << " | " << theirs.all << " | " << theirs.separate
              << " |\n";
    }
}

}  // namespace
}  // namespace accel::test
