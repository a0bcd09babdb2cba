// SPDX-License-Identifier: Apache-2.0
//
// A file holds a header, the description of compiled.proto, and the weights as they are on the
// card.
#include "runtime/serialization.hpp"

#include <accel_hw.h>
#include <compiled.pb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ostream>
#include <set>

#include "codegen/list_arguments.hpp"
#include "ir/error.hpp"
#include "runtime/card_features.hpp"
#include "runtime/fingerprint.hpp"
#include "runtime/weight_upload.hpp"

namespace accel::compiler {

namespace {

constexpr std::array<char, 8> signature{'A', 'C', 'C', 'E', 'L', 'M', 'D', 'L'};
constexpr std::uint32_t format_version = 1;
constexpr std::uint64_t max_peak_memory = std::uint64_t{1} << 40;

struct Header {
    std::array<char, 8> signature;
    std::uint32_t format;
    std::uint32_t hardware;     // ACCEL_VERSION of the commands
    std::uint64_t description;  // bytes
    std::uint64_t weights;      // bytes
    std::uint64_t fingerprint;  // of all bytes after the header
};
static_assert(std::has_unique_object_representations_v<Header>);

// ---- writing

void serialize_tensor(serialized::Tensor& to, const TensorInfo& tensor) {
    to.set_name(tensor.name);
    to.set_type(static_cast<std::uint32_t>(tensor.type));
    to.mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
}

void serialize_fallback(serialized::HostFallback& to, const HostFallback& fallback) {
    to.set_model(fallback.model);
    to.set_allow_narrowing(fallback.allow_narrowing);
    for (const HostNode& node : fallback.nodes) {
        auto& made = *to.add_nodes();
        made.set_node(node.node);
        made.set_reason(node.reason);
    }
    to.mutable_inputs()->Add(fallback.inputs.begin(), fallback.inputs.end());
    for (const TensorInfo& output : fallback.outputs) {
        serialize_tensor(*to.add_outputs(), output);
    }
    to.mutable_sources()->Add(fallback.sources.begin(), fallback.sources.end());
}

// ---- reading

std::vector<TensorInfo> deserialize_tensors(
    const google::protobuf::RepeatedPtrField<serialized::Tensor>& tensors) {
    std::vector<TensorInfo> result;
    for (const serialized::Tensor& tensor : tensors) {
        if (tensor.type() < static_cast<std::uint32_t>(DataType::f32) ||
            tensor.type() > static_cast<std::uint32_t>(DataType::u2)) {
            refuse("tensor '" + tensor.name() + "' has the unknown data type " +
                       std::to_string(tensor.type()),
                   "compile the model again");
        }
        result.push_back({tensor.name(),
                          static_cast<DataType>(tensor.type()),
                          {tensor.shape().begin(), tensor.shape().end()}});
        // Throws if the tensor is too large.
        static_cast<void>(result.back().elements());
    }
    return result;
}

// `outputs` is the number of outputs of the commands.
std::shared_ptr<const HostFallback> deserialize_fallback(const serialized::HostFallback& file,
                                                         std::size_t outputs) {
    auto fallback = std::make_shared<HostFallback>();
    fallback->model = file.model();
    fallback->allow_narrowing = file.allow_narrowing();
    for (const auto& node : file.nodes()) {
        fallback->nodes.push_back({node.node(), node.reason()});
    }
    fallback->inputs.assign(file.inputs().begin(), file.inputs().end());
    fallback->outputs = deserialize_tensors(file.outputs());
    fallback->sources.assign(file.sources().begin(), file.sources().end());
    // Each output of the model has one source, which is no input of the fallback.
    std::set<std::size_t> seen;
    const auto is_valid = [&](std::size_t source) {
        const bool exists = source < outputs - fallback->inputs.size() ||
                            (source >= outputs && source < outputs + fallback->outputs.size());
        return exists && seen.insert(source).second;
    };
    if (fallback->inputs.size() > outputs || !std::ranges::all_of(fallback->sources, is_valid)) {
        refuse("its host fallback does not fit its commands", "compile the model again");
    }
    return fallback;
}

Header check_header(std::span<const std::byte> bytes) {
    Header header{};
    if (bytes.size() < sizeof header) {
        refuse_damaged("it ends within its header", "is the file complete?");
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.format != format_version) {
        refuse("it has format " + std::to_string(header.format) +
                   ", and this libaccel supports format " + std::to_string(format_version),
               "compile the model again");
    }
    if (header.hardware >> 16 != ACCEL_VERSION_MAJOR || header.hardware > ACCEL_VERSION) {
        refuse("it is compiled for version " + std::to_string(header.hardware >> 16) + "." +
                   std::to_string(header.hardware & 0xffff) +
                   " of the hardware interface, and this " + "libaccel supports version " +
                   std::to_string(ACCEL_VERSION_MAJOR) + "." + std::to_string(ACCEL_VERSION_MINOR),
               "compile the model again");
    }
    bytes = bytes.subspan(sizeof header);
    if (header.description > bytes.size() || header.weights != bytes.size() - header.description) {
        refuse_damaged("it has " + std::to_string(bytes.size()) +
                           " bytes after its header, which states another size",
                       "is the file complete?");
    }
    if (fingerprint(bytes) != header.fingerprint) {
        refuse_damaged("it is damaged: its checksum is wrong", "compile the model again");
    }
    return header;
}

void check_memory(const CompiledModel& model, const DeviceInfo& card) {
    const std::uint64_t needed = model.memory.weights + model.memory.peak;
    if (needed > card.memory_size) {
        refuse("it needs " + std::to_string(needed) + " bytes of device memory for a run, and " +
                   card.path + " has " + std::to_string(card.memory_size),
               "use a larger card or a smaller batch");
    }
}

Model deserialize(const Device& device, std::span<const std::byte> bytes,
                  const LoadOptions& options) {
    if (options.batch != 0 || !options.dimensions.empty() || !options.shapes.empty() ||
        !options.constant_inputs.empty()) {
        refuse("its shapes were decided when it was compiled", "to change them, compile it again");
    }
    const Header header = check_header(bytes);
    bytes = bytes.subspan(sizeof header);
    serialized::Compiled file;
    if (header.description > INT32_MAX ||
        !file.ParseFromArray(bytes.data(), static_cast<int>(header.description))) {
        refuse_damaged("its description is damaged", "compile the model again");
    }
    const DeviceInfo card = device.info();
    check_card(card, file.features());
    auto model = std::make_shared<CompiledModel>(device.alias());
    model->inputs = deserialize_tensors(file.inputs());
    model->outputs = deserialize_tensors(file.outputs());
    if (file.has_host_fallback()) {
        model->host_fallback = deserialize_fallback(file.host_fallback(), model->outputs.size());
    }
    model->results = results_of(*model);
    model->memory = {header.weights, file.activations(), file.peak()};
    model->features = file.features();
    if (model->inputs.size() + model->outputs.size() > max_ports || file.peak() > max_peak_memory) {
        refuse("it has more inputs and outputs, or needs more memory, than a model can have",
               "compile the model again");
    }
    check_memory(*model, card);
    for (const serialized::ModelCommand& command : file.commands()) {
        model->command_names.push_back({command.node(), command.command()});
        model->commands.push_back(
            Command::deserialize(std::as_bytes(std::span(command.encoded()))));
    }
    if (options.log != nullptr) {
        *options.log << "load: a compiled model of " << model->commands.size() << " commands\n";
    }
    upload(*model, bytes.subspan(header.description), {.imported = options.imported_weights});
    return ModelAccess::wrap(std::move(model));
}

}  // namespace

bool is_compiled(std::span<const std::byte> bytes) {
    return bytes.size() >= signature.size() &&
           std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

std::vector<std::byte> serialize(const CompiledModel& model) {
    serialized::Compiled description;
    description.set_features(model.features);
    for (const TensorInfo& input : model.inputs) {
        serialize_tensor(*description.add_inputs(), input);
    }
    for (const TensorInfo& output : model.outputs) {
        serialize_tensor(*description.add_outputs(), output);
    }
    for (std::size_t i = 0; i < model.commands.size(); ++i) {
        serialized::ModelCommand& command = *description.add_commands();
        command.set_node(model.command_names[i].node);
        command.set_command(model.command_names[i].command);
        const std::vector<std::byte> encoded = model.commands[i].serialize();
        command.set_encoded(encoded.data(), encoded.size());
    }
    if (model.host_fallback) {
        serialize_fallback(*description.mutable_host_fallback(), *model.host_fallback);
    }
    description.set_activations(model.memory.activations);
    description.set_peak(model.memory.peak);
    const std::string text = description.SerializeAsString();
    const std::vector<std::byte> weights = download_weights(model);
    std::vector<std::byte> bytes(sizeof(Header) + text.size() + weights.size());
    const auto content = std::span(bytes).subspan(sizeof(Header));
    std::ranges::copy(std::as_bytes(std::span(text)), content.begin());
    std::ranges::copy(weights, content.begin() + static_cast<std::ptrdiff_t>(text.size()));
    const Header header{.signature = signature,
                        .format = format_version,
                        .hardware = ACCEL_VERSION,
                        .description = text.size(),
                        .weights = weights.size(),
                        .fingerprint = fingerprint(content)};
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

Model load_compiled(const Device& device, std::span<const std::byte> bytes, const std::string& name,
                    const LoadOptions& options) {
    return in_context(name, [&] { return deserialize(device, bytes, options); });
}

}  // namespace accel::compiler
