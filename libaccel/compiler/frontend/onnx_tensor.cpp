// SPDX-License-Identifier: Apache-2.0
#include "frontend/onnx_tensor.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "numerics/small_types.hpp"

namespace accel::compiler {

namespace {

// The types that the description of Debian 12 does not have, by their numbers in files.
constexpr std::int64_t first_small = 17;
constexpr std::array small_types{
    DataType::f8e4m3fn, DataType::f8e4m3fnuz, DataType::f8e5m2, DataType::f8e5m2fnuz, DataType::u4,
    DataType::i4,       DataType::f4e2m1,     DataType::f8e8m0, DataType::u2,         DataType::i2};

}  // namespace

std::string name_of_type(std::int64_t onnx_type) {
    // The order is that of the numbers. The description of files may be older than a file.
    constexpr std::array names{
        "UNDEFINED",      "FLOAT",      "UINT8",          "INT8",       "UINT16",    "INT16",
        "INT32",          "INT64",      "STRING",         "BOOL",       "FLOAT16",   "DOUBLE",
        "UINT32",         "UINT64",     "COMPLEX64",      "COMPLEX128", "BFLOAT16",  "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4",      "INT4",      "FLOAT4E2M1",
        "FLOAT8E8M0",     "UINT2",      "INT2",           "FLOAT6E2M3", "FLOAT6E3M2"};
    return onnx_type >= 0 && onnx_type < std::ssize(names)
               ? names[static_cast<std::size_t>(onnx_type)]
               : "number " + std::to_string(onnx_type);
}

DataType data_type_of(std::int64_t onnx_type) {
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
    if (onnx_type >= first_small && onnx_type < first_small + std::ssize(small_types)) {
        return small_types[static_cast<std::size_t>(onnx_type - first_small)];
    }
    const std::string name = name_of_type(onnx_type);
    const std::string cause = "the card does not support the data type " + name;
    if (onnx_type == onnx::TensorProto::STRING) {
        refuse(cause, "compute strings outside of the model");
    }
    if (name.starts_with("COMPLEX")) {
        refuse(cause, "keep the real and the imaginary parts in two tensors of FLOAT");
    }
    if (name.starts_with("FLOAT")) {
        refuse(cause, "convert these tensors to FLOAT16 or FLOAT");
    }
    if (name.find("INT") != std::string::npos) {
        refuse(cause, "convert these tensors to INT8 or UINT8");
    }
    refuse(cause, "convert these tensors to another type");
}

std::int32_t onnx_type_of(DataType type) {
    if (const auto* const small = std::ranges::find(small_types, type);
        small != small_types.end()) {
        return static_cast<std::int32_t>(first_small + (small - small_types.begin()));
    }
    for (std::int32_t number = 1; onnx::TensorProto::DataType_IsValid(number); ++number) {
        const bool other = number == onnx::TensorProto::STRING ||
                           number == onnx::TensorProto::COMPLEX64 ||
                           number == onnx::TensorProto::COMPLEX128;
        if (!other && data_type_of(number) == type) {
            return number;
        }
    }
    return onnx::TensorProto::UNDEFINED;
}

namespace {

template <typename T, typename Field>
void copy_field(const Field& field, Tensor& tensor) {
    if (static_cast<std::size_t>(field.size()) != tensor.data.size() / sizeof(T)) {
        refuse_damaged("a tensor of the shape " + to_string(tensor.dims) + " has " +
                           std::to_string(field.size()) + " elements in the file",
                       "copy or export the model again");
    }
    std::byte* const first = tensor.data.data();
    for (int i = 0; i < field.size(); ++i) {
        const auto value = static_cast<T>(field.Get(i));
        std::memcpy(first + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
    }
}

void check_bytes(const onnx::TensorProto& proto, std::size_t found, std::size_t needed) {
    if (found != needed) {
        refuse_damaged("tensor '" + proto.name() + "' has " + std::to_string(found) +
                           " bytes, and its shape needs " + std::to_string(needed),
                       "copy or export the model again");
    }
}

// Several elements in a byte, the first of them in the low bits.
// Writes the elements from `first` on.
void unpack(std::span<const std::byte> packed, DataType type, std::size_t first,
            std::span<std::byte> to) {
    const unsigned bits = packed_bits(type);
    const unsigned in_a_byte = 8 / bits;
    const bool is_signed = type == DataType::i4 || type == DataType::i2;
    for (std::size_t i = 0; i < to.size(); ++i) {
        const auto shift = static_cast<unsigned>((first + i) % in_a_byte) * bits;
        const auto byte = static_cast<std::uint8_t>(packed[(first + i) / in_a_byte] >> shift);
        to[i] = is_signed ? static_cast<std::byte>(card::decode_signed(byte, bits))
                          : static_cast<std::byte>(card::decode_unsigned(byte, bits));
    }
}

// Elements that are unpacked when something reads them.
TensorStorage unpacked_later(const TensorStorage& packed, DataType type, std::size_t count) {
    return {count,
            [packed, type] {
                return [packed, type](std::size_t first, std::span<std::byte> to) {
                    unpack({packed.data(), packed.size()}, type, first, to);
                    const unsigned in_a_byte = 8 / packed_bits(type);
                    packed.evict_in_steps(first / in_a_byte, to.size() / in_a_byte);
                };
            },
            1};
}

// The bytes of `count` elements in a file.
std::size_t file_bytes(DataType type, std::int64_t count) {
    return (static_cast<std::size_t>(count) * file_bits(type) + 7) / 8;
}

// Elements in less than a byte.
Constant import_packed(const onnx::TensorProto& proto, std::shared_ptr<Tensor> tensor) {
    std::vector<std::byte> bytes;
    if (!proto.raw_data().empty()) {
        const auto raw = std::as_bytes(std::span(proto.raw_data()));
        bytes.assign(raw.begin(), raw.end());
    } else {
        for (const std::int32_t byte : proto.int32_data()) {
            bytes.push_back(static_cast<std::byte>(byte));
        }
    }
    check_bytes(proto, bytes.size(), file_bytes(tensor->type, elements(tensor->dims)));
    unpack(bytes, tensor->type, 0, {tensor->data.data(), tensor->data.size()});
    return tensor;
}

}  // namespace

Constant import_tensor(const onnx::TensorProto& proto, WeightFiles* weights) {
    Dims dims(proto.dims().begin(), proto.dims().end());
    const auto described = [&] {
        return std::pair(data_type_of(proto.data_type()), elements(dims));
    };
    const auto [type, count] =
        proto.name().empty() ? described() : in_context("tensor '" + proto.name() + "'", described);
    if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
        TensorStorage shared =
            weights != nullptr ? weights->find(proto) : WeightFiles().find(proto);
        check_bytes(proto, shared.size(), file_bytes(type, count));
        if (file_bits(type) >= 8) {
            return std::make_shared<Tensor>(type, std::move(dims), std::move(shared));
        }
        return std::make_shared<Tensor>(
            type, std::move(dims), unpacked_later(shared, type, static_cast<std::size_t>(count)));
    }
    // The allocation is limited by the size of the file.
    const std::int64_t in_a_byte = std::max(8 / file_bits(type), 1U);
    const auto stated =
        static_cast<std::int64_t>(proto.raw_data().size()) * in_a_byte / size_of(type) +
        proto.float_data_size() + proto.int32_data_size() * in_a_byte + proto.int64_data_size() +
        proto.uint64_data_size() + proto.double_data_size();
    if (count > stated) {
        refuse_damaged("tensor '" + proto.name() + "' of the shape " + to_string(dims) +
                           " has only " + std::to_string(stated) + " elements in the file",
                       "copy or export the model again");
    }
    auto tensor = std::make_shared<Tensor>(type, std::move(dims));
    if (in_a_byte > 1) {
        return import_packed(proto, std::move(tensor));
    }
    if (proto.has_raw_data() && !proto.raw_data().empty()) {
        check_bytes(proto, proto.raw_data().size(), tensor->data.size());
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

namespace {

std::string kind_of(const onnx::TypeProto& type) {
    if (type.has_sequence_type()) {
        return "a sequence";
    }
    if (type.has_optional_type()) {
        return "an optional";
    }
    if (type.has_map_type()) {
        return "a map";
    }
    return type.has_sparse_tensor_type() ? "a sparse tensor" : "of no known kind";
}

}  // namespace

const onnx::TypeProto::Tensor& element_type_of(const onnx::TypeProto& type) {
    if (type.has_optional_type()) {
        return element_type_of(type.optional_type().elem_type());
    }
    return type.has_sequence_type() ? element_type_of(type.sequence_type().elem_type())
                                    : type.tensor_type();
}

TensorInfo describe_tensor(const onnx::ValueInfoProto& input) {
    // An optional input must be given, so it has the type of its tensor.
    const onnx::TypeProto& type =
        input.type().has_optional_type() ? input.type().optional_type().elem_type() : input.type();
    if (!type.has_tensor_type()) {
        refuse("input '" + input.name() + "' is " + kind_of(input.type()) +
                   ", and only tensors are supported",
               "change the model to take tensors");
    }
    const auto& tensor = type.tensor_type();
    TensorInfo info{input.name(), {}, {}};
    in_context("input '" + input.name() + "'",
               [&] { info.type = data_type_of(tensor.elem_type()); });
    for (const auto& dim : tensor.shape().dim()) {
        info.shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
    }
    return info;
}

}  // namespace accel::compiler
