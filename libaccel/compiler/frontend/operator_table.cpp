// SPDX-License-Identifier: Apache-2.0
#include "frontend/operator_table.hpp"

#include <algorithm>
#include <stdexcept>

#include "ir/error.hpp"

namespace accel::compiler {

void OperatorTable::add(std::initializer_list<Operator> operators) {
    for (const Operator& one : operators) {
        operators_[one.name].push_back(one);
    }
}

void OperatorTable::add_alias(const std::string& alias, const std::string& name) {
    const std::vector<Operator>& variants = operators_.at(name);
    const auto newest = std::ranges::max_element(
        variants, {}, [](const Operator& one) { return one.opsets.first; });
    add({{alias, newest->lower}});
}

const Lowering& OperatorTable::find(const std::string& name, std::int64_t opset) const {
    const auto named = operators_.find(name);
    if (named == operators_.end()) {
        const std::size_t dot = name.rfind('.');
        const std::string domain = dot == std::string::npos ? "" : name.substr(0, dot);
        refuse("this operator of the domain " + std::string(display_name(domain)) +
                   " is not supported",
               "docs/guides/add-an-operator.md describes how to add one");
    }
    const std::vector<Operator>& variants = named->second;
    const auto found = std::ranges::find_if(variants, [&](const Operator& one) {
        return opset >= one.opsets.first && opset <= one.opsets.last;
    });
    if (found != variants.end()) {
        return found->lower;
    }
    const auto first = [](const Operator& one) { return one.opsets.first; };
    const auto last = [](const Operator& one) { return one.opsets.last; };
    const std::int64_t since = first(*std::ranges::min_element(variants, {}, first));
    const std::int64_t until = last(*std::ranges::max_element(variants, {}, last));
    const std::string model = "the model is of opset " + std::to_string(opset);
    if (opset < since) {
        refuse("this operator exists since opset " + std::to_string(since) + ", and " + model,
               "export the model for opset " + std::to_string(since) + " or newer");
    }
    if (opset > until) {
        refuse("this operator exists until opset " + std::to_string(until) + ", and " + model,
               "export the model again, with the operator that replaces it");
    }
    refuse("this operator is not supported in opset " + std::to_string(opset),
           "convert the model with onnx.version_converter");
}

bool OperatorTable::same(const std::string& name, std::int64_t a, std::int64_t b) const {
    const auto named = operators_.find(name);
    return named == operators_.end() ||
           std::ranges::any_of(named->second, [&](const Operator& one) {
               const auto [low, high] = std::minmax(a, b);
               return low >= one.opsets.first && high <= one.opsets.last;
           });
}

std::string qualified_name(std::string_view domain, std::string_view name) {
    const std::string_view prefix = table_name(domain);
    return prefix.empty() ? std::string(name) : std::string(prefix) + "." + std::string(name);
}

namespace {

// The import lowers these, since they need the names around a node.
void add_control_flow(OperatorTable& table) {
    const Lowering by_import = [](const Node&) -> Values {
        throw std::logic_error("the import lowers this operator");
    };
    table.add({
        {"If", {1}, by_import},
        {"Loop", {1}, by_import},
        {"Scan", {8}, by_import},
        {"SequenceMap", {17}, by_import},
    });
}

}  // namespace

const OperatorTable& operators() {
    static const OperatorTable table = [] {
        OperatorTable all;
        add_activations(all);
        add_attention(all);
        add_affine_grid(all);
        add_bits(all);
        add_center_crop_pad(all);
        add_col2im(all);
        add_constants(all);
        add_control_flow(all);
        add_cumulative(all);
        add_deform_conv(all);
        add_detections(all);
        add_determinant(all);
        add_einsum(all);
        add_elementwise(all);
        add_grid_sample(all);
        add_images(all);
        add_linear_attention(all);
        add_integer_products(all);
        add_losses(all);
        add_matrices(all);
        add_normalizations(all);
        add_optimizers(all);
        add_pools(all);
        add_quantized(all);
        add_random(all);
        add_recurrent(all);
        add_reductions(all);
        add_regions(all);
        add_resizing(all);
        add_scattering(all);
        add_selections(all);
        add_sequences(all);
        add_shapes(all);
        add_signals(all);
        add_transformers(all);
        add_term_frequencies(all);
        add_unsupported(all);
        add_contrib(all);
        return all;
    }();
    return table;
}

}  // namespace accel::compiler
