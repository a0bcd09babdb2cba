// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_upload.hpp"

#include <accel/transfer.hpp>

#include <algorithm>
#include <cstring>

#include "runtime/argument_binding.hpp"
#include "runtime/fingerprint.hpp"
#include "runtime/weight_import.hpp"
#include "runtime/weights_trailer.hpp"

namespace accel::compiler {

namespace {

void upload_weights(CompiledModel& model, std::span<const std::byte> weights) {
    const WeightsTrailer trailer = trailer_of(model);
    std::vector<std::byte> bytes(trailer_offset(model) + sizeof trailer);
    std::ranges::copy(weights, bytes.begin());
    std::memcpy(&bytes[trailer_offset(model)], &trailer, sizeof trailer);
    model.weights = model.device.allocate_device<std::byte>({bytes.size()});
    Queue queue = model.device.create_queue();
    accel::upload(model.device, queue, model.weights, bytes);
}

}  // namespace

void upload(CompiledModel& model, std::span<const std::byte> weights, const WeightSource& source) {
    model.fingerprint = fingerprint(weights);
    const CompiledModel* const sharer = source.sharer;
    if (source.imported >= 0) {
        import_weights(model, source.imported);
    } else if (sharer != nullptr && trailer_of(*sharer) == trailer_of(model)) {
        model.weights = sharer->weights.alias();
    } else {
        upload_weights(model, weights);
    }
    if (!model.commands.empty()) {
        CommandList list = model.device.create_command_list(Placement::device);
        for (const Command& command : model.commands) {
            list.add(command);
        }
        name_arguments(model, list);
        list.close();
        model.list.emplace(std::move(list));
    }
}

std::vector<std::byte> download_weights(const CompiledModel& model) {
    std::vector<std::byte> bytes(model.memory.weights);
    if (!bytes.empty()) {
        Queue queue = model.device.create_queue();
        download(model.device, queue, std::span(bytes), model.weights.slice(0, bytes.size()));
    }
    return bytes;
}

}  // namespace accel::compiler
