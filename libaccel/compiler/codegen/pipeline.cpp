// SPDX-License-Identifier: Apache-2.0
#include "codegen/pipeline.hpp"

#include <array>
#include <ostream>
#include <stdexcept>
#include <string>

#include "passes/attention_fusion.hpp"
#include "passes/fusion.hpp"
#include "passes/layout_assignment.hpp"
#include "passes/memory_planning.hpp"
#include "passes/quantization_lowering.hpp"
#include "passes/weight_unpacking.hpp"

namespace accel::compiler {

namespace {

void generate(Compilation& compilation) {
    compilation.code = generate_commands(compilation.plan, compilation.program.inputs.size(),
                                         compilation.program.outputs.size());
    if (compilation.log != nullptr) {
        for (const ModelCommand& command : compilation.code.names) {
            *compilation.log << "  " << command.command << "  (" << command.node << ")\n";
        }
    }
}

}  // namespace

void run_pass(const Pass& pass, Compilation& compilation) {
    if (compilation.log != nullptr) {
        *compilation.log << pass.name << ": " << pass.description << '\n';
    }
    try {
        pass.function(compilation);
    } catch (const std::logic_error& error) {
        report_defect("pass " + std::string(pass.name), error);
    }
}

std::span<const Pass> passes() {
    static const std::array all{
        Pass{"fuse-attention", "merges products and softmaxes into attentions",
             [](Compilation& c) { fuse_attention(c.program, c.log); }},
        Pass{"fuse",
             "merges scales, biases, residuals and activations into convolutions and products",
             [](Compilation& c) { fuse(c.program, c.log); }},
        Pass{"lower-quantization",
             "lowers convolutions and products of dequantized values to int8 commands",
             [](Compilation& c) { lower_quantization(c.program, c.log); }},
        Pass{"unpack-weights",
             "keeps weights of products in their small types, and converts them in each run",
             [](Compilation& c) { unpack_weights(c.program, c.log); }},
        Pass{"assign-layouts",
             "gives each value a layout in memory, and lowers instructions to commands",
             [](Compilation& c) { c.plan = assign_layouts(c.program, c.log); }},
        Pass{"plan-memory", "shares scratch memory among values with disjoint lifetimes",
             [](Compilation& c) { c.memory = plan_memory(c.plan, c.log); }},
        Pass{"generate-commands", "encodes the commands of the card", generate},
    };
    return all;
}

}  // namespace accel::compiler
