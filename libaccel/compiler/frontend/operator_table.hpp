// SPDX-License-Identifier: Apache-2.0
//
// The table of operators. An operator is a name, the range of opsets that it serves, and a function
// that lowers a node to instructions. To add one, write a function in operators/ and register it in
// the table at the end of that file. Operators of other domains have the domain in front of the
// name.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/node.hpp"

namespace accel::compiler {

using Values = std::vector<ValueId>;

/// Lowers a node: appends instructions, and returns the outputs of the node.
using Lowering = std::function<Values(const Node&)>;

inline constexpr std::int64_t latest_opset = 28;

/// A range of opsets of the domain ai.onnx; both ends are included.
struct OpsetRange {
    std::int64_t first = 1;
    std::int64_t last = latest_opset;
};

struct Operator {
    Operator(std::string operator_name, Lowering lowering)
        : name(std::move(operator_name)), lower(std::move(lowering)) {}
    Operator(std::string operator_name, OpsetRange range, Lowering lowering)
        : name(std::move(operator_name)), opsets(range), lower(std::move(lowering)) {}

    std::string name;
    OpsetRange opsets = {};
    Lowering lower;
};

class OperatorTable {
  public:
    void add(std::initializer_list<Operator> operators);

    /// Registers another name for all variants of an operator.
    void add_alias(const std::string& alias, const std::string& name);

    /// The lowering of an operator in an opset. Throws if there is none.
    [[nodiscard]] const Lowering& find(const std::string& name, std::int64_t opset) const;

  private:
    std::map<std::string, std::vector<Operator>, std::less<>> operators_;
};

/// The table of all operators.
[[nodiscard]] const OperatorTable& operators();

// One for each file of operators/.
void add_activations(OperatorTable& table);
void add_affine_grid(OperatorTable& table);
void add_bits(OperatorTable& table);
void add_center_crop_pad(OperatorTable& table);
void add_col2im(OperatorTable& table);
void add_constants(OperatorTable& table);
void add_contrib(OperatorTable& table);  // after add_quantized(), whose operators it aliases
void add_cumulative(OperatorTable& table);
void add_deform_conv(OperatorTable& table);
void add_detections(OperatorTable& table);
void add_determinant(OperatorTable& table);
void add_einsum(OperatorTable& table);
void add_elementwise(OperatorTable& table);
void add_grid_sample(OperatorTable& table);
void add_images(OperatorTable& table);
void add_integer_products(OperatorTable& table);
void add_losses(OperatorTable& table);
void add_matrices(OperatorTable& table);
void add_normalizations(OperatorTable& table);
void add_optimizers(OperatorTable& table);
void add_pools(OperatorTable& table);
void add_quantized(OperatorTable& table);
void add_random(OperatorTable& table);
void add_recurrent(OperatorTable& table);
void add_reductions(OperatorTable& table);
void add_regions(OperatorTable& table);
void add_resizing(OperatorTable& table);
void add_scattering(OperatorTable& table);
void add_selections(OperatorTable& table);
void add_sequences(OperatorTable& table);
void add_shapes(OperatorTable& table);
void add_signals(OperatorTable& table);
void add_term_frequencies(OperatorTable& table);
void add_unsupported(OperatorTable& table);

}  // namespace accel::compiler
