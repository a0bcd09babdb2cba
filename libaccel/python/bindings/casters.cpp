// SPDX-License-Identifier: Apache-2.0
//
// Conversion of Python objects to shapes, data types and operands.
#include "casters.hpp"

#include <nanobind/stl/filesystem.h>

#include <array>
#include <string>

namespace accel::python {

namespace {

struct NamedType {
    DataType type;
    std::string_view name;
    std::string_view numpy;
};

constexpr std::array named_types{
    NamedType{DataType::f32, "f32", "float32"},
    NamedType{DataType::bf16, "bf16", "bfloat16"},
    NamedType{DataType::f16, "f16", "float16"},
    NamedType{DataType::i8, "i8", "int8"},
    NamedType{DataType::u8, "u8", "uint8"},
    NamedType{DataType::i16, "i16", "int16"},
    NamedType{DataType::u16, "u16", "uint16"},
    NamedType{DataType::i32, "i32", "int32"},
    NamedType{DataType::u32, "u32", "uint32"},
    NamedType{DataType::i64, "i64", "int64"},
    NamedType{DataType::u64, "u64", "uint64"},
    NamedType{DataType::boolean, "boolean", "bool"},
    NamedType{DataType::f64, "f64", "float64"},
    NamedType{DataType::f8e4m3fn, "f8e4m3fn", "float8_e4m3fn"},
    NamedType{DataType::f8e4m3fnuz, "f8e4m3fnuz", "float8_e4m3fnuz"},
    NamedType{DataType::f8e5m2, "f8e5m2", "float8_e5m2"},
    NamedType{DataType::f8e5m2fnuz, "f8e5m2fnuz", "float8_e5m2fnuz"},
    NamedType{DataType::f8e8m0, "f8e8m0", "float8_e8m0fnu"},
    NamedType{DataType::f4e2m1, "f4e2m1", "float4_e2m1fn"},
    NamedType{DataType::i4, "i4", "int4"},
    NamedType{DataType::u4, "u4", "uint4"},
    NamedType{DataType::i2, "i2", "int2"},
    NamedType{DataType::u2, "u2", "uint2"},
};

bool from_name(std::string_view name, DataType& type) {
    for (const NamedType& named : named_types) {
        if (named.name == name || named.numpy == name) {
            type = named.type;
            return true;
        }
    }
    return false;
}

bool one_dimension(nb::handle value, std::vector<std::uint64_t>& dimensions) {
    const nb::object number = nb::steal(PyNumber_Index(value.ptr()));
    if (!number.is_valid()) {
        PyErr_Clear();
        return false;
    }
    const std::uint64_t dimension = PyLong_AsUnsignedLongLong(number.ptr());
    if (PyErr_Occurred() != nullptr) {
        PyErr_Clear();
        return false;
    }
    dimensions.push_back(dimension);
    return true;
}

// Whether a dimension is negative, or does not fit 64 bits.
bool has_bad_number(nb::handle value) {
    if (PyIndex_Check(value.ptr()) != 0) {
        std::vector<std::uint64_t> ignored;
        return !one_dimension(value, ignored);
    }
    if (PySequence_Check(value.ptr()) == 0 || nb::isinstance<nb::str>(value)) {
        return false;
    }
    for (const nb::handle item : value) {
        if (PyIndex_Check(item.ptr()) == 0) {
            return false;
        }
    }
    return true;
}

// "str 'high'"
std::string describe_object(nb::handle value) {
    return type_of(value) + " " + nb::cast<std::string>(nb::repr(value));
}

}  // namespace

Shape ShapeArgument::shape() const {
    if (!refused.is_valid()) {
        return Shape(std::span(dimensions));
    }
    if (has_bad_number(refused)) {
        refuse("the shape " + text_of(refused) +
               " has a number that is negative or above 64 bits: a number is 0 or more");
    }
    refuse_type("a shape is an int or a sequence of ints, not " + describe_object(refused));
}

DataType TypeArgument::get() const {
    if (!refused.is_valid()) {
        return type;
    }
    std::string names;
    for (const NamedType& named : named_types) {
        names += (names.empty() ? "" : ", ") + std::string(named.name);
    }
    refuse_type("the card does not have the data type " + describe_object(refused) +
                ": give an accel.DataType, its name (" + names + "), or that type of numpy");
}

const std::filesystem::path& PathArgument::get() const {
    if (refused.is_valid()) {
        refuse_type("a file is named by its path, a str or an os.PathLike, not by " +
                    type_of(refused) +
                    ": write the content to a file, and give the path of that file");
    }
    return path;
}

void refuse_member(nb::handle type, nb::handle value) {
    const auto name = "accel." + nb::cast<std::string>(type.attr("__name__"));
    std::string members;
    for (const nb::handle member : type.attr("__members__")) {
        members += (members.empty() ? "" : ", ") + text_of(member);
    }
    refuse_type("an " + name + " is needed, not " + describe_object(value) + ": give one of " +
                name + "'s members " + members);
}

DataType bits_type(DataType type) {
    if (type == DataType::bf16) {
        return DataType::u16;
    }
    return type >= DataType::f8e4m3fn ? DataType::u8 : type;
}

std::string_view name_of(DataType type) {
    for (const NamedType& named : named_types) {
        if (named.type == type) {
            return named.name;
        }
    }
    return "unknown";
}

nb::tuple to_tuple(const Shape& shape) {
    nb::list dimensions;
    for (const std::uint64_t dimension : shape) {
        dimensions.append(dimension);
    }
    return nb::tuple(dimensions);
}

bool to_shape(nb::handle value, ShapeArgument& result) noexcept {
    if (PyIndex_Check(value.ptr()) != 0) {
        return one_dimension(value, result.dimensions);
    }
    if (PySequence_Check(value.ptr()) == 0 || nb::isinstance<nb::str>(value)) {
        return false;
    }
    const nb::object items = nb::steal(PySequence_Fast(value.ptr(), ""));
    if (!items.is_valid()) {
        PyErr_Clear();
        return false;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) {
        if (!one_dimension(PySequence_Fast_GET_ITEM(items.ptr(), i), result.dimensions)) {
            return false;
        }
    }
    return true;
}

bool to_type(nb::handle value, TypeArgument& result) noexcept {
    if (nb::isinstance<DataType>(value)) {
        return nb::try_cast(value, result.type);
    }
    try {
        nb::object name = nb::borrow(value);
        if (!nb::isinstance<nb::str>(value) ||
            !from_name(nb::cast<nb::str>(value).c_str(), result.type)) {
            const nb::object type = nb::module_::import_("numpy").attr("dtype")(value);
            // The card has the byte order of the host.
            if (!nb::cast<bool>(type.attr("isnative"))) {
                return false;
            }
            name = type.attr("name");
            return from_name(nb::cast<nb::str>(name).c_str(), result.type);
        }
        return true;
    } catch (const nb::python_error&) {
        return false;
    } catch (const std::exception&) {
        return false;
    }
}

bool to_path(nb::handle value, PathArgument& result) noexcept {
    // os.fspath() accepts bytes, which are mostly the content of a file.
    return !nb::isinstance<nb::bytes>(value) && nb::try_cast(value, result.path);
}

bool to_operand(nb::handle value, OperandArgument& result) noexcept {
    if (value.is_none()) {
        return true;
    }
    if (nb::isinstance<BufferObject>(value)) {
        result.buffer = nb::inst_ptr<BufferObject>(value);
        return true;
    }
    if (nb::isinstance<accel::Argument>(value)) {
        result.other = Operand(*nb::inst_ptr<accel::Argument>(value));
        return true;
    }
    if (nb::isinstance<OperandObject>(value)) {
        result.other = nb::inst_ptr<OperandObject>(value)->operand;
        return true;
    }
    if (nb::isinstance<AddressObject>(value)) {
        result.other = Operand(Address{nb::inst_ptr<AddressObject>(value)->value});
        return true;
    }
    return false;
}

Operand OperandArgument::operand(Pins& pins) const {
    if (buffer == nullptr) {
        return other;
    }
    const auto& memory = buffer->checked();
    if (buffer->storage->registered()) {
        pins.push_back(buffer->storage);
    }
    return memory;
}

}  // namespace accel::python
