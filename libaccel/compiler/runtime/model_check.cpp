// SPDX-License-Identifier: Apache-2.0
#include "runtime/model_check.hpp"

#include <utility>

#include "codegen/pipeline.hpp"
#include "frontend/onnx_import.hpp"
#include "runtime/serialization.hpp"

namespace accel::compiler {

std::vector<Unsupported> check_model(const ModelSource& source, const LoadOptions& options) {
    if (is_compiled(source.bytes->bytes())) {
        return {};  // it was compiled, and save() wrote it
    }
    Findings findings;
    Compilation compilation{.log = options.log};
    compilation.program = check_onnx(source, options, findings);
    if (findings.empty()) {
        try {
            for (const Pass& pass : passes()) {
                run_pass(pass, compilation);
            }
        } catch (const Error& error) {
            if (error.errc() != std::errc::invalid_argument) {
                throw;
            }
            findings.add(error);
        }
    }
    return findings.all();
}

}  // namespace accel::compiler
