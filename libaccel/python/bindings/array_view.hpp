// SPDX-License-Identifier: Apache-2.0
//
// The elements of a Python array, by the buffer protocol.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/accel.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace accel::python {

/// The dense elements of an array. They stay valid while the object lives.
class ArrayView {
  public:
    /// The array that `value` exports, if it is dense. An array of bf16, which the buffer protocol
    /// does not have, counts only with `bits`: then u16 is accepted for bf16.
    [[nodiscard]] static std::optional<ArrayView> of(nanobind::handle value, DataType type,
                                                     bool writable, bool bits = false);

    [[nodiscard]] void* data() const { return view_->buf; }
    [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(view_->len); }
    [[nodiscard]] std::span<const Py_ssize_t> shape() const;
    [[nodiscard]] bool read_only() const { return view_->readonly != 0; }

  private:
    struct Release {
        void operator()(Py_buffer* view) const {
            PyBuffer_Release(view);
            delete view;
        }
    };

    ArrayView() = default;

    // At a fixed address, because its pointers may point into it.
    std::unique_ptr<Py_buffer, Release> view_{new Py_buffer{}};
};

/// A dense array of `type` with the elements of `value`: the array itself if it is one, else a
/// copy. Throws TypeError for an array of another data type; lists and numbers are converted.
/// Arrays of bf16 become arrays of u16 with the same bits.
[[nodiscard]] nanobind::object dense_array(nanobind::handle value, DataType type);

/// The letter of the buffer protocol for a data type; bf16 has the letter of u16.
[[nodiscard]] const char* format_of(DataType type);

}  // namespace accel::python
