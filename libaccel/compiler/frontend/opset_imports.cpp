// SPDX-License-Identifier: Apache-2.0
#include "frontend/opset_imports.hpp"

#include <onnx.pb.h>

#include <algorithm>

#include "ir/error.hpp"

namespace accel::compiler {

namespace {

// Files of earlier versions of the format import nothing, and mean opset 1.
constexpr std::int64_t first_ir_with_imports = 3;

template <typename Imports>
std::map<std::string, std::int64_t, std::less<>> opsets_of(const Imports& imports) {
    std::map<std::string, std::int64_t, std::less<>> opsets;
    for (const auto& import : imports) {
        opsets[std::string(table_name(import.domain()))] = import.version();
    }
    return opsets;
}

}  // namespace

std::string_view table_name(std::string_view domain) {
    return domain == "ai.onnx" ? "" : domain;
}

std::string_view display_name(std::string_view domain) {
    return domain.empty() ? "ai.onnx" : domain;
}

OpsetImports::OpsetImports(const onnx::ModelProto& model)
    : opsets_(opsets_of(model.opset_import())) {
    if (opsets_.empty()) {
        if (model.ir_version() >= first_ir_with_imports) {
            refuse("it does not say of which opset it is: it has no opset_import",
                   "export it again, or check it with onnx.checker");
        }
        opsets_[""] = 1;
    }
    if (opsets_.contains("")) {
        static_cast<void>(opset(""));
    }
}

OpsetImports::OpsetImports(const onnx::FunctionProto& function)
    : opsets_(opsets_of(function.opset_import())) {}

std::int64_t OpsetImports::opset(std::string_view domain) const {
    const std::string_view name = table_name(domain);
    const std::string shown(display_name(name));
    const auto known = std::ranges::find(domains, name, &Domain::name);
    if (known == domains.end()) {
        // ONNX Runtime writes com.microsoft.nchwc for the processor that it runs on.
        refuse("operators of the domain '" + shown + "' are not supported",
               name == "com.microsoft.nchwc"
                   ? "let ONNX Runtime save the model with ORT_ENABLE_EXTENDED, whose result does "
                     "not depend on the processor"
                   : "convert the model to operators of ai.onnx, or compute these nodes outside of "
                     "it");
    }
    const auto imported = opsets_.find(name);
    if (imported == opsets_.end()) {
        // Converters that add operators of a single-version domain often forget to import it.
        if (known->latest == 1) {
            return 1;
        }
        refuse("the model imports no opset of the domain " + shown +
                   ", and it has operators of that domain",
               "add the opset to opset_import, or export the model again");
    }
    if (imported->second < 1 || imported->second > known->latest) {
        refuse("it is of opset " + std::to_string(imported->second) + " of the domain " + shown +
                   ", and opsets from 1 to " + std::to_string(known->latest) + " are supported",
               name.empty() ? "convert it with onnx.version_converter"
                            : "export it for a supported opset of that domain");
    }
    return imported->second;
}

}  // namespace accel::compiler
