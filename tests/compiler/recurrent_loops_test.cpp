// SPDX-License-Identifier: Apache-2.0
//
// RNN, GRU and LSTM are loops of the card: the commands do not grow with the number of steps.
#include "loops_fixture.hpp"

namespace accel::test {
namespace {

struct Recurrent {
    std::string op;
    std::string direction;
    bool lengths = false;  // differ within the batch
    std::int64_t layout = 0;
    bool linear = false;    // GRU: linear_before_reset
    bool peephole = false;  // LSTM
};

std::string name_of(const testing::TestParamInfo<Recurrent>& info) {
    const Recurrent& r = info.param;
    return r.op + r.direction + (r.lengths ? "Lengths" : "") + (r.layout != 0 ? "BatchFirst" : "") +
           (r.linear ? "Linear" : "") + (r.peephole ? "Peephole" : "");
}

class RecurrentLoops : public Loops, public testing::WithParamInterface<Recurrent> {
  protected:
    void build(const Recurrent& r, std::int64_t steps) {
        constexpr std::int64_t batch = 3;
        constexpr std::int64_t features = 5;
        constexpr std::int64_t hidden = 4;
        const std::int64_t directions = r.direction == "bidirectional" ? 2 : 1;
        const std::int64_t gates = r.op == "LSTM" ? 4 : r.op == "GRU" ? 3 : 1;
        const bool batch_first = r.layout != 0;
        input("x",
              random_tensor(
                  batch_first ? Sizes{batch, steps, features} : Sizes{steps, batch, features}, 1));
        weight("w", random_tensor({directions, gates * hidden, features}, 2));
        weight("r", random_tensor({directions, gates * hidden, hidden}, 3));
        weight("b", random_tensor({directions, 2 * gates * hidden}, 4));
        const Sizes state =
            batch_first ? Sizes{batch, directions, hidden} : Sizes{directions, batch, hidden};
        input("h", random_tensor(state, 5));
        Names names{"x", "w", "r", "b", "", "h"};
        if (r.lengths) {
            input("lengths", tensor<std::int32_t>(DataType::i32, {batch},
                                                  {static_cast<std::int32_t>(steps), 1,
                                                   static_cast<std::int32_t>(steps - 3)}));
            names[4] = "lengths";
        }
        Names results{"y", "last"};
        if (r.op == "LSTM") {
            input("c", random_tensor(state, 6));
            names.emplace_back("c");
            results.emplace_back("cell");
        }
        if (r.peephole) {
            weight("p", random_tensor({directions, 3 * hidden}, 7));
            names.emplace_back("p");
        }
        onnx::NodeProto& node = made.node(r.op, names, results, "net");
        integer(node, "hidden_size", hidden);
        integer(node, "layout", r.layout);
        if (r.op == "GRU") {
            integer(node, "linear_before_reset", r.linear ? 1 : 0);
        }
        onnx::AttributeProto& direction = attribute_of(node, "direction");
        direction.set_type(onnx::AttributeProto::STRING);
        direction.set_s(r.direction);
        outputs(results);
    }
    static onnx::AttributeProto& attribute_of(onnx::NodeProto& node, const std::string& name) {
        onnx::AttributeProto& made = *node.add_attribute();
        made.set_name(name);
        return made;
    }
};

TEST_P(RecurrentLoops, HaveTheBitsOfTheUnrolledNet) {
    build(GetParam(), 19);
    static_cast<void>(expect_same_bits());
}

INSTANTIATE_TEST_SUITE_P(
    Each, RecurrentLoops,
    testing::Values(Recurrent{"RNN", "forward"}, Recurrent{"RNN", "reverse"},
                    Recurrent{"RNN", "bidirectional", true}, Recurrent{"GRU", "forward", true},
                    Recurrent{"GRU", "reverse", false, 1},
                    Recurrent{"GRU", "bidirectional", true, 0, true}, Recurrent{"LSTM", "forward"},
                    Recurrent{"LSTM", "reverse", true}, Recurrent{"LSTM", "bidirectional"},
                    Recurrent{"LSTM", "bidirectional", true, 1},
                    Recurrent{"LSTM", "forward", true, 0, false, true}),
    name_of);

class LongRecurrentNets : public RecurrentLoops {};

TEST_P(LongRecurrentNets, HaveAsManyCommandsAsShortOnes) {
    const Recurrent& r = GetParam();
    build(r, 16);
    const std::size_t few = load().commands().size();
    made = ModelBuilder();
    build(r, 600);
    const std::size_t many = load().commands().size();
    EXPECT_EQ(few, many);
    EXPECT_LT(many, 60U);
}

INSTANTIATE_TEST_SUITE_P(Each, LongRecurrentNets,
                         testing::Values(Recurrent{"RNN", "bidirectional"},
                                         Recurrent{"GRU", "bidirectional"},
                                         Recurrent{"LSTM", "bidirectional", true}),
                         name_of);

TEST_F(Loops, FourBidirectionalLayersOfManyStepsAreShort) {
    constexpr std::int64_t hidden = 8;
    input("x", random_tensor({589, 1, 2 * hidden}, 1));
    for (int layer = 0; layer < 4; ++layer) {
        const std::string n = std::to_string(layer);
        weight("w" + n, random_tensor({2, 4 * hidden, 2 * hidden}, 2));
        weight("r" + n, random_tensor({2, 4 * hidden, hidden}, 3));
        weight("b" + n, random_tensor({2, 8 * hidden}, 4));
        onnx::NodeProto& node =
            made.node("LSTM", {layer == 0 ? "x" : "x" + n, "w" + n, "r" + n, "b" + n}, {"y" + n});
        integer(node, "hidden_size", hidden);
        onnx::AttributeProto& direction = *node.add_attribute();
        direction.set_name("direction");
        direction.set_type(onnx::AttributeProto::STRING);
        direction.set_s("bidirectional");
        weight("shape" + n, integers({3}, {589, 1, 2 * hidden}));
        const std::string next = std::to_string(layer + 1);
        onnx::NodeProto& moved = made.node("Transpose", {"y" + n}, {"t" + n});
        onnx::AttributeProto& perm = *moved.add_attribute();
        perm.set_name("perm");
        perm.set_type(onnx::AttributeProto::INTS);
        for (const int axis : {0, 2, 1, 3}) {
            perm.add_ints(axis);
        }
        made.node("Reshape", {"t" + n, "shape" + n}, {"x" + next});
    }
    outputs({"x4"});
    const Model net = load();
    EXPECT_LT(net.commands().size(), 200U);
    EXPECT_EQ(count(net, "LOOP"), 8U);
    static_cast<void>(expect_same_bits());
}

}  // namespace
}  // namespace accel::test
