// SPDX-License-Identifier: Apache-2.0
#include "onnx_reader.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <unordered_map>

#include "operator.hpp"

namespace accel {

UnknownInput::UnknownInput(const std::string& what, std::string input)
    : Error(std::errc::invalid_argument, what), input_(std::move(input)) {}

namespace model {

Type type_of(std::int64_t onnx_type) {
    switch (onnx_type) {
        case onnx::TensorProto::FLOAT:
            return Type::f32;
        case onnx::TensorProto::BFLOAT16:
            return Type::bf16;
        case onnx::TensorProto::FLOAT16:
            return Type::f16;
        case onnx::TensorProto::INT8:
            return Type::i8;
        case onnx::TensorProto::UINT8:
            return Type::u8;
        case onnx::TensorProto::INT16:
            return Type::i16;
        case onnx::TensorProto::UINT16:
            return Type::u16;
        case onnx::TensorProto::INT32:
            return Type::i32;
        case onnx::TensorProto::UINT32:
            return Type::u32;
        case onnx::TensorProto::INT64:
            return Type::i64;
        case onnx::TensorProto::BOOL:
            return Type::boolean;
        default:
            break;
    }
    const int number = static_cast<int>(onnx_type);
    const std::string name =
        onnx::TensorProto::DataType_IsValid(number)
            ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(number))
            : std::to_string(onnx_type);
    refuse("the card has no numbers of type " + name + ": convert the model to one of its types");
}

namespace {

template <typename T, typename Field>
void copy_field(const Field& field, Tensor& tensor) {
    if (static_cast<std::size_t>(field.size()) != tensor.data.size() / sizeof(T)) {
        refuse("a tensor of the file holds " + std::to_string(field.size()) +
               " elements, which is not what its shape " + to_string(tensor.dims) + " says");
    }
    for (int i = 0; i < field.size(); ++i) {
        const auto value = static_cast<T>(field.Get(i));
        std::memcpy(tensor.data.data() + static_cast<std::size_t>(i) * sizeof(T), &value,
                    sizeof(T));
    }
}

}  // namespace

Constant read_tensor(const onnx::TensorProto& proto) {
    if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
        refuse("tensor '" + proto.name() + "' lies in a file of its own, which is not supported: " +
               "save the model with its weights inside");
    }
    const Type type = type_of(proto.data_type());
    Dims dims(proto.dims().begin(), proto.dims().end());
    const std::int64_t count = elements(dims);
    // Nothing is allocated that the file does not pay for.
    const auto stated = static_cast<std::int64_t>(proto.raw_data().size()) / size_of(type) +
                        proto.float_data_size() + proto.int32_data_size() +
                        proto.int64_data_size() + proto.uint64_data_size();
    if (count > stated) {
        refuse("tensor '" + proto.name() + "' of the shape " + to_string(dims) + " has only " +
               std::to_string(stated) + " elements in the file");
    }
    auto tensor = std::make_shared<Tensor>(type, std::move(dims));
    if (proto.has_raw_data() && !proto.raw_data().empty()) {
        if (proto.raw_data().size() != tensor->data.size()) {
            refuse("tensor '" + proto.name() + "' has " + std::to_string(proto.raw_data().size()) +
                   " bytes where its shape asks for " + std::to_string(tensor->data.size()));
        }
        const auto raw = std::as_bytes(std::span(proto.raw_data()));
        std::ranges::copy(raw, tensor->data.begin());
        return tensor;
    }
    switch (type) {
        case Type::f32:
            copy_field<float>(proto.float_data(), *tensor);
            break;
        case Type::i64:
            copy_field<std::int64_t>(proto.int64_data(), *tensor);
            break;
        case Type::u32:
            copy_field<std::uint32_t>(proto.uint64_data(), *tensor);
            break;
        case Type::i32:
            copy_field<std::int32_t>(proto.int32_data(), *tensor);
            break;
        case Type::i16:
        case Type::u16:
        case Type::f16:
        case Type::bf16:
            copy_field<std::uint16_t>(proto.int32_data(), *tensor);
            break;
        default:
            copy_field<std::uint8_t>(proto.int32_data(), *tensor);
            break;
    }
    return tensor;
}

// ---- Node

ValueId Node::in(std::size_t i) const {
    if (!has(i)) {
        refuse("its input " + std::to_string(i) + " is missing");
    }
    return *inputs_[i];
}

std::vector<ValueId> Node::all() const {
    std::vector<ValueId> values;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        values.push_back(in(i));
    }
    return values;
}

std::vector<std::int64_t> Node::integers(std::size_t i) const {
    return b.known(in(i), "its input " + std::to_string(i)).integers();
}
std::vector<float> Node::floats(std::size_t i) const {
    return b.known(in(i), "its input " + std::to_string(i)).floats();
}

const onnx::AttributeProto* Node::find(const char* attribute) const {
    for (const auto& a : proto_.attribute()) {
        if (a.name() == attribute) {
            return &a;
        }
    }
    return nullptr;
}
std::int64_t Node::integer(const char* attribute, std::int64_t otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? a->i() : otherwise;
}
float Node::real(const char* attribute, float otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? a->f() : otherwise;
}
std::string Node::text(const char* attribute, const std::string& otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? a->s() : otherwise;
}
std::vector<std::int64_t> Node::list(const char* attribute,
                                     std::vector<std::int64_t> otherwise) const {
    const auto* a = find(attribute);
    return a != nullptr ? std::vector<std::int64_t>(a->ints().begin(), a->ints().end())
                        : std::move(otherwise);
}
std::vector<float> Node::reals(const char* attribute) const {
    const auto* a = find(attribute);
    return a != nullptr ? std::vector<float>(a->floats().begin(), a->floats().end())
                        : std::vector<float>();
}
Constant Node::tensor(const char* attribute) const {
    const auto* a = find(attribute);
    return a != nullptr ? read_tensor(a->t()) : nullptr;
}

std::vector<std::size_t> Node::axes(std::size_t input, std::size_t rank) const {
    std::vector<std::int64_t> given = has(input) ? integers(input) : list("axes");
    std::vector<std::size_t> result;
    for (const std::int64_t axis : given) {
        const std::size_t a = axis_of(axis, rank);
        if (std::ranges::find(result, a) != result.end()) {
            refuse("it names axis " + std::to_string(axis) + " twice");
        }
        result.push_back(a);
    }
    return result;
}

ValueId as_f32(const Node& n, ValueId x) {
    const Type type = n.b.type(x);
    if (type == Type::i64 || type == Type::u32 || type == Type::i32) {
        refuse("this is not supported for " + std::string(to_string(type)) +
               ": cast to f32 if 24 bits are enough");
    }
    return n.b.cast(x, Type::f32);
}

const Operators& operators() {
    static const Operators table = [] {
        Operators all;
        add_elementwise(all);
        add_shapes(all);
        add_matrices(all);
        add_images(all);
        add_reductions(all);
        add_quantised(all);
        return all;
    }();
    return table;
}

// ---- Graph

namespace {

using Names = std::unordered_map<std::string, ValueId>;

constexpr int most_nested = 16;
constexpr std::size_t most_instructions = 50000;
constexpr std::int64_t most_nodes = 500000;  // with those of loops, as often as they run
constexpr std::int64_t most_iterations = 10000;

class Reader {
  public:
    Reader(const onnx::ModelProto& model, const LoadOptions& options)
        : model_(model), options_(options), builder_(program_) {}

    Program read() {
        check_versions();
        const onnx::GraphProto& graph = model_.graph();
        Names names;
        check_options(graph);
        read_inputs(graph, names);
        read_graph(graph, names);
        if (graph.output_size() == 0) {
            refuse("the model has no outputs");
        }
        for (const auto& output : graph.output()) {
            program_.outputs.push_back({output.name(), find(names, output.name())});
        }
        return std::move(program_);
    }

  private:
    void check_versions() {
        if (!model_.has_graph()) {
            refuse("it holds no graph: is it an ONNX model?");
        }
        for (const auto& import : model_.opset_import()) {
            if (import.domain().empty() || import.domain() == "ai.onnx") {
                opset_ = import.version();
            }
        }
        if (opset_ < 1 || opset_ > 21) {
            refuse("it is of opset " + std::to_string(opset_) +
                   ", and opsets up to 21 are known: convert it with onnx.version_converter");
        }
    }

    // A name that is written wrong would be ignored otherwise.
    void check_options(const onnx::GraphProto& graph) const {
        std::set<std::string> inputs;
        std::set<std::string> dims;
        for (const auto& input : graph.input()) {
            inputs.insert(input.name());
            for (const auto& dim : input.type().tensor_type().shape().dim()) {
                dims.insert(dim.dim_param());
            }
        }
        const auto check = [](const auto& given, const std::set<std::string>& names,
                              const char* option, const char* what) {
            for (const auto& [name, value] : given) {
                if (!names.contains(name)) {
                    refuse(std::string("LoadOptions::") + option + " names '" + name +
                           "', and the model has no such " + what);
                }
            }
        };
        check(options_.known, inputs, "known", "input");
        check(options_.shapes, inputs, "shapes", "input");
        check(options_.dims, dims, "dims", "dimension");
    }

    void read_inputs(const onnx::GraphProto& graph, Names& names) {
        std::set<std::string> weights;
        for (const auto& tensor : graph.initializer()) {
            weights.insert(tensor.name());
        }
        for (const auto& input : graph.input()) {
            if (weights.contains(input.name())) {
                continue;
            }
            const auto known = options_.known.find(input.name());
            if (known != options_.known.end()) {
                const Type wanted = type_of(input.type().tensor_type().elem_type());
                if (known->second.type != wanted) {
                    refuse("LoadOptions::known gives input '" + input.name() + "' as " +
                           std::string(to_string(known->second.type)) + ", and it is " +
                           std::string(to_string(wanted)));
                }
                auto tensor = std::make_shared<Tensor>(known->second.type, known->second.shape);
                if (tensor->data.size() != known->second.bytes.size()) {
                    refuse("LoadOptions::known gives input '" + input.name() + "' " +
                           std::to_string(known->second.bytes.size()) + " bytes, not " +
                           std::to_string(tensor->data.size()));
                }
                tensor->data = known->second.bytes;
                names[input.name()] = builder_.constant(std::move(tensor));
                continue;
            }
            if (!input.type().has_tensor_type()) {
                refuse("input '" + input.name() + "' is no tensor");
            }
            const auto& tensor = input.type().tensor_type();
            names[input.name()] =
                builder_.input(input.name(), type_of(tensor.elem_type()), shape(input));
        }
    }

    Dims shape(const onnx::ValueInfoProto& input) {
        const auto given = options_.shapes.find(input.name());
        if (given != options_.shapes.end()) {
            return given->second;
        }
        const auto& tensor = input.type().tensor_type();
        if (!tensor.has_shape()) {
            refuse("input '" + input.name() + "' has no shape: give one in LoadOptions::shapes");
        }
        Dims dims;
        for (const auto& dim : tensor.shape().dim()) {
            const auto named = options_.dims.find(dim.dim_param());
            if (dim.has_dim_value() && dim.dim_value() >= 0) {
                const bool batch = dims.empty() && dim.dim_value() == 1 && options_.batch > 0 &&
                                   tensor.shape().dim_size() > 1;
                dims.push_back(batch ? options_.batch : dim.dim_value());
            } else if (named != options_.dims.end()) {
                dims.push_back(named->second);
            } else if (dims.empty()) {
                dims.push_back(std::max<std::int64_t>(options_.batch, 1));
            } else {
                refuse("dimension " + std::to_string(dims.size()) + " of input '" + input.name() +
                       "' is open" +
                       (dim.dim_param().empty() ? "" : " ('" + dim.dim_param() + "')") +
                       ": give it in LoadOptions::dims or shapes");
            }
        }
        return dims;
    }

    static ValueId find(const Names& names, const std::string& name) {
        const auto found = names.find(name);
        if (found == names.end()) {
            refuse("it uses '" + name + "', which nothing before it makes");
        }
        return found->second;
    }

    void read_graph(const onnx::GraphProto& graph, Names& names) {
        if (graph.sparse_initializer_size() != 0) {
            refuse("it has sparse weights, which are not supported");
        }
        for (const auto& tensor : graph.initializer()) {
            names[tensor.name()] = builder_.constant(read_tensor(tensor));
        }
        for (const auto& node : graph.node()) {
            read_node(node, names);
        }
    }

    void read_node(const onnx::NodeProto& node, Names& names) {
        const std::string where =
            node.op_type() + (node.name().empty() ? "" : " '" + node.name() + "'") +
            (node.output_size() > 0 ? " (makes '" + node.output(0) + "')" : "");
        try {
            builder_.at(node.op_type() + (node.name().empty() ? "" : " " + node.name()));
            const std::vector<ValueId> results = lower(node, names);
            for (int i = 0; i < node.output_size(); ++i) {
                if (node.output(i).empty()) {
                    continue;
                }
                if (static_cast<std::size_t>(i) >= results.size()) {
                    refuse("its output " + std::to_string(i) + " is not supported");
                }
                names[node.output(i)] = results[static_cast<std::size_t>(i)];
            }
        } catch (const UnknownInput& error) {
            throw UnknownInput(where + ": " + message_of(error), error.input());
        } catch (const Error& error) {
            throw Error(error.errc(), where + ": " + message_of(error));
        } catch (const std::logic_error&) {
            // An element that is not there, or a length that cannot be: checked access, so
            // harmless.
            throw Error(std::errc::invalid_argument,
                        where + ": an input or attribute is shorter than the operator needs");
        }
        if (++nodes_ > most_nodes || program_.code.size() > most_instructions) {
            refuse("the model is too large: more than " + std::to_string(most_instructions) +
                   " instructions, or " + std::to_string(most_nodes) + " nodes with its loops");
        }
    }

    std::vector<ValueId> lower(const onnx::NodeProto& node, Names& names) {
        if (!node.domain().empty() && node.domain() != "ai.onnx") {
            refuse("operators of the domain '" + node.domain() + "' are not supported");
        }
        if (node.op_type() == "If") {
            return lower_if(node, names);
        }
        if (node.op_type() == "Loop") {
            return lower_loop(node, names);
        }
        const auto found = operators().find(node.op_type());
        if (found == operators().end()) {
            refuse("this operator is not supported: docs/compiler.md shows how to add one");
        }
        std::vector<std::optional<ValueId>> inputs;
        for (const std::string& name : node.input()) {
            inputs.push_back(name.empty() ? std::nullopt : std::optional(find(names, name)));
        }
        return found->second(Node(node, opset_, builder_, std::move(inputs),
                                  static_cast<std::size_t>(node.output_size())));
    }

    static const onnx::GraphProto& body(const onnx::NodeProto& node, const char* name) {
        for (const auto& attribute : node.attribute()) {
            if (attribute.name() == name && attribute.has_g()) {
                return attribute.g();
            }
        }
        refuse(std::string("it has no graph '") + name + "'");
    }

    // What a graph inside makes, by name; it sees the names around it.
    std::vector<ValueId> read_body(const onnx::GraphProto& graph, Names names) {
        if (++nested_ > most_nested) {
            refuse("graphs are nested too deeply");
        }
        read_graph(graph, names);
        std::vector<ValueId> results;
        for (const auto& output : graph.output()) {
            results.push_back(find(names, output.name()));
        }
        --nested_;
        return results;
    }

    bool truth(ValueId id, const char* what) {
        const auto values = builder_.known(id, what).integers();
        if (values.size() != 1) {
            refuse(std::string(what) + " is not one value");
        }
        return values[0] != 0;
    }

    std::vector<ValueId> lower_if(const onnx::NodeProto& node, Names& names) {
        if (node.input_size() != 1) {
            refuse("it has no condition");
        }
        const bool condition = truth(find(names, node.input(0)), "its condition");
        return read_body(body(node, condition ? "then_branch" : "else_branch"), names);
    }

    // Unrolled: as often as it turns out to run, known when the model is loaded.
    std::vector<ValueId> lower_loop(const onnx::NodeProto& node, Names& names) {
        const onnx::GraphProto& graph = body(node, "body");
        const int carried = node.input_size() - 2;
        if (carried < 0 || graph.input_size() != carried + 2 || graph.output_size() < carried + 1) {
            refuse("its body does not have the inputs and outputs of a loop");
        }
        std::int64_t trips = INT64_MAX;
        if (!node.input(0).empty()) {
            const auto count =
                builder_.known(find(names, node.input(0)), "its trip count").integers();
            trips = count.size() == 1 ? count[0] : -1;
        }
        bool going = node.input(1).empty() || truth(find(names, node.input(1)), "its condition");
        std::vector<ValueId> state;
        for (int i = 0; i < carried; ++i) {
            state.push_back(find(names, node.input(i + 2)));
        }
        std::vector<std::vector<ValueId>> scans(
            static_cast<std::size_t>(graph.output_size() - carried - 1));
        for (std::int64_t trip = 0; going && trip < trips; ++trip) {
            if (trip == most_iterations) {
                refuse("it runs more than " + std::to_string(most_iterations) + " times");
            }
            Names inside = names;
            inside[graph.input(0).name()] = builder_.scalar(Type::i64, static_cast<double>(trip));
            inside[graph.input(1).name()] = builder_.scalar(Type::boolean, 1);
            for (int i = 0; i < carried; ++i) {
                inside[graph.input(i + 2).name()] = state[static_cast<std::size_t>(i)];
            }
            const std::vector<ValueId> results = read_body(graph, std::move(inside));
            going = truth(results[0], "the condition its body makes");
            for (std::size_t i = 0; i < state.size(); ++i) {
                state[i] = results[i + 1];
            }
            for (std::size_t i = 0; i < scans.size(); ++i) {
                const ValueId one = results[state.size() + 1 + i];
                Dims dims = builder_.dims(one);
                dims.insert(dims.begin(), 1);
                scans[i].push_back(builder_.reshape(one, std::move(dims)));
            }
        }
        for (const auto& scan : scans) {
            if (scan.empty()) {
                refuse("it never runs, and what it collects has no known shape");
            }
            state.push_back(builder_.concat(scan, 0));
        }
        return state;
    }

    const onnx::ModelProto& model_;
    const LoadOptions& options_;
    Program program_;
    Builder builder_;
    std::int64_t opset_ = 0;
    int nested_ = 0;
    std::int64_t nodes_ = 0;
};

}  // namespace

namespace {

onnx::ModelProto parse(std::span<const std::byte> bytes, const std::string& name) {
    onnx::ModelProto model;
    const bool fits = bytes.size() <= static_cast<std::size_t>(INT32_MAX);
    if (!fits || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        throw Error(
            std::errc::invalid_argument,
            name + ": it is not an ONNX model, or it is damaged: is the download complete?");
    }
    return model;
}

}  // namespace

Program read_onnx(std::span<const std::byte> bytes, const std::string& name,
                  const LoadOptions& options) {
    const onnx::ModelProto model = parse(bytes, name);
    try {
        return Reader(model, options).read();
    } catch (const UnknownInput& error) {
        throw UnknownInput(name + ": " + message_of(error), error.input());
    } catch (const Error& error) {
        throw Error(error.errc(), name + ": " + message_of(error));
    }
}

namespace {

std::vector<std::byte> read_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in || !std::filesystem::is_regular_file(file)) {
        throw Error(std::errc::no_such_file_or_directory,
                    file.string() + ": this file cannot be read");
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in) {
        throw Error(std::errc::io_error, file.string() + ": it cannot be read to its end");
    }
    return bytes;
}

}  // namespace

Program read_onnx(const std::filesystem::path& file, const LoadOptions& options) {
    return read_onnx(read_file(file), file.string(), options);
}

}  // namespace model

std::vector<TensorInfo> Model::describe(const std::filesystem::path& file) {
    using namespace model;
    const onnx::ModelProto model = parse(read_file(file), file.string());
    std::set<std::string> weights;
    for (const auto& tensor : model.graph().initializer()) {
        weights.insert(tensor.name());
    }
    std::vector<TensorInfo> result;
    try {
        for (const auto& input : model.graph().input()) {
            if (weights.contains(input.name())) {
                continue;
            }
            const auto& tensor = input.type().tensor_type();
            TensorInfo info{input.name(), type_of(tensor.elem_type()), {}};
            for (const auto& dim : tensor.shape().dim()) {
                info.shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
            }
            result.push_back(std::move(info));
        }
    } catch (const Error& error) {
        throw Error(error.errc(), file.string() + ": " + message_of(error));
    }
    return result;
}

namespace model {

TensorData read_tensor_file(const std::filesystem::path& file) {
    const auto bytes = read_file(file);
    onnx::TensorProto proto;
    if (bytes.size() > static_cast<std::size_t>(INT32_MAX) ||
        !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        throw Error(std::errc::invalid_argument, file.string() + ": it is not a tensor of ONNX");
    }
    const Constant tensor = read_tensor(proto);
    return {tensor->type, tensor->dims, tensor->data};
}

}  // namespace model

}  // namespace accel
