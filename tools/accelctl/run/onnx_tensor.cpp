// SPDX-License-Identifier: Apache-2.0
#include "run/onnx_tensor.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "exit.hpp"
#include "run/small_numbers.hpp"
#include "tensor.pb.h"

namespace accel::tools {

namespace {

struct Number {
    DataType type;
    int onnx;  // TensorProto.DataType
};

constexpr std::array<Number, 23> numbers{
    {{DataType::f32, 1},     {DataType::u8, 2},          {DataType::i8, 3},
     {DataType::u16, 4},     {DataType::i16, 5},         {DataType::i32, 6},
     {DataType::i64, 7},     {DataType::boolean, 9},     {DataType::f16, 10},
     {DataType::f64, 11},    {DataType::u32, 12},        {DataType::u64, 13},
     {DataType::bf16, 16},   {DataType::f8e4m3fn, 17},   {DataType::f8e4m3fnuz, 18},
     {DataType::f8e5m2, 19}, {DataType::f8e5m2fnuz, 20}, {DataType::u4, 21},
     {DataType::i4, 22},     {DataType::f4e2m1, 23},     {DataType::f8e8m0, 24},
     {DataType::u2, 25},     {DataType::i2, 26}}};

[[noreturn]] void refuse(const std::string& name, const std::string& why,
                         const std::string& hint = {}) {
    throw Failure(Exit::usage, name + ": " + why, hint);
}

// The lowest bytes of each element of a field that is wider than the data type. Bit patterns of
// f16 and bf16 are in int32_data, too.
template <typename Field>
void narrow(const Field& field, std::size_t size, std::vector<std::byte>& bytes) {
    for (const auto value : field) {
        std::array<std::byte, sizeof value> all{};
        std::memcpy(all.data(), &value, sizeof value);
        bytes.insert(bytes.end(), all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size));
    }
}

// Files hold several elements of 2 or 4 bits in a byte, the first of them in the low bits.
std::vector<std::byte> unpacked(std::span<const std::byte> packed, DataType type,
                                std::uint64_t count) {
    const unsigned bits = packed_bits(type);
    const unsigned in_a_byte = 8 / bits;
    std::vector<std::byte> elements;
    if (packed.size() == (count + in_a_byte - 1) / in_a_byte) {
        for (std::uint64_t i = 0; i < count; ++i) {
            elements.push_back(packed[i / in_a_byte] >> (i % in_a_byte * bits) &
                               std::byte{static_cast<std::uint8_t>((1U << bits) - 1)});
        }
    }
    return elements;
}

std::vector<std::byte> packed(std::span<const std::byte> elements, DataType type) {
    const unsigned bits = packed_bits(type);
    const unsigned in_a_byte = 8 / bits;
    std::vector<std::byte> bytes((elements.size() + in_a_byte - 1) / in_a_byte);
    for (std::size_t i = 0; i < elements.size(); ++i) {
        const std::byte low = elements[i] & std::byte{static_cast<std::uint8_t>((1U << bits) - 1)};
        bytes[i / in_a_byte] |= low << (i % in_a_byte * bits);
    }
    return bytes;
}

std::vector<std::byte> elements_of(const TensorFile& file, DataType type) {
    std::vector<std::byte> bytes;
    if (file.has_raw_data()) {
        const auto raw = std::as_bytes(std::span(file.raw_data()));
        bytes.assign(raw.begin(), raw.end());
        return bytes;
    }
    const std::size_t size = size_of(type);
    switch (type) {
        case DataType::f32:
            narrow(file.float_data(), size, bytes);
            break;
        case DataType::f64:
            narrow(file.double_data(), size, bytes);
            break;
        case DataType::i64:
            narrow(file.int64_data(), size, bytes);
            break;
        case DataType::u32:
        case DataType::u64:
            narrow(file.uint64_data(), size, bytes);
            break;
        default:
            narrow(file.int32_data(), size, bytes);
            break;
    }
    return bytes;
}

}  // namespace

TensorData parse_onnx_tensor(const std::string& name, std::span<const std::byte> bytes) {
    TensorFile file;
    if (bytes.size() > INT32_MAX ||
        !file.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        !file.has_data_type()) {
        refuse(name, "it is no tensor of ONNX (TensorProto)",
               "write it with onnx.numpy_helper.from_array(a).SerializeToString()");
    }
    if (file.data_location() != 0) {
        refuse(name, "the elements of the tensor are in another file",
               "write them into the .pb file itself");
    }
    const auto* const known = std::ranges::find(numbers, file.data_type(), &Number::onnx);
    if (known == numbers.end()) {
        refuse(name, fmt::format("the data type of the tensor ({} in ONNX) is not supported",
                                 file.data_type()));
    }
    TensorData tensor{known->type, {file.dims().begin(), file.dims().end()}, {}};
    tensor.bytes = elements_of(file, known->type);
    std::uint64_t size = size_of(known->type);
    for (const std::int64_t length : tensor.shape) {
        if (length < 0 || (length != 0 && size > UINT64_MAX / static_cast<std::uint64_t>(length))) {
            refuse(name, "the shape of the tensor makes no sense");
        }
        size *= static_cast<std::uint64_t>(length);
    }
    if (packed_bits(known->type) < 8) {
        tensor.bytes = unpacked(tensor.bytes, known->type, size);
    }
    if (size != tensor.bytes.size()) {
        refuse(name,
               fmt::format("the tensor has {} bytes of elements, and its shape needs {}",
                           tensor.bytes.size(), size),
               "was the file copied as a whole?");
    }
    return tensor;
}

std::vector<std::byte> to_onnx_tensor(const std::string& name, const TensorData& tensor) {
    TensorFile file;
    for (const std::int64_t length : tensor.shape) {
        file.add_dims(length);
    }
    file.set_data_type(std::ranges::find(numbers, tensor.type, &Number::type)->onnx);
    file.set_name(name);
    const std::vector<std::byte> raw =
        packed_bits(tensor.type) < 8 ? packed(tensor.bytes, tensor.type) : tensor.bytes;
    file.set_raw_data(raw.data(), raw.size());
    std::vector<std::byte> bytes(file.ByteSizeLong());
    if (bytes.size() > INT32_MAX ||
        !file.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()))) {
        throw Failure(Exit::file,
                      "output " + name + " is larger than 2 GiB, the limit of a .pb file",
                      "write it as .npy");
    }
    return bytes;
}

}  // namespace accel::tools
