// SPDX-License-Identifier: Apache-2.0
//
// Each operator of the table computes edge values on the card, folded, and behind nodes of the
// host, and gives the same bits. The models are those of edges/operators.txt, of ONNX's newest
// suite (one node each), and of contrib/.
#include <onnx.pb.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "fixture.hpp"
#include "frontend/file_io.hpp"
#include "frontend/onnx_file.hpp"
#include "frontend/onnx_tensor.hpp"
#include "frontend/operator_table.hpp"
#include "reference_models.hpp"
#include "suite.hpp"
#include "three_ways.hpp"

namespace accel::test {
namespace {

namespace fs = std::filesystem;

using Limits = std::numeric_limits<float>;
constexpr float infinite = Limits::infinity();
constexpr float tiny = Limits::denorm_min();

// The values of an input, in turns. The lengths are primes, so that all values meet each other.
const std::vector<std::vector<float>> real_patterns = {
    {Limits::quiet_NaN(),
     1,
     infinite,
     0,
     -0.0F,
     -infinite,
     tiny,
     -tiny,
     Limits::min() - tiny,
     Limits::max(),
     -Limits::max(),
     -1,
     0.5F,
     88.8F,
     -104,
     1e-6F,
     2e19F,
     65520,
     6e-8F,
     -2.5F,
     2.5F,
     3,
     -7},
    {1, infinite, 0.25F, -infinite, -3, infinite, infinite, 0, -0.0F, -infinite, -infinite},
    {tiny, 0, -0.0F, -tiny, Limits::min(), 1e-30F, -3e-39F, 6e-8F, -5e-8F, Limits::min() - tiny, 0},
    {Limits::max(), 1, -Limits::max(), 3e38F, 1e19F, -65504, -1e30F},
    {0, 0, -0.0F},
    {0.1F},
};
const std::vector<std::vector<std::int64_t>> integer_patterns = {
    {0,     -1,   INT64_MIN, 1,         INT64_MAX,     2,     -2, INT32_MIN,
     127,   -128, 255,       INT32_MAX, UINT32_MAX,    32767, 3,  -32768,
     65535, 7,    -5,        1000003,   INT64_MIN + 1, 64,    100},
    {0},
    {5},
};

// The bits of a value in an integer type.
std::int64_t narrowed(std::int64_t x, DataType type) {
    if (type == DataType::boolean) {
        return x & 1;
    }
    compiler::Tensor tensor(type, {1});
    std::memcpy(tensor.data.data(), &x, size_of(type));
    return tensor.integers()[0];
}

template <typename Number>
std::vector<std::byte> repeated(const std::vector<Number>& values, const TensorData& like,
                                std::size_t first) {
    std::vector<Number> all(static_cast<std::size_t>(compiler::elements(like.shape)));
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i] = values[(first + i + i / values.size()) % values.size()];
        if constexpr (!std::is_same_v<Number, float>) {
            all[i] = narrowed(all[i], like.type);
        }
    }
    return compiler::make_constant(like.type, like.shape, std::span<const Number>(all))->data;
}

// Models of one operator, and their inputs.
class Edges : public SdkTest {
  protected:
    // Reads the models below a folder. False: the model is not of interest, or has inputs that are
    // no tensors.
    void add(const fs::path& folder, const std::function<bool(const onnx::ModelProto&)>& wanted) {
        for (const fs::path& one : find_models(folder)) {
            try {
                Case made{one.filename(), compiler::read_model(one / "model.onnx"), {}, {}};
                if (!wanted(made.model)) {
                    continue;
                }
                made.ports = compiler::describe_inputs(compiler::read_file(one / "model.onnx"),
                                                       "model.onnx");
                for (std::size_t i = 0; i < made.ports.size(); ++i) {
                    made.inputs.push_back(compiler::read_tensor_file(
                        one / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb")));
                    made.inputs[i].type = made.ports[i].type;  // the suite stores bf16 as u16
                }
                note(made.model.graph());
                cases.push_back(std::move(made));
            } catch (const Error&) {
                continue;  // the report of the suite lists what is refused
            }
        }
    }

    void note(const onnx::GraphProto& graph) {
        for (const onnx::NodeProto& node : graph.node()) {
            tested.insert(compiler::qualified_name(node.domain(), node.op_type()));
            for (const auto& attribute : node.attribute()) {
                note(attribute.g());
            }
        }
    }

    std::vector<Case> cases;
    std::set<std::string> tested;
};

// Gives inputs the values of a pattern. `by_name`: those whose names start with x; else those of
// real numbers.
bool apply(Case& one, std::size_t pattern, bool by_name) {
    bool changed = false;
    for (std::size_t i = 0; i < one.inputs.size(); ++i) {
        TensorData& input = one.inputs[i];
        if (by_name && !one.ports[i].name.starts_with("x")) {
            continue;
        }
        if (!compiler::is_integer(input.type)) {
            input.bytes = repeated(real_patterns[pattern], input, i * 7);
            changed = true;
        } else if (by_name && pattern < integer_patterns.size()) {
            input.bytes = repeated(integer_patterns[pattern], input, i * 7);
            changed = true;
        }
    }
    return changed;
}

TEST_F(Edges, EachOperatorGivesTheSameBitsOnTheCardFoldedAndOnTheHost) {
    const fs::path described = made_folder(EDGE_CASES);
    ASSERT_FALSE(described.empty()) << EDGE_CASES " could not make the models";
    const fs::path contrib = made_folder(CONTRIB_CASES);
    ASSERT_FALSE(contrib.empty()) << CONTRIB_CASES " could not make the models";
    const fs::path suite = made_folder(MODEL_SUITE);
    ASSERT_FALSE(suite.empty()) << MODEL_SUITE " could not make the suite";
    add(described, [](const auto&) { return true; });
    const std::size_t by_name = cases.size();
    const auto one_node = [](const onnx::ModelProto& model) {
        return model.graph().node_size() == 1;
    };
    add(suite / "node", one_node);
    add(contrib / "operators", one_node);
    add(contrib / "quantized", one_node);
    std::set<std::string> refused;
    std::ifstream list(described / "refused");
    for (std::string name; list >> name;) {
        refused.insert(name);
    }
    for (const auto& [name, variants] : compiler::operators().all()) {
        EXPECT_TRUE(tested.contains(name) || refused.contains(name))
            << name << " has no model: describe one in edges/operators.txt";
    }

    const Device device = open();
    Queue queue = device.create_queue();
    std::size_t compared = 0;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        for (std::size_t pattern = 0; pattern < real_patterns.size(); ++pattern) {
            Case one = cases[i];
            if (!apply(one, pattern, i < by_name) && pattern > 0) {
                continue;
            }
            const Result card = run_on_card(device, queue, one);
            if (card.refused) {
                EXPECT_TRUE(i >= by_name) << one.name << ": " << card.error;
                continue;
            }
            ++compared;
            const std::string name = one.name + ", pattern " + std::to_string(pattern) + ": ";
            EXPECT_EQ(difference(card, run_folded(device, queue, one)), "") << name << "folded";
            if (fits_host(one)) {
                const Result host = run_on_host(device, queue, one);
                EXPECT_EQ(difference(card, host), "") << name << "on the host";
            }
        }
    }
    std::printf("%zu models, %zu comparisons\n", cases.size(), compared);
}

}  // namespace
}  // namespace accel::test
