// SPDX-License-Identifier: Apache-2.0
#include "runtime/model_loading.hpp"

#include <accel/log.hpp>

#include <chrono>
#include <optional>
#include <string>

#include "codegen/pipeline.hpp"
#include "frontend/file_io.hpp"
#include "frontend/onnx_import.hpp"
#include "ir/error.hpp"
#include "runtime/compile.hpp"
#include "runtime/serialization.hpp"

namespace accel::compiler {

namespace {

using Clock = std::chrono::steady_clock;

std::string milliseconds(Clock::duration span) {
    const auto tenths = std::chrono::duration_cast<std::chrono::microseconds>(span).count() / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

void log_load(const std::string& file, const Model& model, Clock::time_point start,
              Clock::time_point imported) {
    if (log_enabled(LogLevel::info)) {
        const Clock::time_point end = Clock::now();
        log(LogLevel::info, "loaded " + file + " in " + milliseconds(end - start) + ": " +
                                milliseconds(imported - start) + " to read it, " +
                                milliseconds(end - imported) + " to compile and upload it; " +
                                std::to_string(model.commands().size()) + " commands, " +
                                std::to_string(model.memory().weights) + " bytes of weights, " +
                                std::to_string(model.memory().peak) + " bytes of scratch memory");
    }
}

}  // namespace

ModelSource model_file(const std::filesystem::path& file) {
    return {.bytes = read_file(file), .name = file.string(), .folder = file.parent_path()};
}

ModelSource model_in_memory(std::span<const std::byte> bytes, const std::filesystem::path& folder) {
    return {.bytes = ByteSource::borrow(bytes),
            .name = "the model in memory",
            .folder = folder.empty() ? std::nullopt : std::optional(folder)};
}

Model load_model(const Device& device, const ModelSource& source, const LoadOptions& options,
                 const CompiledModel* sharer) {
    const Clock::time_point start = Clock::now();
    if (is_compiled(source.bytes->bytes())) {
        Model model = load_compiled(device, source.bytes, source.name, options);
        log_load(source.name, model, start, start);
        return model;
    }
    Compilation compilation{.log = options.log};
    run_pass({"import", "converts nodes to instructions, infers shapes and folds constants",
              [&](Compilation& c) { c.program = import_onnx(source, options); }},
             compilation);
    const Clock::time_point imported = Clock::now();
    Model model = in_context(source.name, [&] {
        return compile(device, std::move(compilation.program), options.log,
                       {.imported = options.imported_weights, .sharer = sharer});
    });
    log_load(source.name, model, start, imported);
    return model;
}

}  // namespace accel::compiler
