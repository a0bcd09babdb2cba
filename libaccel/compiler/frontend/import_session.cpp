// SPDX-License-Identifier: Apache-2.0
#include "frontend/import_session.hpp"

#include "frontend/graph_inputs.hpp"
#include "frontend/model_checks.hpp"
#include "frontend/onnx_tensor.hpp"
#include "frontend/opset_imports.hpp"
#include "frontend/parsed_model.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

std::unique_ptr<ParsedModel> parse(const ModelSource& source) {
    auto model = std::make_unique<ParsedModel>(
        parse_model(source.bytes, source.name, source.folder));
    model->weights.keep_imported();
    return model;
}

InputShapes shapes_of(const ParsedModel& model, const LoadOptions& options,
                      const std::string& name) {
    return in_context(name, [&] {
        const onnx::GraphProto& graph = model.proto.graph();
        check_options(graph, options);
        check_open_dimensions(graph, options);
        return InputShapes(graph, options);
    });
}

}  // namespace

ImportSession::ImportSession(ModelSource source, const LoadOptions& options)
    : source_(std::move(source)),
      options_(options),
      model_(parse(source_)),
      shapes_(shapes_of(*model_, options_, source_.name)) {
    // The lengths are those of import() from here on.
    options_.batch = 0;
    options_.dimensions.clear();
    options_.open_dimensions.reset();
}

ImportSession::~ImportSession() = default;

std::vector<TensorInfo> ImportSession::outputs() const {
    std::vector<TensorInfo> result;
    for (const auto& output : model_->proto.graph().output()) {
        if (!output.type().has_tensor_type()) {
            result.push_back({.name = output.name(), .shape = {}});
            continue;
        }
        result.push_back(describe_tensor(output));
    }
    return result;
}

void ImportSession::check() const {
    in_context(source_.name, [&] {
        const onnx::GraphProto& graph = model_->proto.graph();
        check_names(graph);
        Findings findings;
        check_operators(graph, OpsetImports(model_->proto), findings);
        refuse_unsupported(findings);
    });
}

Program ImportSession::import(std::span<const Dims> shapes) {
    LoadOptions options = options_;
    options.shapes.clear();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        options.shapes[shapes_.inputs()[i].name] = shapes[i];
    }
    auto constants = std::make_shared<ConstantCache>(constants_);
    Program program =
        in_context(source_.name, [&] { return import_parsed(*model_, options, constants); });
    program.shares_weights = shapes_.open();
    if (!constants_) {
        source_.bytes->evict(source_.bytes->bytes());
        constants_ = std::move(constants);
    }
    return program;
}

void ImportSession::release() const noexcept {
    if (constants_) {
        constants_->release();
    }
}

}  // namespace accel::compiler
