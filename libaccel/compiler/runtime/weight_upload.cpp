// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_upload.hpp"

#include <accel_hw.h>

#include <accel/transfer.hpp>
#include <cstring>

#include "ir/tensor.hpp"

namespace accel::compiler {

namespace {

constexpr std::uint64_t alignment = 64;  // of the seal

std::uint64_t seal_offset(const ModelState& state) {
    return (state.memory.weights + alignment - 1) / alignment * alignment;
}

std::uint64_t sealed_bytes(const ModelState& state) {
    return seal_offset(state) + sizeof(Seal);
}

Seal seal_of(const ModelState& state) {
    return {.bytes = state.memory.weights, .fingerprint = state.fingerprint};
}

void upload_weights(ModelState& state, std::span<const std::byte> weights) {
    std::vector<std::byte> bytes(sealed_bytes(state));
    std::ranges::copy(weights, bytes.begin());
    const Seal seal = seal_of(state);
    std::memcpy(&bytes[seal_offset(state)], &seal, sizeof seal);
    state.weights = state.device.allocate_device<std::byte>({bytes.size()});
    Queue queue = state.device.create_queue();
    upload(state.device, queue, state.weights, bytes);
}

void import_weights(ModelState& state, int shared) {
    state.weights = state.device.import_memory<std::byte>(shared);
    Seal found;
    const Seal wanted = seal_of(state);
    // The kernel gives whole pages.
    if (state.weights.size() >= sealed_bytes(state)) {
        Queue queue = state.device.create_queue();
        download(state.device, queue, std::as_writable_bytes(std::span(&found, 1)),
                 state.weights.slice(seal_offset(state), sizeof found));
    }
    if (found.magic != wanted.magic || found.bytes != wanted.bytes ||
        found.fingerprint != wanted.fingerprint) {
        refuse(
            "the shared weights are not those of this model as it is compiled here: load the "
            "same file with the same options as the process that shares them");
    }
}

}  // namespace

const std::uint64_t needed_features =
    ACCEL_FEATURE_CALL | ACCEL_FEATURE_F32 | ACCEL_FEATURE_IMAGE | ACCEL_FEATURE_TENSOR;

void check_card(const DeviceInfo& card, std::uint64_t features) {
    if ((card.features & features) != features) {
        throw Error(std::errc::not_supported,
                    card.path + " does not have the engines that the model needs (its features " +
                        "are " + std::to_string(card.features) + ", and " +
                        std::to_string(features) + " are needed): use a newer card");
    }
}

void place(ModelState& state, std::span<const std::byte> weights, int shared) {
    state.fingerprint = fingerprint(weights);
    if (shared < 0) {
        upload_weights(state, weights);
    } else {
        import_weights(state, shared);
    }
    if (!state.commands.empty()) {
        CommandList list = state.device.create_command_list(Placement::device);
        for (const Command& command : state.commands) {
            list.add(command);
        }
        list.close();
        state.list.emplace(std::move(list));
    }
}

std::vector<std::byte> fetch_weights(const ModelState& state) {
    std::vector<std::byte> bytes(state.memory.weights);
    if (!bytes.empty()) {
        Queue queue = state.device.create_queue();
        download(state.device, queue, std::span(bytes), state.weights.slice(0, bytes.size()));
    }
    return bytes;
}

std::uint64_t fingerprint(std::span<const std::byte> bytes) {
    // FNV-1a, eight bytes at a time.
    constexpr std::uint64_t prime = 0x100000001b3;
    std::uint64_t sum = 0xcbf29ce484222325 ^ bytes.size();
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); i += sizeof word) {
        word = 0;
        std::memcpy(&word, &bytes[i], std::min(sizeof word, bytes.size() - i));
        sum = (sum ^ word) * prime;
        sum ^= sum >> 32;
    }
    return sum;
}

}  // namespace accel::compiler
