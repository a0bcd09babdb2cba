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
#include <numeric>
#include <ostream>
#include <set>

#include "codegen/list_arguments.hpp"
#include "frontend/file_io.hpp"
#include "ir/error.hpp"
#include "runtime/card_features.hpp"
#include "runtime/fingerprint.hpp"
#include "runtime/weight_upload.hpp"

namespace accel::compiler {

namespace {

constexpr std::array<char, 8> signature{'A', 'C', 'C', 'E', 'L', 'M', 'D', 'L'};
constexpr std::uint32_t format_version = 1;
constexpr std::uint32_t format_of_lists = 2;  // a file that states several lists
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

std::string description_of(const CompiledModel& model, bool has_lists) {
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
    for (std::size_t i = 0; has_lists && i < model.parts.size(); ++i) {
        serialized::List& list = *description.add_lists();
        list.set_commands(model.parts[i].commands);
        list.mutable_ports()->Add(model.parts[i].ports.begin(), model.parts[i].ports.end());
    }
    description.set_activations(model.memory.activations);
    description.set_peak(model.memory.peak);
    return description.SerializeAsString();
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

// Reads the whole file, and keeps none of it in memory.
std::uint64_t fingerprint_of(const Bytes& file, std::span<const std::byte> bytes) {
    constexpr std::size_t part = std::size_t{1} << 20;
    Fingerprint sum(bytes.size());
    for (std::size_t at = 0; at < bytes.size(); at += part) {
        const auto some = bytes.subspan(at, std::min(part, bytes.size() - at));
        sum.add(some);
        file->evict(some);
    }
    return sum.value();
}

Header check_header(const Bytes& file) {
    std::span<const std::byte> bytes = file->bytes();
    Header header{};
    if (bytes.size() < sizeof header) {
        refuse_damaged("it ends within its header",
                       "copy the file again, or compile the model again");
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.format < format_version || header.format > format_of_lists) {
        refuse("it has format " + std::to_string(header.format) +
                   ", and this libaccel supports format " + std::to_string(format_of_lists) +
                   " and older",
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
                       "copy the file again, or compile the model again");
    }
    if (fingerprint_of(file, bytes) != header.fingerprint) {
        refuse_damaged("it is damaged: its checksum is wrong", "compile the model again");
    }
    return header;
}

// The lists of a file; without any, one that has all inputs and outputs.
std::vector<ListPart> deserialize_lists(const serialized::Compiled& file, std::size_t ports) {
    const auto commands = static_cast<std::size_t>(file.commands_size());
    std::vector<ListPart> parts;
    std::size_t counted = 0;
    bool valid = true;
    for (const serialized::List& list : file.lists()) {
        parts.push_back({list.commands(), {list.ports().begin(), list.ports().end()}});
        counted += list.commands();
        valid = valid && list.commands() <= commands && counted <= commands &&
                parts.back().ports.size() <= max_ports &&
                std::ranges::all_of(list.ports(), [&](auto port) { return port < ports; });
    }
    if (parts.empty() && ports <= max_ports) {
        parts.push_back({commands, std::vector<std::uint32_t>(ports)});
        std::iota(parts[0].ports.begin(), parts[0].ports.end(), 0U);
        counted = commands;
    }
    if (!valid || counted != commands) {
        refuse("its lists do not fit its commands", "compile the model again");
    }
    return parts;
}

Model deserialize(const Device& device, const Bytes& source, const LoadOptions& options) {
    if (options.batch != 0 || !options.dimensions.empty() || !options.shapes.empty() ||
        !options.constant_inputs.empty()) {
        refuse("its shapes were decided when it was compiled", "to change them, compile it again");
    }
    const Header header = check_header(source);
    const std::span<const std::byte> bytes = source->bytes().subspan(sizeof header);
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
    model->parts = deserialize_lists(file, model->inputs.size() + model->outputs.size());
    if (file.peak() > max_peak_memory) {
        refuse("it needs more memory than a model can have", "compile the model again");
    }
    for (const serialized::ModelCommand& command : file.commands()) {
        model->command_names.push_back({command.node(), command.command()});
        model->commands.push_back(
            Command::deserialize(std::as_bytes(std::span(command.encoded()))));
    }
    if (options.log != nullptr) {
        *options.log << "load: a compiled model of " << model->commands.size() << " commands\n";
    }
    std::vector<WeightPiece> weights;
    weights.push_back({0, TensorStorage(source, bytes.subspan(header.description))});
    upload(*model, std::move(weights), {.imported = options.imported_weights}, {});
    return ModelAccess::wrap(std::move(model));
}

}  // namespace

bool is_compiled(std::span<const std::byte> bytes) {
    return bytes.size() >= signature.size() &&
           std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

void save_compiled(const CompiledModel& model, const std::filesystem::path& file) {
    const bool has_lists = model.inputs.size() + model.outputs.size() > max_ports;
    const std::string description = description_of(model, has_lists);
    const auto text = std::as_bytes(std::span(description));
    Fingerprint sum(text.size() + model.memory.weights);
    sum.add(text);
    download_weights(model, [&](std::span<const std::byte> part) { sum.add(part); });
    const Header header{.signature = signature,
                        .format = has_lists ? format_of_lists : format_version,
                        .hardware = ACCEL_VERSION,
                        .description = text.size(),
                        .weights = model.memory.weights,
                        .fingerprint = sum.value()};
    write_file(file, [&](const WriteBytes& write) {
        write(std::as_bytes(std::span(&header, 1)));
        write(text);
        download_weights(model, write);
    });
}

Model load_compiled(const Device& device, const Bytes& file, const std::string& name,
                    const LoadOptions& options) {
    return in_context(name, [&] { return deserialize(device, file, options); });
}

}  // namespace accel::compiler
