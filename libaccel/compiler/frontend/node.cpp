// SPDX-License-Identifier: Apache-2.0
#include "frontend/node.hpp"

#include <onnx.pb.h>

#include <algorithm>

#include "frontend/onnx_tensor.hpp"

namespace accel::compiler {

namespace {

template <typename T>
T first_of(const std::vector<T>& values, std::size_t input) {
    if (values.empty()) {
        refuse("its input " + std::to_string(input) + " has no elements, and it needs one");
    }
    return values[0];
}

}  // namespace

std::size_t Node::output_count() const {
    return static_cast<std::size_t>(proto_.output_size());
}

ValueId Node::in(std::size_t i) const {
    const ValueId id = any(i);
    b.require_tensor(id, "its input " + std::to_string(i));
    return id;
}

ValueId Node::any(std::size_t i) const {
    if (!has(i)) {
        refuse("its input " + std::to_string(i) + " is missing");
    }
    return *inputs_[i];
}

const std::vector<ValueId>& Node::sequence(std::size_t i) const {
    const std::vector<ValueId>* const elements = b.sequence_elements(any(i));
    if (elements == nullptr) {
        refuse("its input " + std::to_string(i) + " is no sequence");
    }
    return *elements;
}

std::vector<ValueId> Node::all() const {
    std::vector<ValueId> values;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        values.push_back(in(i));
    }
    return values;
}

std::vector<std::int64_t> Node::integers(std::size_t i) const {
    return b.require_constant(in(i), "its input " + std::to_string(i)).integers();
}
std::vector<float> Node::floats(std::size_t i) const {
    return b.require_constant(in(i), "its input " + std::to_string(i)).floats();
}
std::int64_t Node::first_integer(std::size_t i) const {
    return first_of(integers(i), i);
}
float Node::first_float(std::size_t i) const {
    return first_of(floats(i), i);
}

const onnx::AttributeProto* Node::find(const char* attribute) const {
    for (const auto& a : proto_.attribute()) {
        if (a.name() == attribute) {
            return &a;
        }
    }
    return nullptr;
}
std::int64_t Node::integer(const char* attribute, std::int64_t otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? a->i() : otherwise;
}
float Node::real(const char* attribute, float otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? a->f() : otherwise;
}
std::string Node::text(const char* attribute, const std::string& otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? a->s() : otherwise;
}
std::vector<std::int64_t> Node::list(const char* attribute,
                                     std::vector<std::int64_t> otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? std::vector<std::int64_t>(a->ints().begin(), a->ints().end())
                        : std::move(otherwise);
}
std::vector<float> Node::reals(const char* attribute) const {
    const auto* a = find(attribute);
    return a != nullptr ? std::vector<float>(a->floats().begin(), a->floats().end())
                        : std::vector<float>();
}
std::vector<std::string> Node::texts(const char* attribute) const {
    const auto* a = find(attribute);
    return a != nullptr ? std::vector<std::string>(a->strings().begin(), a->strings().end())
                        : std::vector<std::string>();
}
Constant Node::tensor(const char* attribute) const {
    const auto* a = find(attribute);
    return a != nullptr ? weights_ != nullptr ? weights_->import(a->t()) : import_tensor(a->t()) : nullptr;
}

std::vector<ValueId> Node::inlined(const char* attribute,
                                   const std::vector<ValueId>& inputs) const {
    if (!inliner_) {
        refuse(std::string("its graph '") + attribute + "' cannot be imported here");
    }
    return inliner_(attribute, inputs);
}

std::vector<std::size_t> Node::axes(std::size_t input, std::size_t rank) const {
    std::vector<std::int64_t> given = has(input) ? integers(input) : list("axes");
    std::vector<std::size_t> result;
    for (const std::int64_t axis : given) {
        const std::size_t a = normalize_axis(axis, rank);
        if (std::ranges::find(result, a) != result.end()) {
            refuse("it names axis " + std::to_string(axis) + " more than once");
        }
        result.push_back(a);
    }
    return result;
}

const onnx::GraphProto& inner_graph(const onnx::NodeProto& node, const char* name) {
    for (const auto& attribute : node.attribute()) {
        if (attribute.name() == name && attribute.has_g()) {
            return attribute.g();
        }
    }
    refuse(std::string("it has no graph '") + name + "'");
}

}  // namespace accel::compiler
