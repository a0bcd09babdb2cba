// SPDX-License-Identifier: Apache-2.0
#include "run/npy.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>
#include <regex>
#include <string_view>
#include <utility>

#include "exit.hpp"
#include "root.hpp"
#include "run/small_numbers.hpp"

namespace accel::tools {

namespace {

constexpr std::string_view magic = "\x93NUMPY";

struct Name {
    DataType type;
    std::string_view descr;  // what numpy writes
};

// The first name of a data type is the one that is written.
constexpr std::array<Name, 14> names{{{DataType::f32, "<f4"},
                                      {DataType::f64, "<f8"},
                                      {DataType::f16, "<f2"},
                                      {DataType::bf16, "<V2"},
                                      {DataType::bf16, "|V2"},
                                      {DataType::i8, "|i1"},
                                      {DataType::u8, "|u1"},
                                      {DataType::boolean, "|b1"},
                                      {DataType::i16, "<i2"},
                                      {DataType::u16, "<u2"},
                                      {DataType::i32, "<i4"},
                                      {DataType::u32, "<u4"},
                                      {DataType::i64, "<i8"},
                                      {DataType::u64, "<u8"}}};

// numpy writes the small types of ml_dtypes as bytes without a meaning.
constexpr std::string_view small_name = "<V1";

std::string_view numpy_name(DataType type) {
    return is_small(type) ? small_name : std::ranges::find(names, type, &Name::type)->descr;
}

std::string_view ml_dtypes_name(DataType type) {
    static constexpr std::array<std::string_view, 10> small_names{
        "float8_e4m3fn",  "float8_e4m3fnuz",
        "float8_e5m2",    "float8_e5m2fnuz",
        "float8_e8m0fnu", "float4_e2m1fn",
        "int4",           "uint4",
        "int2",           "uint2"};
    return small_names.at(static_cast<std::size_t>(type) -
                          static_cast<std::size_t>(DataType::f8e4m3fn));
}

[[noreturn]] void refuse(const std::string& name, const std::string& why,
                         const std::string& hint = {}) {
    throw Failure(Exit::usage, name + ": " + why, hint);
}

// The value of a key in the header, which is the text of a Python dictionary.
std::string value_of(const std::string& name, const std::string& header, const char* key,
                     const char* pattern) {
    std::smatch match;
    const std::regex wanted(R"(['"])" + std::string(key) + R"(['"]\s*:\s*)" + pattern);
    if (!std::regex_search(header, match, wanted)) {
        refuse(name, fmt::format("the header of the .npy file has no '{}' that is understood", key),
               "write the file with numpy.save(), and arrays of one plain data type");
    }
    return match[1].str();
}

std::vector<std::int64_t> parse_shape(const std::string& name, const std::string& text) {
    std::vector<std::int64_t> shape;
    std::string digits;
    for (const char c : text + ",") {
        if (c >= '0' && c <= '9') {
            digits += c;
        } else if (c == ',' && !digits.empty()) {
            const auto length = parse_number<std::int64_t>(digits);
            if (!length) {
                refuse(name, "a dimension of the .npy file is too large");
            }
            shape.push_back(*length);
            digits.clear();
        }
    }
    return shape;
}

// Where the elements begin, and the header before them.
std::pair<std::size_t, std::string> split(const std::string& name,
                                          std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto at = [&](std::size_t i) { return static_cast<std::size_t>(bytes[i]); };
    constexpr std::size_t fixed = 12;
    if (!text.starts_with(magic) || bytes.size() < fixed) {
        refuse(name, "it does not begin as a .npy file does",
               "write it with numpy.save(); archives (.npz) are not read");
    }
    const bool first_version = at(magic.size()) == 1;
    const std::size_t begin = magic.size() + 2 + (first_version ? 2 : 4);
    std::size_t length = at(8) | at(9) << 8U;
    if (!first_version) {
        length |= at(10) << 16U | at(11) << 24U;
    }
    if (length > bytes.size() - begin) {
        refuse(name, "the .npy file ends in its header");
    }
    return {begin + length, std::string(text.substr(begin, length))};
}

}  // namespace

TensorData parse_npy(const std::string& name, std::span<const std::byte> bytes, DataType wanted) {
    const auto [start, header] = split(name, bytes);
    const std::string descr = value_of(name, header, "descr", R"(['"]([^'"]+)['"])");
    const bool fortran = value_of(name, header, "fortran_order", "(True|False)") == "True";
    TensorData tensor;
    tensor.shape = parse_shape(name, value_of(name, header, "shape", R"(\(([^)]*)\))"));
    const auto* const known = std::ranges::find(names, descr, &Name::descr);
    const bool small = descr == small_name || descr == "|V1";
    if (small && !is_small(wanted)) {
        refuse(
            name,
            fmt::format("the .npy file holds '{}': bytes of one of the types of ml_dtypes", descr),
            "convert them, for example: a.astype('float32')");
    }
    if (!small && known == names.end()) {
        const bool big = descr.starts_with('>');
        refuse(name, fmt::format("the .npy file holds '{}', which no tensor has", descr),
               big ? "convert it: a.astype(a.dtype.newbyteorder('<'))"
                   : "convert it, for example: a.astype('float32')");
    }
    if (fortran && tensor.shape.size() > 1) {
        refuse(name, "the .npy file is in Fortran order",
               "save it in C order: numpy.save(file, numpy.ascontiguousarray(a))");
    }
    tensor.type = small ? wanted : known->type;
    std::size_t size = size_of(tensor.type);
    for (const std::int64_t length : tensor.shape) {
        if (length != 0 && size > bytes.size() / static_cast<std::size_t>(length)) {
            size = std::numeric_limits<std::size_t>::max();  // more than the file has
            break;
        }
        size *= static_cast<std::size_t>(length);
    }
    if (size != bytes.size() - start) {
        refuse(
            name,
            fmt::format("the .npy file has {} bytes of elements, and its shape needs {}",
                        bytes.size() - start, size > bytes.size() ? "more" : std::to_string(size)),
            "was the file copied as a whole?");
    }
    tensor.bytes.assign(bytes.begin() + static_cast<std::ptrdiff_t>(start), bytes.end());
    return tensor;
}

std::string conversion_hint(DataType type) {
    return is_small(type)
               ? fmt::format("convert it, in numpy: a.astype(ml_dtypes.{})", ml_dtypes_name(type))
               : fmt::format("convert it, in numpy: a.astype('{}')", numpy_name(type));
}

std::vector<std::byte> to_npy(const TensorData& tensor) {
    std::string shape;
    for (const std::int64_t length : tensor.shape) {
        shape += std::to_string(length) + ", ";
    }
    // One dimension keeps its comma, as in Python.
    if (tensor.shape.size() > 1) {
        shape.resize(shape.size() - 2);
    } else if (!shape.empty()) {
        shape.pop_back();
    }
    std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                     numpy_name(tensor.type), shape);
    // The elements begin at a multiple of 64 bytes, so that they can be mapped.
    constexpr std::size_t alignment = 64;
    const std::size_t before = magic.size() + 4;
    const std::size_t used = (before + header.size() + 1) % alignment;
    header.append((alignment - used) % alignment, ' ');
    header += '\n';
    std::string head(magic);
    head += '\x01';
    head += '\0';
    head += static_cast<char>(header.size() & 0xffU);
    head += static_cast<char>(header.size() >> 8U);
    head += header;
    const auto* const first = reinterpret_cast<const std::byte*>(head.data());
    std::vector<std::byte> bytes(first, first + head.size());
    bytes.insert(bytes.end(), tensor.bytes.begin(), tensor.bytes.end());
    return bytes;
}

}  // namespace accel::tools
