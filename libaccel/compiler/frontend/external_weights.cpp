// SPDX-License-Identifier: Apache-2.0
#include "frontend/external_weights.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <map>
#include <string>

#include "ir/error.hpp"

namespace accel::compiler {

namespace {

namespace fs = std::filesystem;

constexpr int max_nested = 16;  // graphs in graphs

std::uint64_t parse_number(const std::string& text, const char* what) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        refuse(std::string("the ") + what + " of external weights is '" + text +
               "', which is no number");
    }
    return value;
}

class ExternalWeights {
  public:
    explicit ExternalWeights(fs::path folder) : folder_(std::move(folder)) {}

    void load(onnx::GraphProto& graph, int depth = 0) {
        if (depth > max_nested) {
            refuse("its graphs are nested more than " + std::to_string(max_nested) + " deep");
        }
        for (auto& tensor : *graph.mutable_initializer()) {
            load(tensor);
        }
        for (auto& node : *graph.mutable_node()) {
            for (auto& attribute : *node.mutable_attribute()) {
                if (attribute.has_t()) {
                    load(*attribute.mutable_t());
                }
                if (attribute.has_g()) {
                    load(*attribute.mutable_g(), depth + 1);
                }
            }
        }
    }

  private:
    // A model must not read files outside its own folder: its user did not give it those.
    static fs::path check_location(const onnx::TensorProto& tensor, const std::string& text) {
        fs::path location = fs::path(text).lexically_normal();
        if (location.empty() || location.is_absolute() || *location.begin() == "..") {
            refuse("the weights '" + tensor.name() + "' are in '" + text +
                       "', which is not in the folder of the model",
                   "move the file there");
        }
        return location;
    }

    void load(onnx::TensorProto& tensor) {
        if (tensor.data_location() != onnx::TensorProto::EXTERNAL) {
            return;
        }
        std::map<std::string, std::string> entries;
        for (const auto& entry : tensor.external_data()) {
            entries[entry.key()] = entry.value();
        }
        const fs::path file = folder_ / check_location(tensor, entries["location"]);
        std::ifstream& in = open(file);
        in.seekg(0, std::ios::end);
        const auto size = static_cast<std::uint64_t>(in.tellg());
        const std::uint64_t offset =
            entries.contains("offset") ? parse_number(entries["offset"], "offset") : 0;
        const std::uint64_t length = entries.contains("length")
                                         ? parse_number(entries["length"], "length")
                                         : size - std::min(offset, size);
        if (offset > size || length > size - offset) {
            refuse("the weights '" + tensor.name() + "' end past the end of their file " +
                       file.string(),
                   "is the file complete?");
        }
        // Tensors may share bytes, but a small file must not fill the memory.
        std::uint64_t& loaded = loaded_[file];
        loaded += length;
        if (length > INT32_MAX || loaded > 2 * size) {
            refuse("the weights '" + tensor.name() + "' are larger than 2 GiB, or all weights in " +
                   file.string() + " together are more than twice as large as the file");
        }
        std::string& bytes = *tensor.mutable_raw_data();
        bytes.resize(length);
        in.seekg(static_cast<std::streamoff>(offset));
        in.read(bytes.data(), static_cast<std::streamsize>(length));
        if (!in) {
            refuse("reading the weights '" + tensor.name() + "' from " + file.string() + " failed");
        }
        tensor.clear_external_data();
        tensor.set_data_location(onnx::TensorProto::DEFAULT);
    }

    // Opens each file once.
    std::ifstream& open(const fs::path& file) {
        std::ifstream& in = files_[file];
        if (!in.is_open()) {
            in.open(file, std::ios::binary);
            if (!in || !fs::is_regular_file(file)) {
                refuse("the file of weights " + file.string() + " cannot be read",
                       "put it beside the model");
            }
        }
        return in;
    }

    fs::path folder_;
    std::map<fs::path, std::ifstream> files_;
    std::map<fs::path, std::uint64_t> loaded_;  // bytes of each file
};

}  // namespace

void load_external_weights(onnx::GraphProto& graph, const fs::path& folder) {
    ExternalWeights(folder).load(graph);
}

}  // namespace accel::compiler
