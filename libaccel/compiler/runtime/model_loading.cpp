// SPDX-License-Identifier: Apache-2.0
#include "runtime/model_loading.hpp"

#include <accel/log.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codegen/pipeline.hpp"
#include "frontend/file_io.hpp"
#include "frontend/import_session.hpp"
#include "frontend/onnx_import.hpp"
#include "ir/error.hpp"
#include "runtime/compile.hpp"
#include "runtime/serialization.hpp"
#include "runtime/shape_cache.hpp"

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

// The bytes of the caller end when load() returns, and a model with several shapes reads them later.
ModelSource kept(const ModelSource& source) {
    ModelSource result = source;
    if (source.bytes->borrowed()) {
        const std::span<const std::byte> bytes = source.bytes->bytes();
        result.bytes = ByteSource::own({bytes.begin(), bytes.end()});
    }
    return result;
}

// A model without a shape yet.
std::shared_ptr<CompiledModel> uncompiled(const Device& device, const ImportSession& session) {
    auto model = std::make_shared<CompiledModel>(device.alias());
    model->inputs = session.shapes().describe();
    model->outputs = session.outputs();
    model->results = model->outputs;
    model->compiled = false;
    return model;
}

Model load_open(const Device& device, std::unique_ptr<ImportSession> session,
                const LoadOptions& options, Clock::time_point& imported) {
    InputShapes inputs = session->shapes();
    const auto first = inputs.first();
    std::shared_ptr<CompiledModel> shape;
    if (!first) {
        session->check();
        shape = uncompiled(device, *session);
    }
    imported = Clock::now();
    std::vector<std::vector<Dims>> declared;
    for (const ModelShape& given : options.specializations) {
        declared.push_back(in_context(session->name(), [&] { return inputs.resolve(given); }));
    }
    auto shapes = std::make_shared<ShapeCache>(
        std::move(inputs), std::make_unique<ShapeSource>(device, std::move(session), options),
        options.max_shapes);
    if (first) {
        shape = shapes->add(*first, options.log);
    }
    for (const std::vector<Dims>& given : declared) {
        static_cast<void>(shapes->add(given, options.log));
    }
    return ModelAccess::wrap(std::move(shape), std::move(shapes));
}

Model load_onnx(const Device& device, const ModelSource& source, const LoadOptions& options,
                const CompiledModel* sharer, Clock::time_point& imported) {
    Compilation compilation{.log = options.log};
    std::unique_ptr<ImportSession> session;
    const Pass import{"import", "converts nodes to instructions, infers shapes and folds constants",
                      [&](Compilation& c) {
                          session = std::make_unique<ImportSession>(source, options);
                          if (session->shapes().open()) {
                              return;  // each shape is imported when it is compiled
                          }
                          c.program = session->import(session->shapes().first().value());
                          session.reset();
                      }};
    run_pass(import, compilation);
    if (session) {
        if (source.bytes->borrowed()) {
            session = std::make_unique<ImportSession>(kept(source), options);
        }
        return load_open(device, std::move(session), options, imported);
    }
    imported = Clock::now();
    return in_context(source.name, [&] {
        if (!options.specializations.empty()) {
            refuse("LoadOptions::specializations names shapes, and the model has one shape only",
                   "leave it empty, or leave the dimensions open");
        }
        return compile(device, std::move(compilation.program), options.log,
                       {.imported = options.imported_weights, .sharer = sharer});
    });
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
    Clock::time_point imported = start;
    Model model = load_onnx(device, source, options, sharer, imported);
    log_load(source.name, model, start, imported);
    return model;
}

}  // namespace accel::compiler
