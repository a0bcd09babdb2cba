// SPDX-License-Identifier: Apache-2.0
//
// A file holds a header, the description of compiled.proto, and the weights as they are on the
// card.
#include "runtime/serialization.hpp"

#include <accel_hw.h>
#include <compiled.pb.h>

#include <accel/transfer.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <optional>
#include <ostream>
#include <set>

#include "codegen/list_arguments.hpp"
#include "ir/error.hpp"
#include "runtime/card_features.hpp"
#include "ir/fingerprint.hpp"
#include "runtime/shape_cache.hpp"
#include "runtime/specialization.hpp"
#include "runtime/weight_upload.hpp"

namespace accel::compiler {

namespace {

constexpr std::array<char, 8> signature{'A', 'C', 'C', 'E', 'L', 'M', 'D', 'L'};
constexpr std::uint32_t format_version = 1;
constexpr std::uint32_t format_of_lists = 2;   // a file that states several lists
constexpr std::uint32_t format_of_shapes = 3;  // a file that states several shapes
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

// A model without them has one list with all inputs and outputs.
bool has_lists(const CompiledModel& model) {
    return model.inputs.size() + model.outputs.size() > max_ports(model.has_shape_weights());
}

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

// The fields that Compiled and Shape have both.
template <typename Message>
void serialize_model(Message& to, const CompiledModel& model) {
    for (const TensorInfo& input : model.inputs) {
        serialize_tensor(*to.add_inputs(), input);
    }
    for (const TensorInfo& output : model.outputs) {
        serialize_tensor(*to.add_outputs(), output);
    }
    for (std::size_t i = 0; i < model.commands.size(); ++i) {
        serialized::ModelCommand& command = *to.add_commands();
        command.set_node(model.command_names[i].node);
        command.set_command(model.command_names[i].command);
        const std::vector<std::byte> encoded = model.commands[i].serialize();
        command.set_encoded(encoded.data(), encoded.size());
    }
    if (model.host_fallback) {
        serialize_fallback(*to.mutable_host_fallback(), *model.host_fallback);
    }
    for (std::size_t i = 0; has_lists(model) && i < model.parts.size(); ++i) {
        serialized::List& list = *to.add_lists();
        list.set_commands(model.parts[i].commands);
        list.mutable_ports()->Add(model.parts[i].ports.begin(), model.parts[i].ports.end());
    }
    to.set_activations(model.memory.activations);
    to.set_peak(model.memory.peak);
}

void serialize_inputs(serialized::Compiled& to, const InputShapes& shapes) {
    for (const InputShape& input : shapes.inputs()) {
        serialized::Input& made = *to.add_open_inputs();
        made.set_name(input.name);
        made.set_type(static_cast<std::uint32_t>(input.type));
        made.set_has_rank(input.has_rank);
        for (const InputDimension& dimension : input.dimensions) {
            auto& one = *made.add_dimensions();
            one.set_name(dimension.name);
            if (dimension.fixed) {
                one.set_fixed(*dimension.fixed);
            }
            if (dimension.first) {
                one.set_first(*dimension.first);
            }
        }
    }
}

// The weights of a file: those that all shapes share, and those of each shape.
class FileWeights {
  public:
    explicit FileWeights(const CompiledModel& any) : bytes_(download_weights(any)) {}

    // The offset of the weights of a shape.
    std::uint64_t add(const CompiledModel& shape) {
        if (shape.shape_weights_offset) {
            return *shape.shape_weights_offset;
        }
        const std::size_t offset = (bytes_.size() + alignment - 1) / alignment * alignment;
        bytes_.resize(offset + shape.memory.shape_weights);
        Queue queue = shape.device.create_queue();
        download(shape.device, queue, std::span(bytes_).subspan(offset), shape.shape_weights);
        return offset;
    }

    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

  private:
    static constexpr std::size_t alignment = 64;
    std::vector<std::byte> bytes_;
};

std::vector<std::byte> file_of(const serialized::Compiled& description,
                               const std::vector<std::byte>& weights, std::uint32_t format) {
    const std::string text = description.SerializeAsString();
    std::vector<std::byte> bytes(sizeof(Header) + text.size() + weights.size());
    const auto content = std::span(bytes).subspan(sizeof(Header));
    std::ranges::copy(std::as_bytes(std::span(text)), content.begin());
    std::ranges::copy(weights, content.begin() + static_cast<std::ptrdiff_t>(text.size()));
    const Header header{.signature = signature,
                        .format = format,
                        .hardware = ACCEL_VERSION,
                        .description = text.size(),
                        .weights = weights.size(),
                        .fingerprint = fingerprint(content)};
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

std::vector<std::byte> serialize_one(const CompiledModel& model) {
    serialized::Compiled description;
    description.set_features(model.features);
    serialize_model(description, model);
    return file_of(description, download_weights(model),
                   has_lists(model) ? format_of_lists : format_version);
}

std::vector<std::byte> serialize_shapes(const ModelState& model,
                                        std::vector<std::shared_ptr<CompiledModel>> shapes) {
    serialized::Compiled description;
    serialize_inputs(description, model.shapes->inputs());
    const auto first = std::ranges::find(shapes, model.shape);
    if (first != shapes.end()) {
        std::iter_swap(shapes.begin(), first);
        description.set_has_first(true);
    } else {
        for (const TensorInfo& output : model.shape->outputs) {
            serialize_tensor(*description.add_outputs(), output);
        }
    }
    FileWeights weights(*shapes.front());
    std::uint64_t features = 0;
    for (const auto& shape : shapes) {
        serialized::Shape& made = *description.add_shapes();
        serialize_model(made, *shape);
        features |= shape->features;
        if (shape->has_shape_weights()) {
            made.set_shape_weights(shape->memory.shape_weights);
            made.set_shape_weights_offset(weights.add(*shape));
        }
    }
    description.set_features(features);
    return file_of(description, weights.bytes(), format_of_shapes);
}

// ---- reading

DataType deserialize_type(const serialized::Tensor& tensor) {
    if (tensor.type() < static_cast<std::uint32_t>(DataType::f32) ||
        tensor.type() > static_cast<std::uint32_t>(DataType::u2)) {
        refuse("tensor '" + tensor.name() + "' has the unknown data type " +
                   std::to_string(tensor.type()),
               "compile the model again");
    }
    return static_cast<DataType>(tensor.type());
}

std::vector<TensorInfo> deserialize_tensors(
    const google::protobuf::RepeatedPtrField<serialized::Tensor>& tensors) {
    std::vector<TensorInfo> result;
    for (const serialized::Tensor& tensor : tensors) {
        result.push_back({tensor.name(),
                          deserialize_type(tensor),
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
    if (header.format < format_version || header.format > format_of_shapes) {
        refuse("it has format " + std::to_string(header.format) +
                   ", and this libaccel supports format " + std::to_string(format_of_shapes) +
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
template <typename Message>
std::vector<ListPart> deserialize_lists(const Message& file, std::size_t ports,
                                        bool has_shape_weights) {
    const std::size_t most = max_ports(has_shape_weights);
    const auto commands = static_cast<std::size_t>(file.commands_size());
    std::vector<ListPart> parts;
    std::size_t counted = 0;
    bool valid = true;
    for (const serialized::List& list : file.lists()) {
        parts.push_back({list.commands(), {list.ports().begin(), list.ports().end()}});
        counted += list.commands();
        valid = valid && list.commands() <= commands && counted <= commands &&
                parts.back().ports.size() <= most &&
                std::ranges::all_of(list.ports(), [&](auto port) { return port < ports; });
    }
    if (parts.empty() && ports <= most) {
        parts.push_back({commands, std::vector<std::uint32_t>(ports)});
        std::iota(parts[0].ports.begin(), parts[0].ports.end(), 0U);
        counted = commands;
    }
    if (!valid || counted != commands) {
        refuse("its lists do not fit its commands", "compile the model again");
    }
    return parts;
}

// A model before its upload, from the fields that Compiled and Shape have both.
template <typename Message>
std::shared_ptr<CompiledModel> deserialize_model(const Device& device, const Message& file,
                                                 std::uint64_t weights, std::uint64_t features,
                                                 std::uint64_t shape_weights) {
    auto model = std::make_shared<CompiledModel>(device.alias());
    model->inputs = deserialize_tensors(file.inputs());
    model->outputs = deserialize_tensors(file.outputs());
    if (file.has_host_fallback()) {
        model->host_fallback = deserialize_fallback(file.host_fallback(), model->outputs.size());
    }
    model->results = results_of(*model);
    model->memory = {.weights = weights,
                     .activations = file.activations(),
                     .peak = file.peak(),
                     .shape_weights = shape_weights};
    model->features = features;
    model->parts = deserialize_lists(file, model->inputs.size() + model->outputs.size(),
                                     model->has_shape_weights());
    if (file.peak() > max_peak_memory) {
        refuse("it needs more memory than a model can have", "compile the model again");
    }
    for (const serialized::ModelCommand& command : file.commands()) {
        model->command_names.push_back({command.node(), command.command()});
        model->commands.push_back(
            Command::deserialize(std::as_bytes(std::span(command.encoded()))));
    }
    return model;
}

InputShapes deserialize_inputs(const serialized::Compiled& file) {
    std::vector<InputShape> inputs;
    for (const serialized::Input& input : file.open_inputs()) {
        serialized::Tensor tensor;
        tensor.set_name(input.name());
        tensor.set_type(input.type());
        InputShape& made = inputs.emplace_back(InputShape{.name = input.name(),
                                                          .type = deserialize_type(tensor),
                                                          .has_rank = input.has_rank(),
                                                          .dimensions = {}});
        for (const auto& dimension : input.dimensions()) {
            InputDimension& one =
                made.dimensions.emplace_back(InputDimension{dimension.name(), {}, {}});
            if (dimension.has_fixed()) {
                one.fixed = dimension.fixed();
            }
            if (dimension.has_first()) {
                one.first = dimension.first();
            }
        }
    }
    return InputShapes(std::move(inputs));
}

// Whether the inputs of a shape have the names, types and lengths that the model takes.
void check_inputs(const InputShapes& inputs, const CompiledModel& shape) {
    const auto same = [](const InputShape& input, const TensorInfo& info) {
        return input.name == info.name && input.type == info.type;
    };
    if (!std::ranges::equal(inputs.inputs(), shape.inputs, same)) {
        refuse("its shapes have different inputs", "compile the model again");
    }
    std::vector<Dims> dims;
    for (const TensorInfo& info : shape.inputs) {
        dims.push_back(info.shape);
    }
    inputs.check(dims);
}

void log_shape(const LoadOptions& options, const CompiledModel& model) {
    if (options.log != nullptr) {
        *options.log << "load: a compiled model of " << model.commands.size() << " commands\n";
    }
}

Model deserialize_shapes(const Device& device, const serialized::Compiled& file,
                         std::vector<WeightPiece> weights, const LoadOptions& options) {
    const std::uint64_t bytes = weights.front().data.size();
    InputShapes inputs = deserialize_inputs(file);
    auto shapes = std::make_shared<ShapeCache>(inputs, nullptr, options.max_shapes);
    std::shared_ptr<CompiledModel> first;
    std::optional<SharedWeights> shared;
    for (const serialized::Shape& shape : file.shapes()) {
        const std::uint64_t own = shape.shape_weights();
        auto model = deserialize_model(device, shape, bytes, file.features(), own);
        check_inputs(inputs, *model);
        if (own != 0) {
            model->shape_weights_offset = shape.shape_weights_offset();
            if (own > bytes || shape.shape_weights_offset() > bytes - own) {
                refuse("the weights of a shape end past those of the file",
                       "compile the model again");
            }
        }
        log_shape(options, *model);
        if (!shared) {
            upload(*model, std::move(weights), {.imported = options.imported_weights}, {});
            shared = SharedWeights{.memory = model->weights.alias(),
                                   .bytes = bytes,
                                   .fingerprint = model->fingerprint,
                                   .ranges = model->ranges};
            first = model;
        } else {
            upload(*model, {}, {.memory = &*shared, .scratch = first->scratch}, {});
        }
        if (own != 0) {
            model->shape_weights = model->weights.slice(*model->shape_weights_offset, own);
        }
        shapes->add(std::move(model));
    }
    if (!file.has_first()) {
        first = std::make_shared<CompiledModel>(device.alias());
        first->inputs = inputs.describe();
        first->outputs = deserialize_tensors(file.outputs());
        first->results = first->outputs;
        first->compiled = false;
    }
    return ModelAccess::wrap(std::move(first), std::move(shapes));
}

Model deserialize(const Device& device, const Bytes& source, const LoadOptions& options) {
    if (options.batch != 0 || !options.dimensions.empty() || !options.shapes.empty() ||
        !options.constant_inputs.empty() || options.open_dimensions ||
        !options.specializations.empty()) {
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
    std::vector<WeightPiece> weights;
    weights.push_back({0, TensorStorage(source, bytes.subspan(header.description))});
    if (file.shapes_size() != 0) {
        return deserialize_shapes(device, file, std::move(weights), options);
    }
    auto model = deserialize_model(device, file, header.weights, file.features(), 0);
    log_shape(options, *model);
    upload(*model, std::move(weights), {.imported = options.imported_weights}, {});
    return ModelAccess::wrap(std::move(model));
}

}  // namespace

bool is_compiled(std::span<const std::byte> bytes) {
    return bytes.size() >= signature.size() &&
           std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

std::vector<std::byte> serialize(const ModelState& model) {
    const std::shared_ptr<CompiledModel> any = with_shape(model);
    if (!model.shapes) {
        return serialize_one(*any);
    }
    std::vector<std::shared_ptr<CompiledModel>> shapes = model.shapes->all();
    if (model.shape->compiled && std::ranges::find(shapes, model.shape) == shapes.end()) {
        shapes.push_back(model.shape);
    }
    if (shapes.size() == 1 && !shapes.front()->has_shape_weights()) {
        return serialize_one(*shapes.front());
    }
    return serialize_shapes(model, std::move(shapes));
}

Model load_compiled(const Device& device, const Bytes& file, const std::string& name,
                    const LoadOptions& options) {
    return in_context(name, [&] { return deserialize(device, file, options); });
}

}  // namespace accel::compiler
