// SPDX-License-Identifier: Apache-2.0
//
// The table of operators. An operator is a name, the range of opsets that it serves, and a function
// that lowers a node to instructions. To add one, write a function in operators/ and register it in
// the table at the end of that file. Operators of other domains than ai.onnx have the domain in
// front of the name, as in "com.microsoft.Gelu"; opset_imports.hpp lists the domains.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/node.hpp"
#include "frontend/opset_imports.hpp"

namespace accel::compiler {

using Values = std::vector<ValueId>;

/// Lowers a node: appends instructions, and returns the outputs of the node.
using Lowering = std::function<Values(const Node&)>;

/// A range of opsets of the operator's domain; both ends are included. `{13}` is opset 13 and all
/// later ones: each new version of the operator up to latest_opset means what the lowering does.
struct OpsetRange {
    std::int64_t first = 1;
    std::int64_t last = std::numeric_limits<std::int64_t>::max();
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

    /// Registers another name for the newest variant of an operator, in all opsets of its domain.
    void add_alias(const std::string& alias, const std::string& name);

    /// The lowering of an operator in an opset of its domain. `name` has the domain in front of it,
    /// as in the table. Throws if there is none.
    [[nodiscard]] const Lowering& find(const std::string& name, std::int64_t opset) const;

    /// Whether an operator means the same in two opsets of its domain. An operator that is not in
    /// the table does.
    [[nodiscard]] bool same(const std::string& name, std::int64_t a, std::int64_t b) const;

    /// The variants of each operator, by name.
    [[nodiscard]] const std::map<std::string, std::vector<Operator>, std::less<>>& all() const {
        return operators_;
    }

  private:
    std::map<std::string, std::vector<Operator>, std::less<>> operators_;
};

/// The name of an operator in the table: with its domain in front, unless that is ai.onnx.
[[nodiscard]] std::string qualified_name(std::string_view domain, std::string_view name);

/// The table of all operators.
[[nodiscard]] const OperatorTable& operators();

// One for each file of operators/.
void add_activations(OperatorTable& table);
void add_attention(OperatorTable& table);
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
void add_linear_attention(OperatorTable& table);
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
void add_transformers(OperatorTable& table);
void add_term_frequencies(OperatorTable& table);
void add_unsupported(OperatorTable& table);

}  // namespace accel::compiler
