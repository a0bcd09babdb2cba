// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>

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
    command.add_flag("--narrow", narrow, "Take f64 as f32 and u64 as i64");
    command.add_flag("--host", host,
                     "Let each run work out on the host what depends on what values are");
    command.add_flag("--dump", dump, "Print what each stage of the compiler did");
}

LoadOptions ModelOptions::load() const {
    LoadOptions options{
        .batch = batch, .narrow = narrow, .host = host, .dump = dump ? &std::cerr : nullptr};
    for (const std::string& dim : dims) {
        const std::size_t sign = dim.rfind('=');
        std::int64_t length = 0;
        const char* const end = dim.data() + dim.size();
        const char* const first = sign == std::string::npos ? end : dim.data() + sign + 1;
        const auto [stop, error] = std::from_chars(first, end, length);
        if (error != std::errc() || stop != end || length < 1) {
            throw Failure(Exit::usage, fmt::format("--dim '{}' is not NAME=LENGTH", dim),
                          "for example --dim sequence=128");
        }
        options.dims[dim.substr(0, sign)] = length;
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

std::string_view name_of(Type type) {
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
        throw Failure(Exit::file, "cannot read " + path + ": " + std::strerror(errno));
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
