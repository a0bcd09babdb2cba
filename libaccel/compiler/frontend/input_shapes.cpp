// SPDX-License-Identifier: Apache-2.0
#include "frontend/input_shapes.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string_view>

#include "frontend/onnx_tensor.hpp"
#include "ir/error.hpp"

namespace accel::compiler {

namespace {

// "dimension 1 ('seq') of input 'ids'"
std::string describe_dimension(const InputShape& input, std::size_t axis) {
    const std::string& name = input.dimensions[axis].name;
    return "dimension " + std::to_string(axis) + (name.empty() ? "" : " ('" + name + "')") +
           " of input '" + input.name + "'";
}

// "[batch, seq, 64]"
std::string pattern_of(const InputShape& input) {
    std::string text;
    for (const InputDimension& dimension : input.dimensions) {
        text += text.empty() ? "" : ", ";
        text += dimension.fixed            ? std::to_string(*dimension.fixed)
                : dimension.name.empty() ? "?"
                                           : dimension.name;
    }
    return "[" + text + "]";
}

// A name that exporters give to all dimensions without one says nothing.
bool is_name(const std::string& name) {
    return !name.empty() && name != "?";
}

// The length of each name, and where it was given.
class NamedLengths {
  public:
    // A length that a caller gives.
    void give(const std::string& name, std::int64_t length) {
        lengths_.insert_or_assign(name, Known{length, "the length that is given"});
    }

    // Throws if another dimension of this name has another length.
    void set(const InputShape& input, std::size_t axis, std::int64_t length) {
        const InputDimension& dimension = input.dimensions[axis];
        if (dimension.fixed || !is_name(dimension.name)) {
            return;
        }
        const std::string where = describe_dimension(input, axis);
        const auto [known, fresh] = lengths_.try_emplace(dimension.name, Known{length, where});
        if (!fresh && known->second.length != length) {
            refuse(where + " is " + std::to_string(length) + ", and " + known->second.where +
                       " is " + std::to_string(known->second.length),
                   "dimensions of one name have one length: give " +
                       std::to_string(known->second.length) + " for both, or " +
                       std::to_string(length));
        }
    }

    [[nodiscard]] std::optional<std::int64_t> find(const std::string& name) const {
        const auto found = is_name(name) ? lengths_.find(name) : lengths_.end();
        return found == lengths_.end() ? std::nullopt : std::optional(found->second.length);
    }

  private:
    struct Known {
        std::int64_t length;
        std::string where;
    };
    std::map<std::string, Known> lengths_;
};

void check_length(const std::string& what, std::int64_t length) {
    if (length < 0 || length > max_elements) {
        refuse(what + " is " + std::to_string(length),
               "it can be from 0 to " + std::to_string(max_elements));
    }
}

void check_shape(const InputShape& input, const Dims& shape) {
    if (!input.has_rank) {
        return;
    }
    if (shape.size() != input.dimensions.size()) {
        refuse("input '" + input.name + "' has the shape " + to_string(shape) + " of " +
                   std::to_string(shape.size()) + " dimensions",
               "the model takes " + pattern_of(input));
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        check_length(describe_dimension(input, i), shape[i]);
        const auto fixed = input.dimensions[i].fixed;
        if (fixed && shape[i] != *fixed) {
            refuse(describe_dimension(input, i) + " is " + std::to_string(shape[i]),
                   "it can only be " + std::to_string(*fixed) + ": the model takes " +
                       pattern_of(input));
        }
    }
    static_cast<void>(elements(shape));
}

InputDimension dimension_of(const onnx::TensorShapeProto::Dimension& dim, bool first, bool only,
                            const LoadOptions& options) {
    InputDimension result{.name = dim.dim_param(), .fixed = {}, .first = {}};
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
        const bool replaced = first && !only && dim.dim_value() == 1 && options.batch > 0;
        result.fixed = replaced ? options.batch : dim.dim_value();
        return result;
    }
    std::optional<std::int64_t> given;
    if (const auto named = options.dimensions.find(result.name);
        named != options.dimensions.end()) {
        given = named->second;
    } else if (first && options.batch > 0) {
        given = options.batch;
    }
    const bool batch = first && counts_examples(result.name);
    const bool listed = options.open_dimensions && is_name(result.name) &&
                        std::ranges::find(*options.open_dimensions, result.name) !=
                            options.open_dimensions->end();
    if (given && !listed) {
        result.fixed = given;
    } else if (options.open_dimensions && !listed && batch) {
        result.fixed = 1;
    } else {
        result.first = given ? given : batch ? std::optional<std::int64_t>(1) : std::nullopt;
    }
    return result;
}

}  // namespace

bool counts_examples(const std::string& name) {
    std::string lower;
    for (const unsigned char c : name) {
        lower.push_back(static_cast<char>(std::tolower(c)));
    }
    constexpr std::array<std::string_view, 6> names{"", "?", "n", "b", "bs", "none"};
    return std::ranges::find(names, lower) != names.end() || lower.starts_with("unk_") ||
           lower.find("batch") != std::string::npos;
}

std::string describe_shapes(std::span<const InputShape> inputs, std::span<const Dims> shapes) {
    std::string text;
    for (std::size_t i = 0; i < inputs.size() && i < shapes.size(); ++i) {
        text += (text.empty() ? "'" : ", '") + inputs[i].name + "' " + to_string(shapes[i]);
    }
    return text;
}

std::string describe_patterns(std::span<const InputShape> inputs) {
    std::string text;
    for (const InputShape& input : inputs) {
        text += (text.empty() ? "'" : ", '") + input.name + "' " +
                (input.has_rank ? pattern_of(input) : "of any shape");
    }
    return text;
}

InputShapes::InputShapes(const onnx::GraphProto& graph, const LoadOptions& options) {
    std::set<std::string> weights;
    for (const auto& tensor : graph.initializer()) {
        weights.insert(tensor.name());
    }
    for (const auto& input : graph.input()) {
        if (weights.contains(input.name()) || options.constant_inputs.contains(input.name())) {
            continue;
        }
        InputShape shape{.name = input.name(), .type = describe_tensor(input).type, .dimensions = {}};
        const auto& tensor = element_type_of(input.type());
        if (const auto given = options.shapes.find(input.name()); given != options.shapes.end()) {
            const bool named = static_cast<std::size_t>(tensor.shape().dim_size()) ==
                               given->second.size();
            for (std::size_t i = 0; i < given->second.size(); ++i) {
                shape.dimensions.push_back(
                    {.name = named ? tensor.shape().dim(static_cast<int>(i)).dim_param() : "",
                     .fixed = given->second[i],
                     .first = {}});
            }
        } else if (tensor.has_shape()) {
            for (const auto& dim : tensor.shape().dim()) {
                shape.dimensions.push_back(dimension_of(dim, shape.dimensions.empty(),
                                                        tensor.shape().dim_size() == 1, options));
            }
        } else {
            shape.has_rank = false;
        }
        inputs_.push_back(std::move(shape));
    }
}

bool InputShapes::open() const {
    return std::ranges::any_of(inputs_, [](const InputShape& input) {
        return !input.has_rank ||
               std::ranges::any_of(input.dimensions, [](const auto& d) { return !d.fixed; });
    });
}

std::vector<TensorInfo> InputShapes::describe() const {
    std::vector<TensorInfo> result;
    for (const InputShape& input : inputs_) {
        TensorInfo& info = result.emplace_back(TensorInfo{input.name, input.type, {}});
        for (const InputDimension& dimension : input.dimensions) {
            info.shape.push_back(dimension.fixed.value_or(-1));
        }
    }
    return result;
}

std::optional<std::vector<Dims>> InputShapes::first() const {
    std::vector<Dims> result;
    for (const InputShape& input : inputs_) {
        Dims& dims = result.emplace_back();
        for (const InputDimension& dimension : input.dimensions) {
            const auto length = dimension.fixed ? dimension.fixed : dimension.first;
            if (!length) {
                return std::nullopt;
            }
            dims.push_back(*length);
        }
        if (!input.has_rank) {
            return std::nullopt;
        }
    }
    return result;
}

void InputShapes::check_names(const ModelShape& shape) const {
    std::string names;
    std::string inputs;
    std::set<std::string> known;
    for (const InputShape& input : inputs_) {
        inputs += (inputs.empty() ? "'" : ", '") + input.name + "'";
        for (const InputDimension& dimension : input.dimensions) {
            if (!dimension.fixed && is_name(dimension.name) &&
                known.insert(dimension.name).second) {
                names += (names.empty() ? "'" : ", '") + dimension.name + "'";
            }
        }
    }
    for (const auto& [name, length] : shape.dimensions) {
        if (!known.contains(name)) {
            refuse("the length " + std::to_string(length) + " is given for dimension '" + name +
                       "', and the model has no open dimension of this name",
                   names.empty() ? "give the shapes of the inputs, " + inputs
                                 : "its open dimensions are " + names);
        }
        check_length("the length of dimension '" + name + "'", length);
    }
    for (const auto& [name, dims] : shape.inputs) {
        if (std::ranges::find(inputs_, name, &InputShape::name) == inputs_.end()) {
            refuse("the shape " + to_string(dims) + " is given for input '" + name +
                       "', which the model does not have",
                   "its inputs are " + inputs);
        }
    }
}

std::vector<Dims> InputShapes::resolve(const ModelShape& shape) const {
    check_names(shape);
    NamedLengths lengths;
    for (const auto& [name, length] : shape.dimensions) {
        lengths.give(name, length);
    }
    for (const InputShape& input : inputs_) {
        const auto given = shape.inputs.find(input.name);
        if (given == shape.inputs.end()) {
            continue;
        }
        check_shape(input, given->second);
        for (std::size_t i = 0; i < input.dimensions.size(); ++i) {
            lengths.set(input, i, given->second[i]);
        }
    }
    std::vector<Dims> result;
    for (const InputShape& input : inputs_) {
        Dims& dims = result.emplace_back();
        if (const auto given = shape.inputs.find(input.name); given != shape.inputs.end()) {
            dims = given->second;
            continue;
        }
        if (!input.has_rank) {
            refuse("input '" + input.name + "' has no shape",
                   "give it: the model does not state its number of dimensions");
        }
        for (std::size_t i = 0; i < input.dimensions.size(); ++i) {
            const InputDimension& dimension = input.dimensions[i];
            auto length = dimension.fixed ? dimension.fixed : lengths.find(dimension.name);
            length = length ? length : dimension.first;
            if (!length) {
                refuse(describe_dimension(input, i) + " has no length",
                       is_name(dimension.name)
                           ? "give a length for '" + dimension.name + "', or the shape of the input"
                           : "give the shape of the input");
            }
            dims.push_back(*length);
        }
        static_cast<void>(elements(dims));
    }
    return result;
}

void InputShapes::check(std::span<const Dims> shapes) const {
    if (shapes.size() != inputs_.size()) {
        throw Error(std::errc::invalid_argument, "the model has " +
                                                     std::to_string(inputs_.size()) +
                                                     " inputs, not " +
                                                     std::to_string(shapes.size()));
    }
    NamedLengths lengths;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        check_shape(inputs_[i], shapes[i]);
        for (std::size_t axis = 0; axis < inputs_[i].dimensions.size(); ++axis) {
            lengths.set(inputs_[i], axis, shapes[i][axis]);
        }
    }
}

}  // namespace accel::compiler
