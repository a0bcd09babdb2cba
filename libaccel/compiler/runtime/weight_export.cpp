// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_export.hpp"

#include <accel/transfer.hpp>

#include <unistd.h>

#include <algorithm>
#include <span>
#include <vector>

#include "ir/fingerprint.hpp"
#include "runtime/weights_trailer.hpp"

namespace accel::compiler {

namespace {

// Reads the weights on the card part by part.
std::uint64_t checksum_on_card(const CompiledModel& model, Queue& queue, const WeightRange& range) {
    constexpr std::uint64_t part = std::uint64_t{1} << 20;
    std::vector<std::byte> bytes(std::min(part, range.bytes));
    WeightsFingerprint sum;
    for (std::uint64_t at = 0; at < range.bytes; at += part) {
        const auto some = std::span(bytes).first(std::min(part, range.bytes - at));
        download(model.device, queue, some, model.weights.slice(range.offset + at, some.size()));
        sum.add(at, some);
    }
    return sum.value();
}

}  // namespace

std::uint64_t weights_memory_bytes(const CompiledModel& model) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t ranges = std::max<std::uint64_t>(model.ranges.size(), 1);
    const std::uint64_t end =
        directory_offset(model) + ranges * sizeof(WeightRange) + trailer_alignment;
    return (end + page - 1) / page * page;
}

FileDescriptor export_weights(const CompiledModel& model) {
    const std::uint64_t footer_offset = model.weights.size() - trailer_alignment;
    Queue queue = model.device.create_queue();
    WeightsFooter footer;
    download(model.device, queue, std::as_writable_bytes(std::span(&footer, 1)),
             model.weights.slice(footer_offset, sizeof footer));
    if (!footer.valid() || footer.trailer != trailer_of(model)) {
        std::vector<WeightRange> ranges = model.ranges;
        if (ranges.empty()) {
            ranges.push_back({.offset = 0, .bytes = model.memory.weights});
        }
        for (WeightRange& range : ranges) {
            range.checksum = checksum_on_card(model, queue, range);
        }
        footer = {.directory = directory_offset(model),
                  .ranges = ranges.size(),
                  .trailer = trailer_of(model)};
        upload(model.device, queue, model.weights.slice(footer.directory,
                                                  ranges.size() * sizeof(WeightRange)),
               std::as_bytes(std::span(ranges)));
        upload(model.device, queue, model.weights.slice(footer_offset, sizeof footer),
               std::as_bytes(std::span(&footer, 1)));
    }
    return model.device.export_memory(model.weights);
}

}  // namespace accel::compiler
