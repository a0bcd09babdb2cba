// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of Copy and Fill.
#include <string>

#include "encoder.hpp"

namespace accel {

using detail::Encoder;

Command::Command(const Copy& copy) {
    Encoder encoder(*this, "Copy", ACCEL_OP_COPY);
    accel_copy& raw = encoder.raw().copy;
    raw.dst = encoder.use(
        "dst", copy.dst,
        detail::strided_bytes(copy.rows, copy.dst_stride, copy.bytes, encoder.name("dst")),
        Access::write, 1);
    raw.src = encoder.use(
        "src", copy.src,
        detail::strided_bytes(copy.rows, copy.src_stride, copy.bytes, encoder.name("src")),
        Access::read, 1);
    raw.bytes = copy.bytes;
    raw.dst_stride = copy.dst_stride;
    raw.src_stride = copy.src_stride;
    raw.rows = copy.rows;
    encoder.finish();
}

Command::Command(const Fill& fill) {
    Encoder encoder(*this, "Fill", ACCEL_OP_FILL);
    const std::uint32_t width = fill.pattern_bytes;
    if (width != 1 && width != 2 && width != 4 && width != 8) {
        detail::throw_invalid("Fill::pattern_bytes is " + std::to_string(width) +
                              ": it must be 1, 2, 4 or 8");
    }
    if (fill.bytes % width != 0 || fill.dst_stride % width != 0) {
        detail::throw_invalid(
            "Fill::bytes or Fill::dst_stride is not a multiple of Fill::pattern_bytes: make both "
            "multiples");
    }
    accel_fill& raw = encoder.raw().fill;
    encoder.raw().variant = static_cast<std::uint16_t>(width);
    raw.dst = encoder.use(
        "dst", fill.dst,
        detail::strided_bytes(fill.rows, fill.dst_stride, fill.bytes, encoder.name("dst")),
        Access::write, width);
    raw.pattern = fill.pattern;
    raw.bytes = fill.bytes;
    raw.dst_stride = fill.dst_stride;
    raw.rows = fill.rows;
    encoder.finish();
}

}  // namespace accel
