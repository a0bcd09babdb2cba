// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_import.hpp"

#include <accel/transfer.hpp>

#include "ir/error.hpp"
#include "runtime/weights_trailer.hpp"

namespace accel::compiler {

namespace {

// No model has more.
constexpr std::uint64_t max_ranges = std::uint64_t{1} << 20;

[[noreturn]] void refuse_weights() {
    refuse("the imported weights are not those of this model as it is compiled here",
           "load the "
           "same file with the same options as the process that exports them");
}

}  // namespace

void import_weights(CompiledModel& model, int descriptor) {
    model.weights = model.device.import_memory<std::byte>(descriptor);
    WeightsTrailer found;
    // The size of a dma-buf is a multiple of the page size.
    if (model.weights.size() >= trailer_offset(model) + sizeof found) {
        Queue queue = model.device.create_queue();
        download(model.device, queue, std::as_writable_bytes(std::span(&found, 1)),
                 model.weights.slice(trailer_offset(model), sizeof found));
    }
    if (found != trailer_of(model)) {
        refuse_weights();
    }
}

SharedWeights import_weights(const Device& device, int descriptor, PlacedWeights& placed) {
    SharedWeights result{.memory = device.import_memory<std::byte>(descriptor), .ranges = {}};
    const std::uint64_t size = result.memory.size();
    WeightsFooter footer{.magic = {}};
    Queue queue = device.create_queue();
    if (size >= trailer_alignment) {
        download(device, queue, std::as_writable_bytes(std::span(&footer, 1)),
                 result.memory.slice(size - trailer_alignment, sizeof footer));
    }
    if (!footer.valid() || footer.ranges > max_ranges || footer.directory > size ||
        footer.ranges * sizeof(WeightRange) > size - footer.directory ||
        footer.trailer.bytes > size) {
        refuse_weights();
    }
    result.bytes = footer.trailer.bytes;
    result.fingerprint = footer.trailer.fingerprint;
    result.ranges.resize(footer.ranges);
    if (!result.ranges.empty()) {
        download(device, queue, std::as_writable_bytes(std::span(result.ranges)),
                 result.memory.slice(footer.directory, footer.ranges * sizeof(WeightRange)));
    }
    for (const WeightRange& range : result.ranges) {
        if (range.bytes > result.bytes || range.offset > result.bytes - range.bytes) {
            refuse_weights();
        }
        placed.add(range);
    }
    return result;
}

}  // namespace accel::compiler
