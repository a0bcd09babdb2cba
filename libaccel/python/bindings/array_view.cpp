// SPDX-License-Identifier: Apache-2.0
//
// Reading arrays by the buffer protocol.
#include "array_view.hpp"

#include <cstring>

#include "casters.hpp"

namespace accel::python {

namespace nb = nanobind;

namespace {

// Integers have several letters of one size.
bool matches(const char* format, Py_ssize_t item, DataType type, bool bits) {
    if (format == nullptr) {
        format = "B";
    }
    if (*format == '@' || *format == '=' || *format == '<') {
        ++format;
    }
    if (format[0] == '\0' || format[1] != '\0' || item != static_cast<Py_ssize_t>(size_of(type))) {
        return false;
    }
    switch (type) {
        case DataType::i8:
        case DataType::i16:
        case DataType::i32:
        case DataType::i64:
            return std::strchr("bhilq", *format) != nullptr;
        case DataType::bf16:
            return bits && *format == 'H';
        case DataType::u8:
        case DataType::u16:
        case DataType::u32:
        case DataType::u64:
            return std::strchr("BHILQ", *format) != nullptr;
        default:
            return (bits || bits_type(type) == type) && *format == *format_of(type);
    }
}

}  // namespace

const char* format_of(DataType type) {
    switch (type) {
        case DataType::f32:
            return "f";
        case DataType::f16:
            return "e";
        case DataType::f64:
            return "d";
        case DataType::i8:
            return "b";
        case DataType::u8:
            return "B";
        case DataType::i16:
            return "h";
        case DataType::bf16:
        case DataType::u16:
            return "H";
        case DataType::i32:
            return "i";
        case DataType::u32:
            return "I";
        case DataType::i64:
            return "q";
        case DataType::u64:
            return "Q";
        case DataType::boolean:
            return "?";
        default:
            return "B";
    }
}

std::optional<ArrayView> ArrayView::of(nb::handle value, DataType type, bool writable, bool bits) {
    if (PyObject_CheckBuffer(value.ptr()) == 0) {
        return std::nullopt;
    }
    ArrayView array;
    const int flags =
        PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : PyBUF_SIMPLE);
    if (PyObject_GetBuffer(value.ptr(), array.view_.get(), flags) != 0) {
        PyErr_Clear();
        return std::nullopt;
    }
    if (!matches(array.view_->format, array.view_->itemsize, type, bits)) {
        return std::nullopt;
    }
    return array;
}

std::span<const Py_ssize_t> ArrayView::shape() const {
    return {view_->shape, static_cast<std::size_t>(view_->ndim)};
}

nb::object dense_array(nb::handle value, DataType type) {
    return nb::module_::import_("accel._arrays")
        .attr("dense")(value, nb::str(name_of(type).data()));
}

}  // namespace accel::python
