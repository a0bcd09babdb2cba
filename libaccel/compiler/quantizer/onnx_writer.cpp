// SPDX-License-Identifier: Apache-2.0
//
// Protocol Buffers would need a copy of all tensors. So the fields of the model, of its graph and
// of each large tensor are written one after the other. The order of fields in a message is free.
#include "quantizer/onnx_writer.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "files/output_file.hpp"
#include "frontend/file_io.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t max_file = INT32_MAX;  // of Protocol Buffers
constexpr std::uint64_t alignment = 4096;      // of tensors in a second file: it may be mapped
constexpr std::size_t part_bytes = std::size_t{1} << 22;

std::string field_head(int number, std::uint64_t length) {
    constexpr unsigned bytes = 2;  // the wire type
    std::string text;
    const auto add = [&](std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) {
            text.push_back(static_cast<char>(value | 0x80));
        }
        text.push_back(static_cast<char>(value));
    };
    add(static_cast<std::uint64_t>(number) << 3 | bytes);
    add(length);
    return text;
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

void copy(const TensorStorage& elements, const WriteBytes& write) {
    for (std::size_t at = 0; at < elements.size(); at += part_bytes) {
        const std::size_t count = std::min(part_bytes, elements.size() - at);
        write({elements.data() + at, count});
        elements.evict(at, count);
    }
}

// Text of a message, and then elements.
struct Piece {
    std::string text;
    TensorStorage elements;

    [[nodiscard]] std::uint64_t size() const { return text.size() + elements.size(); }
};

// A large tensor as a field of its graph.
Piece tensor_field(onnx::TensorProto tensor, WeightFiles& weights) {
    Piece piece{.text = {}, .elements = weights.find(tensor)};
    tensor.clear_external_data();
    tensor.clear_data_location();
    const std::string head =
        tensor.SerializeAsString() +
        field_head(onnx::TensorProto::kRawDataFieldNumber, piece.elements.size());
    piece.text =
        field_head(onnx::GraphProto::kInitializerFieldNumber, head.size() + piece.elements.size()) +
        head;
    return piece;
}

bool is_external(const onnx::TensorProto& tensor) {
    return tensor.data_location() == onnx::TensorProto::EXTERNAL;
}

// The whole file in pieces.
std::vector<Piece> pieces_of(const onnx::ModelProto& model, WeightFiles& weights) {
    onnx::ModelProto rest = model;
    onnx::GraphProto graph;
    graph.Swap(rest.mutable_graph());
    rest.clear_graph();
    std::vector<Piece> pieces(1);
    auto& tensors = *graph.mutable_initializer();
    for (const auto& tensor : tensors) {
        if (is_external(tensor)) {
            pieces.push_back(tensor_field(tensor, weights));
        }
    }
    tensors.erase(std::remove_if(tensors.begin(), tensors.end(), is_external), tensors.end());
    const std::string text = graph.SerializeAsString();
    std::uint64_t length = text.size();
    for (const Piece& piece : pieces) {
        length += piece.size();
    }
    pieces[0].text =
        rest.SerializeAsString() + field_head(onnx::ModelProto::kGraphFieldNumber, length) + text;
    return pieces;
}

bool can_have_neighbor(const fs::path& file) {
    std::error_code ignored;
    const fs::file_status status = fs::status(file, ignored);
    return !files::OutputFile::is_standard_output(file) &&
           (!fs::exists(status) || fs::is_regular_file(status));
}

// Writes the elements to the second file, and their places to the model.
void write_elements(onnx::GraphProto& graph, WeightFiles& weights, const fs::path& location,
                    const WriteBytes& write) {
    std::uint64_t offset = 0;
    const std::vector<std::byte> zeros(alignment);
    for (auto& tensor : *graph.mutable_initializer()) {
        if (!is_external(tensor)) {
            continue;
        }
        const std::uint64_t gap = (alignment - offset % alignment) % alignment;
        write(std::span(zeros).first(gap));
        offset += gap;
        const TensorStorage elements = weights.find(tensor);
        copy(elements, write);
        set_external(tensor, location.string(), offset, elements.size());
        offset += elements.size();
    }
}

}  // namespace

void set_external(onnx::TensorProto& tensor, const std::string& location, std::uint64_t offset,
                  std::uint64_t length) {
    tensor.clear_external_data();
    const auto add = [&](const char* key, std::string value) {
        auto& entry = *tensor.add_external_data();
        entry.set_key(key);
        entry.set_value(std::move(value));
    };
    add("location", location);
    add("offset", std::to_string(offset));
    add("length", std::to_string(length));
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
}

void write_onnx(ParsedModel& model, const fs::path& file, bool external) {
    onnx::ModelProto proto = model.proto;
    // Large tensors in nodes are rare: exporters write initializers.
    model.weights.restore_nodes(*proto.mutable_graph());
    const std::vector<Piece> pieces = pieces_of(proto, model.weights);
    std::uint64_t bytes = 0;
    for (const Piece& piece : pieces) {
        bytes += piece.size();
    }
    if (!external && bytes <= max_file) {
        write_file(file, [&](const WriteBytes& write) {
            for (const Piece& piece : pieces) {
                write(bytes_of(piece.text));
                copy(piece.elements, write);
            }
        });
        return;
    }
    if (!can_have_neighbor(file)) {
        refuse("the quantized model has " + std::to_string(bytes) +
                   " bytes, and its weights must be in a second file (a single ONNX file ends at 2 "
                   "GiB), but " +
                   file.string() + " is a pipe or a device, which has no file beside it",
               "give the name of a file");
    }
    fs::path neighbor = file;
    neighbor += ".data";
    write_file(neighbor, [&](const WriteBytes& write) {
        write_elements(*proto.mutable_graph(), model.weights, neighbor.filename(), write);
    });
    const std::string text = proto.SerializeAsString();
    write_file(file, bytes_of(text));
}

}  // namespace accel::compiler
