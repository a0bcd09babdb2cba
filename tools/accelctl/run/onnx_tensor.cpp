// SPDX-License-Identifier: Apache-2.0
#include "run/onnx_tensor.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "exit.hpp"
#include "tensor.pb.h"

namespace accel::tools {

namespace {

struct Number {
    DataType type;
    int onnx;  // TensorProto.DataType
};

constexpr std::array<Number, 13> numbers{{{DataType::f32, 1},
                                          {DataType::u8, 2},
                                          {DataType::i8, 3},
                                          {DataType::u16, 4},
                                          {DataType::i16, 5},
                                          {DataType::i32, 6},
                                          {DataType::i64, 7},
                                          {DataType::boolean, 9},
                                          {DataType::f16, 10},
                                          {DataType::f64, 11},
                                          {DataType::u32, 12},
                                          {DataType::u64, 13},
                                          {DataType::bf16, 16}}};

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
    file.set_raw_data(tensor.bytes.data(), tensor.bytes.size());
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
