// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

namespace accel::tools {

void ModelOptions::add_to(CLI::App& command) {
    command.add_option("MODEL", model, "An ONNX file, or what 'accelctl compile' made of one")
        ->required()
        ->type_name("FILE");
    command.add_option("--card", card, "Number, node, PCI address or serial number")
        ->type_name(card_type);
    command.add_option("--batch", batch, "Length of the first dimension of the inputs")
        ->check(CLI::Range(1, 1 << 20));
    command.add_option("--dim", dims, "Length of a dimension that the model names")
        ->type_name("NAME=LENGTH");
    command.add_option("--shape", shapes, "Shape of an input that the model leaves open")
        ->type_name("NAME=N,N,...");
    command
        .add_option("--known", known,
                    "An input that is the same in every run: a number, or a file of its elements")
        ->type_name("NAME=VALUE");
    command.add_flag("--narrow", narrow, "Take f64 as f32 and u64 as i64");
    command.add_flag("--host", host,
                     "Let each run work out on the host what depends on what values are");
    command.add_flag("--dump", dump, "Print what each stage of the compiler did");
}

namespace {

struct Named {
    std::string name;
    std::string value;
};

// NAME=VALUE. `example` is shown for what is not.
Named parse_named(const std::string& text, const char* option, const char* example) {
    const std::size_t sign = text.find('=');
    if (sign == std::string::npos || sign == 0 || sign + 1 == text.size()) {
        throw Failure(Exit::usage, fmt::format("{} '{}' is not NAME=VALUE", option, text),
                      fmt::format("for example {} {}", option, example));
    }
    return {text.substr(0, sign), text.substr(sign + 1)};
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
    T value{};
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && stop == text.data() + text.size() ? std::optional(value)
                                                                     : std::nullopt;
}

std::int64_t parse_length(std::string_view text, const char* option) {
    const auto length = parse_number<std::int64_t>(text);
    if (!length || *length < 0) {
        throw Failure(Exit::usage, fmt::format("{}: '{}' is no length", option, text));
    }
    return *length;
}

std::vector<std::int64_t> parse_shape(std::string_view text) {
    std::vector<std::int64_t> shape;
    while (true) {
        const std::size_t comma = text.find(',');
        shape.push_back(parse_length(text.substr(0, comma), "--shape"));
        if (comma == std::string_view::npos) {
            return shape;
        }
        text.remove_prefix(comma + 1);
    }
}

template <typename T>
std::vector<std::byte> as_bytes(T value) {
    std::vector<std::byte> bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

// One number of a type; nothing if the text is none.
std::optional<std::vector<std::byte>> number_bytes(DataType type, const std::string& text) {
    if (type == DataType::f32) {
        const auto value = parse_number<float>(text);
        return value ? std::optional(as_bytes(*value)) : std::nullopt;
    }
    const auto value = parse_number<std::int64_t>(text);
    if (!value) {
        return std::nullopt;
    }
    switch (type) {
        case DataType::i64:
            return as_bytes(*value);
        case DataType::i32:
            return as_bytes(static_cast<std::int32_t>(*value));
        case DataType::boolean:
            return as_bytes(static_cast<std::uint8_t>(*value != 0));
        default:
            return std::nullopt;
    }
}

// An input that is the same in every run: a number, or a file of elements.
TensorData parse_known(const std::string& model, const Named& given, const LoadOptions& options) {
    for (TensorInfo& info : of_model([&] { return Model::describe(model); })) {
        if (info.name != given.name) {
            continue;
        }
        if (const auto shape = options.shapes.find(info.name); shape != options.shapes.end()) {
            info.shape = shape->second;
        }
        std::ranges::replace(info.shape, -1, 1);
        if (info.elements() == 1) {
            if (auto bytes = number_bytes(info.type, given.value)) {
                return {info.type, info.shape, std::move(*bytes)};
            }
        }
        return {info.type, info.shape, read_tensor(given.value, info)};
    }
    throw Failure(Exit::usage,
                  fmt::format("--known names '{}', and the model has no such input", given.name));
}

}  // namespace

LoadOptions ModelOptions::load() const {
    LoadOptions options{.batch = batch,
                        .allow_narrowing = narrow,
                        .host_fallback = host,
                        .log = dump ? &std::cerr : nullptr};
    for (const std::string& dim : dims) {
        const Named named = parse_named(dim, "--dim", "sequence=128");
        options.dimensions[named.name] = parse_length(named.value, "--dim");
    }
    for (const std::string& shape : shapes) {
        const Named named = parse_named(shape, "--shape", "image=1,3,224,224");
        options.shapes[named.name] = parse_shape(named.value);
    }
    for (const std::string& one : known) {
        const Named named = parse_named(one, "--known", "rate=16000");
        options.constant_inputs[named.name] = parse_known(model, named, options);
        options.shapes.erase(named.name);
    }
    return options;
}

Card select_card_for_models(const Program& program, const ModelOptions& options) {
    Card card = select_card(program.root(), options.card);
    if (!card.node) {
        throw Failure(Exit::no_card, card.name() + " has no driver",
                      "'accelctl doctor' looks for the reason");
    }
    return card;
}

Model load_model(const Device& device, const ModelOptions& options) {
    const LoadOptions load = options.load();
    return of_model([&] { return Model::load(device, options.model, load); });
}

std::string_view name_of(DataType type) {
    static constexpr std::array<std::string_view, 14> names{"?",   "f32",  "bf16", "f16", "i8",
                                                            "u8",  "i16",  "u16",  "i32", "u32",
                                                            "i64", "bool", "f64",  "u64"};
    return names.at(static_cast<std::size_t>(type));
}

std::string describe(const TensorInfo& info) {
    return fmt::format("{} {} [{}]", info.name, name_of(info.type), fmt::join(info.shape, ","));
}

nlohmann::ordered_json to_json(std::span<const TensorInfo> infos) {
    auto all = nlohmann::ordered_json::array();
    for (const TensorInfo& info : infos) {
        all.push_back({{"name", info.name}, {"type", name_of(info.type)}, {"shape", info.shape}});
    }
    return all;
}

std::vector<std::byte> read_bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw Failure(Exit::file,
                      "cannot read " + path + ": " + std::generic_category().message(errno));
    }
    const std::vector<char> data{std::istreambuf_iterator<char>(in), {}};
    const auto* const first = reinterpret_cast<const std::byte*>(data.data());
    return {first, first + data.size()};
}

std::vector<std::byte> read_tensor(const std::string& path, const TensorInfo& info) {
    std::vector<std::byte> bytes = read_bytes(path);
    if (bytes.size() != info.bytes()) {
        throw Failure(Exit::usage,
                      fmt::format("{} holds {} bytes, and {} takes {}", path, bytes.size(),
                                  describe(info), info.bytes()),
                      "the file is the tensor's elements as they lie in memory, nothing else");
    }
    return bytes;
}

void check_count(std::span<const TensorInfo> inputs, std::size_t files) {
    if (files == inputs.size()) {
        return;
    }
    std::string all;
    for (const TensorInfo& info : inputs) {
        all += "\n  " + describe(info);
    }
    throw Failure(
        Exit::usage,
        fmt::format("the model has {} inputs, and {} files are given", inputs.size(), files),
        "give a file for each, in this order:" + all);
}

}  // namespace accel::tools
