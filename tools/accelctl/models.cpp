// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "commands.hpp"
#include "output.hpp"
#include "root.hpp"
#include "run/tensor_file.hpp"

namespace accel::tools {

void ModelOptions::add_to(CommandLine& command, std::string_view model_help) {
    command.add_option(
        {.name = "MODEL", .help = std::string(model_help), .value = file_value, .required = true},
        model);
    command.add_option(
        {.name = "--device,--card",
         .help = std::string(card_help) + ", which is a card that this command emulates in its own "
                                          "process, without hardware or driver",
         .value = card_value},
        card);
    command.add_option({.name = "--batch",
                        .help = "Set the length of the first dimension of the inputs",
                        .value = "LENGTH",
                        .bounds = Bounds{1, 1 << 20}},
                       batch);
    command.add_option({.name = "--dimension",
                        .help = "Set the length of a dimension that the model names",
                        .value = "NAME=LENGTH"},
                       dimensions);
    command.add_option({.name = "--shape",
                        .help = "Set the shape of an input that the model leaves open",
                        .value = "NAME=N,N,..."},
                       shapes);
    command.add_option({.name = "--constant-input",
                        .help = "Give an input the same value in every run: a number, or a file "
                                "(.npy, .pb, or raw elements)",
                        .value = "NAME=VALUE"},
                       constant_inputs);
    command.add_flag({.name = "--allow-narrowing", .help = "Compute f64 in f32, and u64 in i64"},
                     allow_narrowing);
    command.add_flag({.name = "--host-fallback",
                      .help = "Let the CPU compute nodes whose shapes depend on values"},
                     host_fallback);
    command.add_flag(
        {.name = "--log", .help = "Print the result of each compiler stage on standard error"},
        log);
}

namespace {

struct Named {
    std::string name;
    std::string value;
};

// Splits NAME=VALUE. The error message shows the example.
Named parse_named(const std::string& text, const char* option, const char* example) {
    const std::size_t sign = text.find('=');
    if (sign == std::string::npos || sign == 0 || sign + 1 == text.size()) {
        throw Failure(Exit::usage, fmt::format("{} '{}' is not NAME=VALUE", option, text),
                      fmt::format("give, for example, {} {}", option, example));
    }
    return {text.substr(0, sign), text.substr(sign + 1)};
}

std::int64_t parse_length(std::string_view text, const char* option) {
    const auto length = parse_number<std::int64_t>(text);
    if (!length || *length < 0) {
        throw Failure(Exit::usage, fmt::format("{}: '{}' is no length", option, text),
                      "a length is a whole number, zero or more");
    }
    return *length;
}

// The lengths of one shape: NAME=LENGTH,NAME=LENGTH,...
ModelShape parse_lengths(const std::string& text) {
    ModelShape shape;
    std::size_t start = 0;
    while (start <= text.size()) {
        const std::size_t comma = std::min(text.find(',', start), text.size());
        const Named named =
            parse_named(text.substr(start, comma - start), "--shapes", "batch=1,sequence=128");
        shape.dimensions[named.name] = parse_length(named.value, "--shapes");
        start = comma + 1;
    }
    return shape;
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

// The bytes of one number of a data type; nothing if the text is no number.
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

TensorData parse_constant(std::vector<TensorInfo> inputs, const Named& given,
                          const LoadOptions& options) {
    std::string list;
    for (TensorInfo& info : inputs) {
        if (info.name != given.name) {
            list += "\n  " + describe(info);
            continue;
        }
        if (const auto shape = options.shapes.find(info.name); shape != options.shapes.end()) {
            info.shape = shape->second;
        }
        std::ranges::replace(info.shape, -1, 1);
        if (auto bytes = number_bytes(info.type, given.value)) {
            if (info.elements() != 1) {
                throw Failure(
                    Exit::usage,
                    fmt::format("--constant-input {0}={1}: a number is for an input of one "
                                "element, and {0} has {2}",
                                given.name, given.value, info.elements()),
                    "give a file (.npy, .pb, or raw elements)");
            }
            return {info.type, info.shape, std::move(*bytes)};
        }
        return read_tensor_file(given.value, info, {});
    }
    throw Failure(Exit::usage,
                  fmt::format("--constant-input {}: the model has no such input", given.name),
                  "the model's inputs:" + list);
}

}  // namespace

LoadOptions ModelOptions::load() const {
    LoadOptions options{.batch = batch,
                        .allow_narrowing = allow_narrowing,
                        .host_fallback = host_fallback,
                        .log = log ? &std::cerr : nullptr};
    for (const std::string& dimension : dimensions) {
        const Named named = parse_named(dimension, "--dimension", "sequence=128");
        options.dimensions[named.name] = parse_length(named.value, "--dimension");
    }
    for (const std::string& shape : shapes) {
        const Named named = parse_named(shape, "--shape", "image=1,3,224,224");
        options.shapes[named.name] = parse_shape(named.value);
    }
    for (const std::string& lengths : specializations) {
        options.specializations.push_back(parse_lengths(lengths));
    }
    for (const std::string& constant : constant_inputs) {
        const Named named = parse_named(constant, "--constant-input", "rate=16000");
        options.constant_inputs[named.name] = parse_constant(
            with_model_errors([&] {
                return use([](const auto& source) { return Model::describe_inputs(source); });
            }),
            named, options);
        options.shapes.erase(named.name);
    }
    return options;
}

bool ModelOptions::is_streamed() const {
    std::error_code ignored;
    return model == "-" || std::filesystem::is_fifo(model, ignored);
}

const std::vector<std::byte>& ModelOptions::streamed() const {
    if (!streamed_) {
        const std::string path = model == "-" ? "/dev/stdin" : model;
        std::ifstream in(path, std::ios::binary);
        std::vector<std::byte> bytes;
        std::array<char, 1 << 16> part{};
        while (in.read(part.data(), part.size()) || in.gcount() > 0) {
            const auto* const first = reinterpret_cast<const std::byte*>(part.data());
            bytes.insert(bytes.end(), first, first + in.gcount());
        }
        if (!in.is_open() || bytes.empty()) {
            throw Failure(Exit::file,
                          fmt::format("{}: no model could be read from it",
                                      model == "-" ? "standard input" : model),
                          "write the model to the pipe, or give the path of its file");
        }
        streamed_ = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    }
    return *streamed_;
}

void add_output(CommandLine& command, std::string& path) {
    command.add_option({.name = "-o,--output",
                        .help = "Write the result into this file; -: standard output",
                        .value = file_value,
                        .required = true},
                       path);
}

Card select_card_for_models(const Program& program, const ModelOptions& options) {
    return select_card_with_driver(program.root(), options.card);
}

void rethrow_model_error(const Error& error) {
    switch (error.errc()) {
        case std::errc::no_such_file_or_directory:
        case std::errc::is_a_directory:
        case std::errc::not_a_directory:
        case std::errc::invalid_seek:
        case std::errc::filename_too_long:
        case std::errc::too_many_symbolic_link_levels:
        case std::errc::permission_denied:
        case std::errc::io_error:
        case std::errc::bad_message:  // the file is damaged
            throw Failure(Exit::file, error.what());
        case std::errc::argument_out_of_domain:
            throw Failure(Exit::usage, error.what());
        case std::errc::no_space_on_device:
        case std::errc::not_enough_memory:
            throw Failure(Exit::unsupported, error.what(),
                          "the model needs more memory than there is: choose a smaller --batch or "
                          "--shape, or a card with more");
        case std::errc::invalid_argument:
        case std::errc::not_supported:
            throw Failure(Exit::unsupported, error.what());
        default:
            break;
    }
}

void save_model(const Model& net, const std::string& path) {
    try {
        net.save(output_path(path));
    } catch (const Error& error) {
        throw Failure(Exit::file, error.what());
    }
}

Model load_model(const Device& device, const ModelOptions& options) {
    const LoadOptions load = options.load();
    return with_model_errors([&] {
        return options.use([&](const auto& source) { return Model::load(device, source, load); });
    });
}

std::string_view name_of(DataType type) {
    static constexpr std::array<std::string_view, 24> names{
        "?",      "f32",        "bf16",   "f16",    "i8",  "u8",  "i16",      "u16",
        "i32",    "u32",        "i64",    "bool",   "f64", "u64", "f8e4m3fn", "f8e4m3fnuz",
        "f8e5m2", "f8e5m2fnuz", "f8e8m0", "f4e2m1", "i4",  "u4",  "i2",       "u2"};
    return names.at(static_cast<std::size_t>(type));
}

std::string describe(const TensorInfo& info) {
    std::string shape;
    for (const std::int64_t length : info.shape) {
        shape += (shape.empty() ? "" : ",") + std::to_string(length);
    }
    return fmt::format("{} {} [{}]", info.name, name_of(info.type), shape);
}

Json to_json(std::span<const TensorInfo> infos) {
    Json all = Json::array();
    for (const TensorInfo& info : infos) {
        all.push_back({{"name", info.name},
                       {"type", name_of(info.type)},
                       {"shape", Json::array_of(info.shape)}});
    }
    return all;
}

Json to_json(const MemoryUse& memory) {
    return {
        {"weights", memory.weights}, {"activations", memory.activations}, {"peak", memory.peak}};
}

std::vector<std::byte> read_bytes(const std::string& path) {
    const auto fail = [&](int error) {
        throw Failure(Exit::file, "cannot read " + path + ": " +
                                      (error == EISDIR ? "it is a folder"
                                                       : std::generic_category().message(error)));
    };
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        fail(EISDIR);  // a stream opens a folder, and reads nothing
    }
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        fail(errno);
    }
    // A device may never end.
    constexpr std::size_t most = std::size_t{1} << 30;
    const bool bounded = !std::filesystem::is_regular_file(path, ignored);
    constexpr std::size_t piece = std::size_t{1} << 20;
    std::vector<std::byte> data;
    for (std::size_t got = piece; got == piece;) {
        const std::size_t size = data.size();
        if (bounded && size > most) {
            throw Failure(Exit::file, "cannot read " + path +
                                          ": it has more than 1 GiB, and is no regular file");
        }
        data.resize(size + piece);
        in.read(reinterpret_cast<char*>(data.data() + size), piece);
        got = static_cast<std::size_t>(in.gcount());
        data.resize(size + got);
    }
    if (in.bad()) {
        fail(EIO);
    }
    return data;
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
        fmt::format("the model has {} inputs, and --input gives {} files", inputs.size(), files),
        "give one file for each input, in this order:" + all);
}

}  // namespace accel::tools
