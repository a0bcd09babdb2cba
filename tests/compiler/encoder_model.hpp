// SPDX-License-Identifier: Apache-2.0
//
// A transformer encoder as exporters write it for any batch and length: reshapes that read the
// shape of a value, embeddings of positions that are cut to the length, and a mask.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model_builder.hpp"

namespace accel::test {

struct EncoderSizes {
    std::int64_t layers = 2;
    std::int64_t width = 32;
    std::int64_t heads = 4;
    std::int64_t inner = 64;
    std::int64_t words = 50;
    std::int64_t positions = 64;  // the longest sequence
};

/// Inputs `ids` and `mask`, i64 [batch, sequence]; output `y`, f32 [batch, sequence, width].
[[nodiscard]] ModelBuilder encoder_model(const EncoderSizes& sizes = {});

}  // namespace accel::test
