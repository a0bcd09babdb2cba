// SPDX-License-Identifier: Apache-2.0
//
// Parameters that accept several Python types: shapes, data types and operands.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/accel.hpp>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "objects.hpp"

namespace accel::python {

// The arguments below take every object, and `refused` keeps one that has a wrong type or value:
// the function that uses the argument raises an error that says what is allowed, while a refusal by
// nanobind only prints the signature.

/// An int, or a sequence of ints.
struct ShapeArgument {
    std::vector<std::uint64_t> dimensions;
    nb::object refused;

    /// Throws Error(invalid_argument) if there are too many dimensions or a negative one. Raises
    /// TypeError for another object.
    [[nodiscard]] Shape shape() const;
};

/// A DataType, its name, or a data type of numpy.
struct TypeArgument {
    DataType type = DataType::f32;
    nb::object refused;

    /// Raises TypeError for another object.
    [[nodiscard]] DataType get() const;
};

/// The path of a file: str or os.PathLike.
struct PathArgument {
    std::filesystem::path path;
    nb::object refused;

    /// Raises TypeError for another object.
    [[nodiscard]] const std::filesystem::path& get() const;
};

/// Raises TypeError for an object that is no member of an enumeration.
[[noreturn]] void refuse_member(nb::handle type, nb::handle value);

/// A member of an enumeration.
template <typename E>
struct EnumArgument {
    E member{};
    nb::object refused;

    /// Raises TypeError for another object.
    [[nodiscard]] E get() const {
        if (refused.is_valid()) {
            refuse_member(nb::type<E>(), refused);
        }
        return member;
    }
};

/// A Buffer, an Argument, an Address, an Operand, or None.
struct OperandArgument {
    BufferObject* buffer = nullptr;
    Operand other;

    /// The operand. Registered memory is added to `pins`.
    [[nodiscard]] Operand operand(Pins& pins) const;
};

/// The operand of a Python object. False if the object is none.
bool to_operand(nb::handle value, OperandArgument& result) noexcept;

/// The shape of a Python object. False if the object has another type.
bool to_shape(nb::handle value, ShapeArgument& result) noexcept;

/// The data type of a Python object. False if there is none.
bool to_type(nb::handle value, TypeArgument& result) noexcept;

/// The path of a Python object. False if it is none.
bool to_path(nb::handle value, PathArgument& result) noexcept;

/// The name of a data type as DataType has it: "f32".
// The unsigned integer with the bits of a type that the buffer protocol does not have: bf16 and the
// small types. Other types are themselves.
[[nodiscard]] DataType bits_type(DataType type);

[[nodiscard]] std::string_view name_of(DataType type);

/// Shape, dtype and so on in Python's notation: "(1, 3)".
[[nodiscard]] nb::tuple to_tuple(const Shape& shape);

}  // namespace accel::python

namespace nanobind::detail {

template <>
struct type_caster<accel::python::ShapeArgument> {
    NB_TYPE_CASTER(accel::python::ShapeArgument, const_name("int | collections.abc.Sequence[int]"))
    bool from_python(handle source, std::uint32_t /*flags*/, cleanup_list* /*cleanup*/) noexcept {
        if (!accel::python::to_shape(source, value)) {
            value.refused = borrow(source);
        }
        return true;
    }
};

template <>
struct type_caster<accel::python::TypeArgument> {
    NB_TYPE_CASTER(accel::python::TypeArgument, const_name("DataType | accel._types.DTypeLike"))
    bool from_python(handle source, std::uint32_t /*flags*/, cleanup_list* /*cleanup*/) noexcept {
        if (!accel::python::to_type(source, value)) {
            value.refused = borrow(source);
        }
        return true;
    }
};

template <>
struct type_caster<accel::python::PathArgument> {
    NB_TYPE_CASTER(accel::python::PathArgument, const_name("accel._types.Path"))
    bool from_python(handle source, std::uint32_t /*flags*/, cleanup_list* /*cleanup*/) noexcept {
        if (!accel::python::to_path(source, value)) {
            value.refused = borrow(source);
        }
        return true;
    }
};

template <typename E>
struct type_caster<accel::python::EnumArgument<E>> {
    NB_TYPE_CASTER(accel::python::EnumArgument<E>, make_caster<E>::Name)
    bool from_python(handle source, std::uint32_t /*flags*/, cleanup_list* /*cleanup*/) noexcept {
        if (!try_cast(source, value.member, false)) {
            value.refused = borrow(source);
        }
        return true;
    }
};

template <>
struct type_caster<accel::python::OperandArgument> {
    NB_TYPE_CASTER(accel::python::OperandArgument,
                   const_name("Buffer | Argument | Address | Operand | None"))
    bool from_python(handle source, std::uint32_t /*flags*/, cleanup_list* /*cleanup*/) noexcept {
        return accel::python::to_operand(source, value);
    }
};

}  // namespace nanobind::detail
