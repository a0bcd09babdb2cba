// SPDX-License-Identifier: Apache-2.0
//
// What operators see of a file: tensors, and the inputs and attributes of a node.
#include <onnx.pb.h>

#include <algorithm>
#include <cstring>

#include "frontend/operator.hpp"

namespace accel::compiler {

DataType type_of(std::int64_t onnx_type) {
    switch (onnx_type) {
        case onnx::TensorProto::FLOAT:
            return DataType::f32;
        case onnx::TensorProto::BFLOAT16:
            return DataType::bf16;
        case onnx::TensorProto::FLOAT16:
            return DataType::f16;
        case onnx::TensorProto::INT8:
            return DataType::i8;
        case onnx::TensorProto::UINT8:
            return DataType::u8;
        case onnx::TensorProto::INT16:
            return DataType::i16;
        case onnx::TensorProto::UINT16:
            return DataType::u16;
        case onnx::TensorProto::INT32:
            return DataType::i32;
        case onnx::TensorProto::UINT32:
            return DataType::u32;
        case onnx::TensorProto::INT64:
            return DataType::i64;
        case onnx::TensorProto::BOOL:
            return DataType::boolean;
        case onnx::TensorProto::DOUBLE:
            return DataType::f64;
        case onnx::TensorProto::UINT64:
            return DataType::u64;
        default:
            break;
    }
    const int number = static_cast<int>(onnx_type);
    const std::string name =
        onnx::TensorProto::DataType_IsValid(number)
            ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(number))
            : std::to_string(onnx_type);
    refuse("the card has no numbers of type " + name + ": convert the model to one of its types");
}

std::int32_t number_of(DataType type) {
    for (std::int32_t number = 1; onnx::TensorProto::DataType_IsValid(number); ++number) {
        const bool other = number == onnx::TensorProto::STRING ||
                           number == onnx::TensorProto::COMPLEX64 ||
                           number == onnx::TensorProto::COMPLEX128;
        if (!other && type_of(number) == type) {
            return number;
        }
    }
    return onnx::TensorProto::UNDEFINED;
}

namespace {

template <typename T, typename Field>
void copy_field(const Field& field, Tensor& tensor) {
    if (static_cast<std::size_t>(field.size()) != tensor.data.size() / sizeof(T)) {
        refuse("a tensor of the file holds " + std::to_string(field.size()) +
               " elements, which is not what its shape " + to_string(tensor.dims) + " says");
    }
    for (int i = 0; i < field.size(); ++i) {
        const auto value = static_cast<T>(field.Get(i));
        std::memcpy(tensor.data.data() + static_cast<std::size_t>(i) * sizeof(T), &value,
                    sizeof(T));
    }
}

}  // namespace

Constant read_tensor(const onnx::TensorProto& proto) {
    if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
        refuse("tensor '" + proto.name() + "' lies in a file of its own, and no file was loaded");
    }
    const DataType type = type_of(proto.data_type());
    Dims dims(proto.dims().begin(), proto.dims().end());
    const std::int64_t count = elements(dims);
    // Nothing is allocated that the file does not pay for.
    const auto stated = static_cast<std::int64_t>(proto.raw_data().size()) / size_of(type) +
                        proto.float_data_size() + proto.int32_data_size() +
                        proto.int64_data_size() + proto.uint64_data_size() +
                        proto.double_data_size();
    if (count > stated) {
        refuse("tensor '" + proto.name() + "' of the shape " + to_string(dims) + " has only " +
               std::to_string(stated) + " elements in the file");
    }
    auto tensor = std::make_shared<Tensor>(type, std::move(dims));
    if (proto.has_raw_data() && !proto.raw_data().empty()) {
        if (proto.raw_data().size() != tensor->data.size()) {
            refuse("tensor '" + proto.name() + "' has " + std::to_string(proto.raw_data().size()) +
                   " bytes where its shape asks for " + std::to_string(tensor->data.size()));
        }
        const auto raw = std::as_bytes(std::span(proto.raw_data()));
        std::ranges::copy(raw, tensor->data.begin());
        return tensor;
    }
    switch (type) {
        case DataType::f32:
            copy_field<float>(proto.float_data(), *tensor);
            break;
        case DataType::i64:
            copy_field<std::int64_t>(proto.int64_data(), *tensor);
            break;
        case DataType::u32:
            copy_field<std::uint32_t>(proto.uint64_data(), *tensor);
            break;
        case DataType::f64:
            copy_field<double>(proto.double_data(), *tensor);
            break;
        case DataType::u64:
            copy_field<std::uint64_t>(proto.uint64_data(), *tensor);
            break;
        case DataType::i32:
            copy_field<std::int32_t>(proto.int32_data(), *tensor);
            break;
        case DataType::i16:
        case DataType::u16:
        case DataType::f16:
        case DataType::bf16:
            copy_field<std::uint16_t>(proto.int32_data(), *tensor);
            break;
        default:
            copy_field<std::uint8_t>(proto.int32_data(), *tensor);
            break;
    }
    return tensor;
}

// ---- Node

ValueId Node::in(std::size_t i) const {
    if (!has(i)) {
        refuse("its input " + std::to_string(i) + " is missing");
    }
    return *inputs_[i];
}

std::vector<ValueId> Node::all() const {
    std::vector<ValueId> values;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        values.push_back(in(i));
    }
    return values;
}

std::vector<std::int64_t> Node::integers(std::size_t i) const {
    return b.known(in(i), "its input " + std::to_string(i)).integers();
}
std::vector<float> Node::floats(std::size_t i) const {
    return b.known(in(i), "its input " + std::to_string(i)).floats();
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
    return a != nullptr ? read_tensor(a->t()) : nullptr;
}

std::vector<std::size_t> Node::axes(std::size_t input, std::size_t rank) const {
    std::vector<std::int64_t> given = has(input) ? integers(input) : list("axes");
    std::vector<std::size_t> result;
    for (const std::int64_t axis : given) {
        const std::size_t a = axis_of(axis, rank);
        if (std::ranges::find(result, a) != result.end()) {
            refuse("it names axis " + std::to_string(axis) + " twice");
        }
        result.push_back(a);
    }
    return result;
}

ValueId as_f32(const Node& n, ValueId x) {
    const DataType type = n.b.type(x);
    if (is_wide(type)) {
        refuse("this is not supported for " + std::string(to_string(type)) +
               ": cast to f32 if 24 bits are enough");
    }
    return n.b.cast(x, DataType::f32);
}

const Operators& operators() {
    static const Operators table = [] {
        Operators all;
        add_constants(all);
        add_einsum(all);
        add_detections(all);
        add_elementwise(all);
        add_resizing(all);
        add_shapes(all);
        add_matrices(all);
        add_images(all);
        add_reductions(all);
        add_quantized(all);
        add_recurrent(all);
        add_sampling(all);
        add_scattering(all);
        add_selections(all);
        add_signals(all);
        add_contrib(all);
        return all;
    }();
    return table;
}

}  // namespace accel::compiler
