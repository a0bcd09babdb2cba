// SPDX-License-Identifier: Apache-2.0
#include "encoder_model.hpp"

#include <cmath>
#include <numeric>

namespace accel::test {

namespace {

class EncoderBuilder {
  public:
    explicit EncoderBuilder(const EncoderSizes& sizes) : s_(sizes) {}

    ModelBuilder run() {
        m_.input("ids", {"batch", "sequence"}, onnx::TensorProto::INT64);
        m_.input("mask", {"batch", "sequence"}, onnx::TensorProto::INT64);
        std::string x = embedded();
        const std::string bias = mask_bias();
        for (std::int64_t i = 0; i < s_.layers; ++i) {
            layer_ = "layer" + std::to_string(i);
            x = normalized(node("Add", {x, attention(x, bias)}));
            const std::string inner =
                node("Gelu", {linear(x, "inner", s_.width, s_.inner)});
            x = normalized(node("Add", {x, linear(inner, "outer", s_.inner, s_.width)}));
        }
        m_.node("Identity", {x}, {"y"});
        m_.output("y");
        return std::move(m_);
    }

  private:
    std::string node(const std::string& op, const std::vector<std::string>& inputs) {
        const std::string name = "n" + std::to_string(++names_);
        last_ = &m_.node(op, inputs, {name}, name);
        return name;
    }

    // Numbers of a small generator, so that a model of any size is the same everywhere.
    std::string weights(const std::string& name, const std::vector<std::int64_t>& dims,
                        float scale) {
        auto& made = *m_.graph().add_initializer();
        made.set_name(name);
        made.set_data_type(onnx::TensorProto::FLOAT);
        made.mutable_dims()->Add(dims.begin(), dims.end());
        const auto count = static_cast<std::size_t>(
            std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>()));
        std::vector<float> values(count);
        for (float& value : values) {
            seed_ = seed_ * 1664525 + 1013904223;
            value = (static_cast<float>(seed_ >> 8) / 8388608.0F - 1) * scale;
        }
        made.set_raw_data(values.data(), values.size() * sizeof(float));
        return name;
    }

    std::string integers(const std::vector<std::int64_t>& values, bool scalar = false) {
        const std::string name = "c" + std::to_string(++names_);
        auto& made = *m_.graph().add_initializer();
        made.set_name(name);
        made.set_data_type(onnx::TensorProto::INT64);
        if (!scalar) {
            made.add_dims(std::ssize(values));
        }
        made.mutable_int64_data()->Add(values.begin(), values.end());
        return name;
    }

    // A length of `x`, as a tensor of one element.
    std::string length(const std::string& x, std::int64_t axis) {
        return node("Gather", {node("Shape", {x}), integers({axis})});
    }

    std::string embedded() {
        const std::string words =
            node("Gather", {weights("words", {s_.words, s_.width}, 1), "ids"});
        std::vector<std::int64_t> all(static_cast<std::size_t>(s_.positions));
        std::iota(all.begin(), all.end(), 0);
        const std::string positions =
            node("Slice", {integers(all), integers({0}), length("ids", 1), integers({0})});
        const std::string places =
            node("Gather", {weights("positions", {s_.positions, s_.width}, 1), positions});
        return normalized(node("Add", {words, places}));
    }

    // 0 where the mask is 1, and a large negative number elsewhere: [batch, 1, 1, sequence].
    std::string mask_bias() {
        const std::string wide = node("Unsqueeze", {"mask", integers({1, 2})});
        const std::string real = node("Cast", {wide});
        integer(*last_, "to", onnx::TensorProto::FLOAT);
        const std::string inverted = node("Sub", {scalar(1), real});
        return node("Mul", {inverted, scalar(-10000)});
    }

    std::string scalar(float value) {
        const std::string name = "s" + std::to_string(++names_);
        auto& made = *m_.graph().add_initializer();
        made.set_name(name);
        made.set_data_type(onnx::TensorProto::FLOAT);
        made.add_float_data(value);
        return name;
    }

    std::string linear(const std::string& x, const std::string& name, std::int64_t from,
                       std::int64_t to) {
        const float scale = 1 / std::sqrt(static_cast<float>(from));
        const std::string product =
            node("MatMul", {x, weights(layer_ + "." + name, {from, to}, scale)});
        return node("Add", {product, weights(layer_ + "." + name + ".bias", {to}, scale)});
    }

    std::string normalized(const std::string& x) {
        const std::string name = "norm" + std::to_string(++names_);
        const std::string made = node(
            "LayerNormalization", {x, weights(name, {s_.width}, 1), weights(name + "b", {s_.width}, 1)});
        integer(*last_, "axis", -1);
        return made;
    }

    // [batch, sequence, width] as [batch, heads, sequence, width / heads].
    std::string heads(const std::string& x, bool transposed) {
        const std::string shape =
            node("Concat", {length(x, 0), length(x, 1), integers({s_.heads}),
                            integers({s_.width / s_.heads})});
        integer(*last_, "axis", 0);
        const std::string apart = node("Reshape", {x, shape});
        const std::string result = node("Transpose", {apart});
        auto& perm = attribute(*last_, "perm");
        perm.set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t axis : transposed ? std::vector<std::int64_t>{0, 2, 3, 1}
                                                  : std::vector<std::int64_t>{0, 2, 1, 3}) {
            perm.add_ints(axis);
        }
        return result;
    }

    std::string attention(const std::string& x, const std::string& bias) {
        const std::string q = heads(linear(x, "q", s_.width, s_.width), false);
        const std::string k = heads(linear(x, "k", s_.width, s_.width), true);
        const std::string v = heads(linear(x, "v", s_.width, s_.width), false);
        const float scale = std::sqrt(static_cast<float>(s_.width / s_.heads));
        const std::string scores = node("Div", {node("MatMul", {q, k}), scalar(scale)});
        const std::string weights = node("Softmax", {node("Add", {scores, bias})});
        integer(*last_, "axis", -1);
        const std::string mixed = node("Transpose", {node("MatMul", {weights, v})});
        auto& perm = attribute(*last_, "perm");
        perm.set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t axis : {0, 2, 1, 3}) {
            perm.add_ints(axis);
        }
        const std::string shape =
            node("Concat", {length(x, 0), length(x, 1), integers({s_.width})});
        integer(*last_, "axis", 0);
        return linear(node("Reshape", {mixed, shape}), "out", s_.width, s_.width);
    }

    EncoderSizes s_;
    ModelBuilder m_{20};
    onnx::NodeProto* last_ = nullptr;  // that node() made
    std::string layer_;
    std::uint32_t seed_ = 1;
    int names_ = 0;
};

}  // namespace

ModelBuilder encoder_model(const EncoderSizes& sizes) {
    return EncoderBuilder(sizes).run();
}

}  // namespace accel::test
