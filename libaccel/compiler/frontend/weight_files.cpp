// SPDX-License-Identifier: Apache-2.0
#include "frontend/weight_files.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>

#include "frontend/file_io.hpp"
#include "frontend/onnx_tensor.hpp"
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

// A model must not read files outside its own folder: its user did not give it those.
fs::path check_location(const onnx::TensorProto& tensor, const std::string& text) {
    fs::path location = fs::path(text).lexically_normal();
    if (location.empty() || location.is_absolute() || *location.begin() == "..") {
        refuse("the weights '" + tensor.name() + "' are in '" + text +
                   "', which is not in the folder of the model",
               "move the file there");
    }
    return location;
}

}  // namespace

WeightFiles::File& WeightFiles::open(const onnx::TensorProto& tensor, const std::string& location) {
    const bool in_model = location == model_location && model_;
    File& file = files_[in_model ? fs::path() : fs::path(location)];
    if (in_model) {
        file.bytes = model_;
    }
    if (file.bytes) {
        return file;
    }
    if (!folder_) {
        refuse("the elements of tensor '" + tensor.name() +
                   "' are in another file, and this model was not loaded from a file",
               "load the model from its file, or give the folder of its other files");
    }
    const fs::path path = *folder_ / check_location(tensor, location);
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) {
        refuse("the file of weights " + path.string() + " cannot be read",
               "put it beside the model");
    }
    file.bytes = read_file(path);
    return file;
}

TensorStorage WeightFiles::find(const onnx::TensorProto& tensor) {
    std::map<std::string, std::string> entries;
    for (const auto& entry : tensor.external_data()) {
        entries[entry.key()] = entry.value();
    }
    const std::string& location = entries["location"];
    File& file = open(tensor, location);
    const std::uint64_t size = file.bytes->bytes().size();
    const std::uint64_t offset =
        entries.contains("offset") ? parse_number(entries["offset"], "offset") : 0;
    const std::uint64_t length = entries.contains("length")
                                     ? parse_number(entries["length"], "length")
                                     : size - std::min(offset, size);
    if (offset > size || length > size - offset) {
        refuse("the weights '" + tensor.name() + "' end past the end of their file " + location,
               "copy or export the file again");
    }
    TensorStorage& found = known_[{location, offset, length}];
    if (found.size() != length) {
        // Tensors may overlap, but a small file must not fill the memory of the card.
        file.used += length;
        if (file.used > 2 * size) {
            refuse("all weights in " + location +
                   " together are more than twice as large as the file");
        }
        found = TensorStorage(file.bytes, file.bytes->bytes().subspan(offset, length));
    }
    return found;
}

Constant WeightFiles::import(const onnx::TensorProto& tensor) {
    if (!keeps_) {
        return import_tensor(tensor, this);
    }
    Constant& known = imported_[&tensor];
    if (!known) {
        known = import_tensor(tensor, this);
    }
    return known;
}

void WeightFiles::restore(onnx::GraphProto& graph, int depth) {
    if (depth > max_nested) {
        refuse("its graphs are nested more than " + std::to_string(max_nested) + " deep");
    }
    for (auto& tensor : *graph.mutable_initializer()) {
        restore(tensor);
    }
    for (auto& node : *graph.mutable_node()) {
        for (auto& attribute : *node.mutable_attribute()) {
            if (attribute.has_t()) {
                restore(*attribute.mutable_t());
            }
            if (attribute.has_g()) {
                restore(*attribute.mutable_g(), depth + 1);
            }
        }
    }
}

void WeightFiles::restore(onnx::TensorProto& tensor) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) {
        return;
    }
    const TensorStorage bytes = find(tensor);
    tensor.set_raw_data(bytes.data(), bytes.size());
    bytes.evict();
    tensor.clear_external_data();
    tensor.set_data_location(onnx::TensorProto::DEFAULT);
}

}  // namespace accel::compiler
