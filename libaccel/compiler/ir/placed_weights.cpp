// SPDX-License-Identifier: Apache-2.0
#include "ir/placed_weights.hpp"

#include <algorithm>

#include "ir/fingerprint.hpp"

namespace accel::compiler {

void PlacedWeights::add(const TensorStorage& data, std::uint64_t offset) {
    if (offsets_.try_emplace(data.identity(), offset).second) {
        kept_.push_back(data);
    }
}

void PlacedWeights::add(const WeightRange& range) {
    foreign_.try_emplace({range.bytes, range.checksum}, range.offset);
}

std::optional<std::uint64_t> PlacedWeights::find(const TensorStorage& data) {
    if (const auto known = offsets_.find(data.identity()); known != offsets_.end()) {
        return known->second;
    }
    const auto same_size = foreign_.lower_bound({data.size(), 0});
    if (same_size == foreign_.end() || same_size->first.first != data.size()) {
        return std::nullopt;
    }
    const auto found = foreign_.find({data.size(), checksum_of(data)});
    if (found == foreign_.end()) {
        return std::nullopt;
    }
    add(data, found->second);
    return found->second;
}

std::uint64_t checksum_of(const TensorStorage& data) {
    WeightsFingerprint sum;
    constexpr std::size_t part = std::size_t{4} << 20;
    for (std::size_t at = 0; at < data.size(); at += part) {
        const TensorStorage some = data.part(at, std::min(part, data.size() - at));
        sum.add(at, {some.data(), some.size()});
        some.evict();
    }
    data.release();
    return sum.value();
}

}  // namespace accel::compiler
