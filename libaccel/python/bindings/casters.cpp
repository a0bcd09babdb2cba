// SPDX-License-Identifier: Apache-2.0
//
// Conversion of Python objects to shapes, data types and operands.
#include "casters.hpp"

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
    NamedType{DataType::f32, "f32", "float32"}, NamedType{DataType::bf16, "bf16", "bfloat16"},
    NamedType{DataType::f16, "f16", "float16"}, NamedType{DataType::i8, "i8", "int8"},
    NamedType{DataType::u8, "u8", "uint8"},     NamedType{DataType::i16, "i16", "int16"},
    NamedType{DataType::u16, "u16", "uint16"},  NamedType{DataType::i32, "i32", "int32"},
    NamedType{DataType::u32, "u32", "uint32"},  NamedType{DataType::i64, "i64", "int64"},
    NamedType{DataType::u64, "u64", "uint64"},  NamedType{DataType::boolean, "boolean", "bool"},
    NamedType{DataType::f64, "f64", "float64"},
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

}  // namespace

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
            name = nb::module_::import_("numpy").attr("dtype")(value).attr("name");
            return from_name(nb::cast<nb::str>(name).c_str(), result.type);
        }
        return true;
    } catch (const nb::python_error&) {
        return false;
    } catch (const std::exception&) {
        return false;
    }
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
