// SPDX-License-Identifier: Apache-2.0
//
// The numbers of fields are those of onnx.proto. They never change.
#include "frontend/weight_stripping.hpp"

#include <onnx.pb.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "frontend/weight_files.hpp"

namespace accel::compiler {

namespace {

// Smaller tensors stay in the model.
constexpr std::size_t large = 4096;
constexpr int max_nested = 16;

enum WireType : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
    std::uint32_t number = 0;
    std::uint32_t wire_type = 0;
    std::uint64_t value = 0;             // of a varint
    std::span<const std::byte> content;  // of bytes
    std::span<const std::byte> all;      // with the tag
};

class Fields {
  public:
    explicit Fields(std::span<const std::byte> message) : rest_(message) {}

    // The next field. Nothing at the end, or if the bytes are damaged().
    std::optional<Field> next() {
        if (rest_.empty()) {
            return std::nullopt;
        }
        const std::span<const std::byte> start = rest_;
        const std::uint64_t tag = number();
        Field field{.number = static_cast<std::uint32_t>(tag >> 3),
                    .wire_type = static_cast<std::uint32_t>(tag & 7),
                    .content = {},
                    .all = {}};
        switch (field.wire_type) {
            case varint:
                field.value = number();
                break;
            case fixed64:
                skip(8);
                break;
            case fixed32:
                skip(4);
                break;
            case bytes:
                field.content = skip(number());
                break;
            default:
                damaged_ = true;
        }
        field.all = start.first(start.size() - rest_.size());
        return damaged_ ? std::nullopt : std::optional(field);
    }

    [[nodiscard]] bool damaged() const { return damaged_; }

  private:
    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = skip(1);
            if (byte.empty()) {
                return 0;
            }
            value |= (std::to_integer<std::uint64_t>(byte[0]) & 0x7f) << shift;
            if ((byte[0] & std::byte{0x80}) == std::byte{0}) {
                return value;
            }
        }
        damaged_ = true;
        return 0;
    }

    std::span<const std::byte> skip(std::uint64_t count) {
        if (count > rest_.size()) {
            damaged_ = true;
            return {};
        }
        const auto skipped = rest_.first(count);
        rest_ = rest_.subspan(count);
        return skipped;
    }

    std::span<const std::byte> rest_;
    bool damaged_ = false;
};

class Stripper {
  public:
    explicit Stripper(std::span<const std::byte> model) : model_(model) {}

    std::optional<std::string> run() {
        std::string result = model(model_);
        return damaged_ ? std::nullopt : std::optional(std::move(result));
    }

  private:
    // Copies a message. convert(field) gives the content of a field that changes, or nothing.
    template <typename Convert>
    std::string copy(std::span<const std::byte> message, Convert&& convert) {
        std::string to;
        Fields fields(message);
        while (const auto field = fields.next()) {
            std::optional<std::string> changed;
            if (field->wire_type == bytes) {
                changed = convert(*field);
            }
            if (changed) {
                add_bytes(to, field->number, *changed);
            } else {
                add(to, field->all);
            }
        }
        damaged_ = damaged_ || fields.damaged();
        return to;
    }

    std::string model(std::span<const std::byte> message) {
        return copy(message, [&](const Field& field) {
            return field.number == onnx::ModelProto::kGraphFieldNumber
                       ? std::optional(graph(field.content, 0))
                       : std::nullopt;
        });
    }

    std::string graph(std::span<const std::byte> message, int depth) {
        if (depth > max_nested) {
            return {message_text(message)};
        }
        return copy(message, [&](const Field& field) -> std::optional<std::string> {
            switch (field.number) {
                case onnx::GraphProto::kNodeFieldNumber:
                    return node(field.content, depth);
                case onnx::GraphProto::kInitializerFieldNumber:
                    return tensor(field.content);
                default:
                    return std::nullopt;
            }
        });
    }

    std::optional<std::string> node(std::span<const std::byte> message, int depth) {
        if (message.size() < large) {
            return std::nullopt;
        }
        return copy(message, [&](const Field& field) -> std::optional<std::string> {
            if (field.number != onnx::NodeProto::kAttributeFieldNumber) {
                return std::nullopt;
            }
            return copy(field.content, [&](const Field& part) -> std::optional<std::string> {
                switch (part.number) {
                    case onnx::AttributeProto::kTFieldNumber:
                        return tensor(part.content);
                    case onnx::AttributeProto::kGFieldNumber:
                        return graph(part.content, depth + 1);
                    default:
                        return std::nullopt;
                }
            });
        });
    }

    // The bytes of a tensor's elements, if a file could have them in this form, too.
    [[nodiscard]] std::optional<Field> elements_of(std::span<const std::byte> message) const {
        std::optional<Field> found;
        std::uint64_t type = 0;
        Fields fields(message);
        while (const auto field = fields.next()) {
            switch (field->number) {
                case onnx::TensorProto::kDataTypeFieldNumber:
                    type = field->value;
                    break;
                case onnx::TensorProto::kRawDataFieldNumber:
                case onnx::TensorProto::kFloatDataFieldNumber:
                    if (found || field->wire_type != bytes) {
                        return std::nullopt;
                    }
                    found = field;
                    break;
                case onnx::TensorProto::kInt32DataFieldNumber:
                case onnx::TensorProto::kInt64DataFieldNumber:
                case onnx::TensorProto::kDoubleDataFieldNumber:
                case onnx::TensorProto::kUint64DataFieldNumber:
                case onnx::TensorProto::kStringDataFieldNumber:
                case onnx::TensorProto::kExternalDataFieldNumber:
                case onnx::TensorProto::kDataLocationFieldNumber:
                    return std::nullopt;
                default:
                    break;
            }
        }
        const bool is_raw = found && found->number == onnx::TensorProto::kRawDataFieldNumber;
        return is_raw || type == onnx::TensorProto::FLOAT ? found : std::nullopt;
    }

    std::optional<std::string> tensor(std::span<const std::byte> message) {
        if (message.size() < large) {
            return std::nullopt;
        }
        const auto elements = elements_of(message);
        if (!elements || elements->content.size() < large) {
            return std::nullopt;
        }
        std::string to;
        Fields fields(message);
        while (const auto field = fields.next()) {
            if (field->number != elements->number) {
                add(to, field->all);
            }
        }
        onnx::TensorProto external;
        const auto entry = [&](const char* key, std::string value) {
            auto& made = *external.add_external_data();
            made.set_key(key);
            made.set_value(std::move(value));
        };
        entry("location", std::string(model_location));
        entry("offset", std::to_string(elements->content.data() - model_.data()));
        entry("length", std::to_string(elements->content.size()));
        external.set_data_location(onnx::TensorProto::EXTERNAL);
        return to + external.SerializeAsString();
    }

    static std::string message_text(std::span<const std::byte> message) {
        return {reinterpret_cast<const char*>(message.data()), message.size()};
    }
    static void add(std::string& to, std::span<const std::byte> from) {
        to.append(reinterpret_cast<const char*>(from.data()), from.size());
    }
    static void add_varint(std::string& to, std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) {
            to.push_back(static_cast<char>(value | 0x80));
        }
        to.push_back(static_cast<char>(value));
    }
    static void add_bytes(std::string& to, std::uint32_t number, const std::string& content) {
        add_varint(to, std::uint64_t{number} << 3 | bytes);
        add_varint(to, content.size());
        to += content;
    }

    std::span<const std::byte> model_;
    bool damaged_ = false;
};

}  // namespace

std::optional<std::string> strip_weights(std::span<const std::byte> model) {
    static_assert(std::endian::native == std::endian::little);  // as the elements in files
    return Stripper(model).run();
}

}  // namespace accel::compiler
