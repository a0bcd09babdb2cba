// SPDX-License-Identifier: Apache-2.0
//
// A file: a head, what compiled.proto describes, and the weights as they lie on the card.
#include "runtime/serialization.hpp"

#include <accel_hw.h>
#include <compiled.pb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ostream>
#include <set>

#include "frontend/onnx_file.hpp"
#include "ir/tensor.hpp"
#include "runtime/compiled_model.hpp"
#include "runtime/weight_upload.hpp"

namespace accel {

namespace compiler {

namespace {

constexpr std::array<char, 8> magic{'A', 'C', 'C', 'E', 'L', 'M', 'D', 'L'};
constexpr std::uint32_t format = 1;  // of the file
constexpr std::uint64_t most_peak = std::uint64_t{1} << 40;

struct Head {
    std::array<char, 8> magic;
    std::uint32_t format;
    std::uint32_t hardware;     // ACCEL_VERSION: what the commands are written for
    std::uint64_t description;  // bytes
    std::uint64_t weights;      // bytes
    std::uint64_t fingerprint;  // of all that follows
};
static_assert(std::has_unique_object_representations_v<Head>);

void describe(serialized::Tensor& to, const TensorInfo& info) {
    to.set_name(info.name);
    to.set_type(static_cast<std::uint32_t>(info.type));
    to.mutable_shape()->Add(info.shape.begin(), info.shape.end());
}

std::vector<TensorInfo> infos(const google::protobuf::RepeatedPtrField<serialized::Tensor>& tensors) {
    std::vector<TensorInfo> result;
    for (const serialized::Tensor& tensor : tensors) {
        if (tensor.type() < static_cast<std::uint32_t>(DataType::f32) ||
            tensor.type() > static_cast<std::uint32_t>(DataType::u64)) {
            refuse("tensor '" + tensor.name() + "' is of a type that is not known");
        }
        result.push_back({tensor.name(),
                          static_cast<DataType>(tensor.type()),
                          {tensor.shape().begin(), tensor.shape().end()}});
        // Throws if it is too large.
        static_cast<void>(result.back().elements());
    }
    return result;
}

void describe(serialized::Tail& to, const Tail& tail) {
    to.set_model(tail.model);
    to.set_narrow(tail.narrow);
    for (const HostNode& node : tail.nodes) {
        auto& made = *to.add_nodes();
        made.set_node(node.node);
        made.set_reason(node.reason);
    }
    to.mutable_inputs()->Add(tail.inputs.begin(), tail.inputs.end());
    for (const TensorInfo& info : tail.outputs) {
        describe(*to.add_outputs(), info);
    }
    to.mutable_sources()->Add(tail.sources.begin(), tail.sources.end());
}

// `outputs`: how many the commands have.
std::shared_ptr<const Tail> tail_of(const serialized::Tail& file, std::size_t outputs) {
    auto tail = std::make_shared<Tail>();
    tail->model = file.model();
    tail->narrow = file.narrow();
    for (const auto& node : file.nodes()) {
        tail->nodes.push_back({node.node(), node.reason()});
    }
    tail->inputs.assign(file.inputs().begin(), file.inputs().end());
    tail->outputs = infos(file.outputs());
    tail->sources.assign(file.sources().begin(), file.sources().end());
    // Each output of the model comes from one place, and none from what the tail reads.
    std::set<std::size_t> seen;
    const auto possible = [&](std::size_t source) {
        const bool known = source < outputs - tail->inputs.size() ||
                           (source >= outputs && source < outputs + tail->outputs.size());
        return known && seen.insert(source).second;
    };
    if (tail->inputs.size() > outputs || !std::ranges::all_of(tail->sources, possible)) {
        refuse("what it leaves to the host does not belong to its commands");
    }
    return tail;
}

Head check_head(std::span<const std::byte> bytes) {
    Head head{};
    if (bytes.size() < sizeof head) {
        refuse("it ends within its head: is it complete?");
    }
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.format != format) {
        refuse("it is of format " + std::to_string(head.format) + ", and this libaccel knows " +
               std::to_string(format) + ": compile the model again");
    }
    if (head.hardware >> 16 != ACCEL_VERSION_MAJOR || head.hardware > ACCEL_VERSION) {
        refuse("it is compiled for version " + std::to_string(head.hardware >> 16) + "." +
               std::to_string(head.hardware & 0xffff) + " of the hardware interface, and this " +
               "libaccel knows " + std::to_string(ACCEL_VERSION_MAJOR) + "." +
               std::to_string(ACCEL_VERSION_MINOR) + ": compile the model again");
    }
    bytes = bytes.subspan(sizeof head);
    if (head.description > bytes.size() || head.weights != bytes.size() - head.description) {
        refuse("it is " + std::to_string(bytes.size()) +
               " bytes long behind its head, which "
               "says otherwise: is it complete?");
    }
    if (fingerprint(bytes) != head.fingerprint) {
        refuse("it is damaged: its checksum is not what it says");
    }
    return head;
}

void check_memory(const ModelState& state, const DeviceInfo& card) {
    const std::uint64_t needed = state.memory.weights + state.memory.peak;
    if (needed > card.memory_size) {
        refuse("it needs " + std::to_string(needed) + " bytes of device memory for a run, and " +
               card.path + " has " + std::to_string(card.memory_size) +
               ": use a larger card or "
               "a smaller batch");
    }
}

Model restore(const Device& device, std::span<const std::byte> bytes, const LoadOptions& options) {
    if (options.batch != 0 || !options.dimensions.empty() || !options.shapes.empty() ||
        !options.constant_inputs.empty()) {
        refuse("its shapes were decided when it was compiled: compile it again for others");
    }
    const Head head = check_head(bytes);
    bytes = bytes.subspan(sizeof head);
    serialized::Compiled file;
    if (head.description > INT32_MAX ||
        !file.ParseFromArray(bytes.data(), static_cast<int>(head.description))) {
        refuse("its description cannot be read");
    }
    const DeviceInfo card = device.info();
    check_card(card, file.features());
    auto state = std::make_shared<ModelState>(device.alias());
    state->inputs = infos(file.inputs());
    state->outputs = infos(file.outputs());
    if (file.has_tail()) {
        state->tail = tail_of(file.tail(), state->outputs.size());
    }
    state->results = results_of(*state);
    state->memory = {head.weights, file.activations(), file.peak()};
    if (state->inputs.size() + state->outputs.size() + first_argument > most_arguments ||
        file.peak() > most_peak) {
        refuse("it has more inputs and outputs, or needs more memory, than a model can");
    }
    check_memory(*state, card);
    for (const serialized::ModelCommand& step : file.commands()) {
        state->steps.push_back({step.node(), step.command()});
        state->commands.push_back(Command::deserialize(std::as_bytes(std::span(step.encoded()))));
    }
    if (options.log != nullptr) {
        *options.log << "read: a compiled model of " << state->commands.size() << " commands\n";
    }
    place(*state, bytes.subspan(head.description), options.imported_weights);
    return ModelAccess::wrap(std::move(state));
}

}  // namespace

bool is_compiled(std::span<const std::byte> bytes) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), 8) == 0;
}

Model load_compiled(const Device& device, std::span<const std::byte> bytes, const std::string& name,
                    const LoadOptions& options) {
    try {
        return restore(device, bytes, options);
    } catch (const Error& error) {
        throw Error(error.errc(), name + ": " + message_of(error));
    }
}

}  // namespace compiler

void Model::save(const std::filesystem::path& file) const {
    using namespace compiler;
    serialized::Compiled description;
    description.set_features(needed_features);
    for (const TensorInfo& info : state_->inputs) {
        compiler::describe(*description.add_inputs(), info);
    }
    for (const TensorInfo& info : state_->outputs) {
        compiler::describe(*description.add_outputs(), info);
    }
    for (std::size_t i = 0; i < state_->steps.size(); ++i) {
        serialized::ModelCommand& step = *description.add_commands();
        step.set_node(state_->steps[i].node);
        step.set_command(state_->steps[i].command);
        const std::vector<std::byte> encoded = state_->commands[i].serialize();
        step.set_encoded(encoded.data(), encoded.size());
    }
    if (state_->tail) {
        compiler::describe(*description.mutable_tail(), *state_->tail);
    }
    description.set_activations(state_->memory.activations);
    description.set_peak(state_->memory.peak);
    const std::string text = description.SerializeAsString();
    const std::vector<std::byte> weights = fetch_weights(*state_);
    std::vector<std::byte> bytes(sizeof(Head) + text.size() + weights.size());
    const auto behind = std::span(bytes).subspan(sizeof(Head));
    std::ranges::copy(std::as_bytes(std::span(text)), behind.begin());
    std::ranges::copy(weights, behind.begin() + static_cast<std::ptrdiff_t>(text.size()));
    const Head head{.magic = magic,
                    .format = format,
                    .hardware = ACCEL_VERSION,
                    .description = text.size(),
                    .weights = weights.size(),
                    .fingerprint = fingerprint(behind)};
    std::memcpy(bytes.data(), &head, sizeof head);
    write_file(file, bytes);
}

}  // namespace accel
