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

// In the numbers of ONNX.
enum class AttributeKind : int {
    real = onnx::AttributeProto::FLOAT,
    integer = onnx::AttributeProto::INT,
    text = onnx::AttributeProto::STRING,
    tensor = onnx::AttributeProto::TENSOR,
    reals = onnx::AttributeProto::FLOATS,
    integers = onnx::AttributeProto::INTS,
    texts = onnx::AttributeProto::STRINGS,
};

namespace {

bool is_empty_list(const onnx::AttributeProto& a) {
    const auto type = a.type();
    const bool is_list =
        type == onnx::AttributeProto::FLOATS || type == onnx::AttributeProto::INTS ||
        type == onnx::AttributeProto::STRINGS || type == onnx::AttributeProto::UNDEFINED;
    return is_list && !a.has_f() && !a.has_i() && !a.has_s() && !a.has_t() && !a.has_g() &&
           a.floats().empty() && a.ints().empty() && a.strings().empty();
}

// The type of an attribute. Old files do not state it.
onnx::AttributeProto::AttributeType type_of(const onnx::AttributeProto& a) {
    using Attribute = onnx::AttributeProto;
    if (a.type() != Attribute::UNDEFINED) {
        return a.type();
    }
    return a.has_f()             ? Attribute::FLOAT
           : a.has_i()           ? Attribute::INT
           : a.has_s()           ? Attribute::STRING
           : a.has_t()           ? Attribute::TENSOR
           : !a.floats().empty() ? Attribute::FLOATS
           : !a.ints().empty()   ? Attribute::INTS
                                 : Attribute::STRINGS;
}

void check_kind(const onnx::AttributeProto& a, AttributeKind kind) {
    using Attribute = onnx::AttributeProto;
    const auto expected = static_cast<Attribute::AttributeType>(kind);
    const Attribute::AttributeType given = type_of(a);
    const bool lists = expected == Attribute::FLOATS || expected == Attribute::INTS ||
                       expected == Attribute::STRINGS;
    // Some writers give a list without elements another type.
    if (given == expected || (lists && is_empty_list(a))) {
        return;
    }
    refuse("its attribute '" + a.name() + "' has the type " + Attribute::AttributeType_Name(given) +
               ", not " + Attribute::AttributeType_Name(expected),
           "give the attribute that type, and check the model with onnx.checker");
}

[[noreturn]] void refuse_absent(const char* attribute) {
    refuse(std::string("its attribute '") + attribute + "' is missing",
           "add the attribute, and check the model with onnx.checker");
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
const onnx::AttributeProto* Node::find(const char* attribute, AttributeKind kind) const {
    const auto* a = find(attribute);
    if (a != nullptr) {
        check_kind(*a, kind);
    }
    return a;
}
std::int64_t Node::integer(const char* attribute, std::int64_t otherwise) const {
    const auto* a = find(attribute, AttributeKind::integer);
    return a != nullptr ? a->i() : otherwise;
}
std::int64_t Node::integer(const char* attribute) const {
    if (!has(attribute)) {
        refuse_absent(attribute);
    }
    return integer(attribute, 0);
}
float Node::real(const char* attribute, float otherwise) const {
    const auto* a = find(attribute, AttributeKind::real);
    return a != nullptr ? a->f() : otherwise;
}
std::string Node::text(const char* attribute, const std::string& otherwise) const {
    const auto* a = find(attribute, AttributeKind::text);
    return a != nullptr ? a->s() : otherwise;
}
std::string Node::text(const char* attribute) const {
    if (!has(attribute)) {
        refuse_absent(attribute);
    }
    return text(attribute, "");
}
std::vector<std::int64_t> Node::list(const char* attribute,
                                     std::vector<std::int64_t> otherwise) const {
    const auto* a = find(attribute, AttributeKind::integers);
    return a != nullptr ? std::vector<std::int64_t>(a->ints().begin(), a->ints().end())
                        : std::move(otherwise);
}
std::vector<float> Node::reals(const char* attribute) const {
    const auto* a = find(attribute, AttributeKind::reals);
    return a != nullptr ? std::vector<float>(a->floats().begin(), a->floats().end())
                        : std::vector<float>();
}
std::vector<std::string> Node::texts(const char* attribute) const {
    const auto* a = find(attribute, AttributeKind::texts);
    return a != nullptr ? std::vector<std::string>(a->strings().begin(), a->strings().end())
                        : std::vector<std::string>();
}
Constant Node::tensor(const char* attribute) const {
    const auto* a = find(attribute, AttributeKind::tensor);
    return a != nullptr ? import_tensor(a->t(), weights_) : nullptr;
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
