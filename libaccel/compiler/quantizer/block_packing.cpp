// SPDX-License-Identifier: Apache-2.0
#include "quantizer/block_packing.hpp"

#include <algorithm>
#include <cmath>

#include "ir/number_reader.hpp"

namespace accel::compiler {

// The element of a block that is farthest from zero becomes -8.
void BlockPacking::pack_column(std::span<const float> column, std::span<std::byte> to) {
    constexpr auto length = static_cast<std::size_t>(block);
    std::ranges::fill(to, std::byte{0x88});
    for (std::size_t first = 0; first < column.size(); first += length) {
        const auto values = column.subspan(first, std::min(length, column.size() - first));
        float farthest = 0;
        for (const float x : values) {
            farthest = std::fabs(x) > std::fabs(farthest) || std::isnan(x) ? x : farthest;
        }
        const float eighth = farthest / -8;  // zero, too, for the least numbers
        const float scale = eighth == 0 ? 1.0F : eighth;
        scales_.push_back(scale);
        for (std::size_t i = 0; i < values.size() && std::isfinite(scale); ++i) {
            const float step = std::nearbyint(values[i] / scale);
            const auto code = static_cast<unsigned>(std::clamp(step, -8.0F, 7.0F) + 8);
            std::byte& byte = to[(first + i) / 2];
            byte = i % 2 == 0 ? (byte & std::byte{0xf0}) | static_cast<std::byte>(code)
                              : (byte & std::byte{0x0f}) | static_cast<std::byte>(code << 4U);
        }
    }
}

std::vector<float> BlockPacking::run(const std::function<void(std::span<const std::byte>)>& write) {
    constexpr std::int64_t part = std::int64_t{1} << 20;
    const std::int64_t k = weights_.dims[0];
    const std::int64_t n = weights_.dims[1];
    const std::int64_t at_once = std::max<std::int64_t>(part / std::max<std::int64_t>(k, 1), 1);
    const auto column_bytes = static_cast<std::size_t>(blocks() * block / 2);
    NumberReader<float> reader(weights_);
    std::vector<float> row;
    std::vector<float> columns;
    std::vector<std::byte> packed;
    for (std::int64_t first = 0; first < n; first += at_once) {
        const auto count = static_cast<std::size_t>(std::min(at_once, n - first));
        row.resize(count);
        columns.resize(count * static_cast<std::size_t>(k));
        for (std::int64_t r = 0; r < k; ++r) {
            reader.read(r * n + first, row);
            for (std::size_t c = 0; c < count; ++c) {
                columns[c * static_cast<std::size_t>(k) + static_cast<std::size_t>(r)] = row[c];
            }
        }
        reader.evict(0, k * n);
        packed.resize(count * column_bytes);
        for (std::size_t c = 0; c < count; ++c) {
            pack_column(std::span(columns).subspan(c * static_cast<std::size_t>(k),
                                                   static_cast<std::size_t>(k)),
                        std::span(packed).subspan(c * column_bytes, column_bytes));
        }
        write(packed);
    }
    return std::move(scales_);
}

}  // namespace accel::compiler
