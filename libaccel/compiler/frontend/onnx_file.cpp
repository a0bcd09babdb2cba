// SPDX-License-Identifier: Apache-2.0
#include "frontend/onnx_file.hpp"

#include <onnx.pb.h>

#include <charconv>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>

#include "frontend/operator.hpp"

namespace accel {

namespace compiler {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(std::errc code, const fs::path& file, const std::string& what) {
    throw Error(code, file.string() + ": " + what);
}

constexpr int most_nested = 16;  // graphs in graphs

// Weights of a model that lie in other files, each of which is read once.
class Outside {
  public:
    explicit Outside(const fs::path& file) : folder_(file.parent_path()) {}

    void fetch(onnx::GraphProto& graph, int depth = 0) {
        if (depth > most_nested) {
            refuse("graphs are nested too deeply");
        }
        for (auto& tensor : *graph.mutable_initializer()) {
            fetch(tensor);
        }
        for (auto& node : *graph.mutable_node()) {
            for (auto& attribute : *node.mutable_attribute()) {
                if (attribute.has_t()) {
                    fetch(*attribute.mutable_t());
                }
                if (attribute.has_g()) {
                    fetch(*attribute.mutable_g(), depth + 1);
                }
            }
        }
    }

  private:
    static std::uint64_t number(const std::string& text, const char* what) {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size()) {
            refuse(std::string("the ") + what + " of weights in another file is '" + text +
                   "', which is no number");
        }
        return value;
    }

    void fetch(onnx::TensorProto& tensor) {
        if (tensor.data_location() != onnx::TensorProto::EXTERNAL) {
            return;
        }
        std::map<std::string, std::string> where;
        for (const auto& entry : tensor.external_data()) {
            where[entry.key()] = entry.value();
        }
        // A model must not read what its user did not mean to give it.
        const fs::path location = fs::path(where["location"]).lexically_normal();
        if (location.empty() || location.is_absolute() || *location.begin() == "..") {
            refuse("the weights '" + tensor.name() + "' are in '" + where["location"] +
                   "', which is not in the folder of the model");
        }
        std::ifstream& in = open(folder_ / location);
        in.seekg(0, std::ios::end);
        const auto size = static_cast<std::uint64_t>(in.tellg());
        const std::uint64_t offset =
            where.contains("offset") ? number(where["offset"], "offset") : 0;
        const std::uint64_t length = where.contains("length") ? number(where["length"], "length")
                                                              : size - std::min(offset, size);
        const std::string file = (folder_ / location).string();
        if (offset > size || length > size - offset) {
            refuse("the file of weights " + file + " ends before '" + tensor.name() +
                   "' does: is it complete?");
        }
        // Tensors may share bytes, but not so that a small file fills the memory.
        std::uint64_t& taken = taken_[folder_ / location];
        taken += length;
        if (length > INT32_MAX || taken > 2 * size) {
            refuse("the weights '" + tensor.name() + "' are larger than 2 GiB, or all weights in " +
                   file + " together more than twice as large as it");
        }
        std::string& bytes = *tensor.mutable_raw_data();
        bytes.resize(length);
        in.seekg(static_cast<std::streamoff>(offset));
        in.read(bytes.data(), static_cast<std::streamsize>(length));
        if (!in) {
            refuse("the file of weights " + file + " cannot be read");
        }
        tensor.clear_external_data();
        tensor.set_data_location(onnx::TensorProto::DEFAULT);
    }

    std::ifstream& open(const fs::path& file) {
        std::ifstream& in = files_[file];
        if (!in.is_open()) {
            in.open(file, std::ios::binary);
            if (!in || !fs::is_regular_file(file)) {
                refuse("the file of weights " + file.string() +
                       " cannot be read: it belongs beside the model");
            }
        }
        return in;
    }

    fs::path folder_;
    std::map<fs::path, std::ifstream> files_;
    std::map<fs::path, std::uint64_t> taken_;  // bytes, of each
};

}  // namespace

std::vector<std::byte> read_file(const fs::path& file) {
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in || !fs::is_regular_file(file)) {
        fail(std::errc::no_such_file_or_directory, file, "this file cannot be read");
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in) {
        fail(std::errc::io_error, file, "it cannot be read to its end");
    }
    return bytes;
}

void write_file(const fs::path& file, std::span<const std::byte> bytes) {
    fs::path draft = file;
    draft += ".part";
    std::ofstream out(draft, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    out.close();
    std::error_code error;
    if (out) {
        fs::rename(draft, file, error);
    }
    if (!out || error) {
        std::error_code ignored;
        fs::remove(draft, ignored);
        fail(std::errc::io_error, file,
             "it cannot be written: is there room, and is the folder yours?");
    }
}

onnx::ModelProto parse_model(std::span<const std::byte> bytes, const std::string& name) {
    onnx::ModelProto model;
    const bool fits = bytes.size() <= static_cast<std::size_t>(INT32_MAX);
    if (!fits || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        throw Error(
            std::errc::invalid_argument,
            name + ": it is not an ONNX model, or it is damaged: is the download complete?");
    }
    return model;
}

onnx::ModelProto read_model(const fs::path& file) {
    return read_model(read_file(file), file);
}

onnx::ModelProto read_model(std::span<const std::byte> bytes, const fs::path& file) {
    onnx::ModelProto model = parse_model(bytes, file.string());
    try {
        Outside(file).fetch(*model.mutable_graph());
    } catch (const Error& error) {
        throw Error(error.errc(), file.string() + ": " + message_of(error));
    }
    return model;
}

TensorData read_tensor_file(const fs::path& file) {
    const auto bytes = read_file(file);
    onnx::TensorProto proto;
    if (bytes.size() > static_cast<std::size_t>(INT32_MAX) ||
        !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        fail(std::errc::invalid_argument, file, "it is not a tensor of ONNX");
    }
    const Constant tensor = read_tensor(proto);
    return {tensor->type, tensor->dims, tensor->data};
}

}  // namespace compiler

std::vector<TensorInfo> Model::describe(const std::filesystem::path& file) {
    using namespace compiler;
    const onnx::ModelProto model = parse_model(read_file(file), file.string());
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
            if (!input.type().has_tensor_type()) {
                refuse("input '" + input.name() + "' is no tensor");
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

}  // namespace accel
