// SPDX-License-Identifier: Apache-2.0
//
// The files do not tell what they hold. SequenceProto and OptionalProto have a name as field 1, a
// tensor as field 3 (repeated in sequences) and a sequence as field 5. Field 1 of a TensorProto are
// numbers, and one with field 3 is no whole tensor.
#include "value_file.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <onnx.pb.h>

#include <accel/error.hpp>

#include "frontend/file_io.hpp"
#include "frontend/onnx_file.hpp"
#include "frontend/onnx_tensor.hpp"

namespace accel::test {

namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// The first byte of a file whose field 1 is a name.
constexpr char name_tag = 1 << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;

void add_elements(const std::string& bytes, std::vector<TensorData>& all) {
    CodedInputStream stream(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                            static_cast<int>(bytes.size()));
    while (const std::uint32_t tag = stream.ReadTag()) {
        const int field = WireFormatLite::GetTagFieldNumber(tag);
        std::string part;
        if ((field != 3 && field != 5) ||
            WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
            if (!WireFormatLite::SkipField(&stream, tag)) {
                return;
            }
            continue;
        }
        std::uint32_t size = 0;
        if (!stream.ReadVarint32(&size) || !stream.ReadString(&part, static_cast<int>(size))) {
            return;
        }
        if (field == 5) {
            add_elements(part, all);
            continue;
        }
        onnx::TensorProto proto;
        proto.ParseFromString(part);
        const compiler::Constant tensor = compiler::import_tensor(proto);
        all.push_back({tensor->type, tensor->dims, tensor->data});
    }
}

}  // namespace

std::vector<TensorData> read_value_file(const std::filesystem::path& file) {
    const auto bytes = compiler::read_file(file);
    const std::string text(reinterpret_cast<const char*>(bytes->bytes().data()),
                           bytes->bytes().size());
    onnx::TensorProto whole;
    const bool named = !text.empty() && text[0] == name_tag;
    if (whole.ParseFromString(text) && !whole.has_segment() && !named) {
        return {compiler::read_tensor_file(file)};
    }
    std::vector<TensorData> all;
    add_elements(text, all);
    if (all.empty()) {
        throw Error(std::errc::invalid_argument,
                    "the sequence or optional of the file is empty, and an input must be there");
    }
    return all;
}

}  // namespace accel::test
