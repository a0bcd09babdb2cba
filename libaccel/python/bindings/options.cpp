// SPDX-License-Identifier: Apache-2.0
//
// Keywords to options.
#include "options.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "array_view.hpp"
#include "casters.hpp"

namespace accel::python {

TensorData to_constant(nb::handle value) {
    TypeArgument type;
    const nb::object array =
        nb::module_::import_("accel._arrays").attr("array_of")(value, nb::none());
    if (!to_type(array.attr("dtype"), type)) {
        refuse_type("a constant input has the data type " + text_of(array.attr("dtype")) +
                    ", which the card does not have: see accel.DataType");
    }
    const nb::object dense = dense_array(array, type.type);
    const auto view = ArrayView::of(dense, type.type, false, true);
    if (!view) {
        throw nb::type_error("a constant input is not an array: give an array of numpy");
    }
    const auto* const bytes = static_cast<const std::byte*>(view->data());
    return {
        type.type, {view->shape().begin(), view->shape().end()}, {bytes, bytes + view->bytes()}};
}

namespace {

// A value of the type that an option has.
template <typename T>
T value_of(std::string_view name, nb::handle value) {
    try {
        return nb::cast<T>(value);
    } catch (const nb::cast_error&) {
        refuse_type("option '" + std::string(name) + "' has the wrong type, " + type_of(value) +
                    ": the docstring of the class tells the type");
    }
}

}  // namespace

std::vector<ModelShape> to_model_shapes(nb::handle shapes) {
    std::vector<ModelShape> result;
    for (const nb::handle one : value_of<nb::list>("specializations", shapes)) {
        ModelShape& shape = result.emplace_back();
        for (const auto& [key, value] : value_of<nb::dict>("specializations", one)) {
            const auto name = value_of<std::string>("specializations", key);
            if (nb::isinstance<nb::int_>(value)) {
                shape.dimensions[name] = value_of<std::int64_t>("specializations", value);
            } else {
                shape.inputs[name] =
                    value_of<std::vector<std::int64_t>>("specializations", value);
            }
        }
    }
    return result;
}

bool set_queue_option(QueueOptions& options, std::string_view name, nb::handle value) {
    if (name == "priority") {
        options.priority = value_of<EnumArgument<Priority>>(name, value).get();
    } else if (name == "entries") {
        options.entries = value_of<std::uint32_t>(name, value);
    } else if (name == "spin") {
        if (!value.is_none()) {
            options.spin = to_duration(value_of<double>(name, value));
        }
    } else if (name == "time_limit") {
        options.time_limit = to_duration(value_of<double>(name, value));
    } else {
        return false;
    }
    return true;
}

bool set_load_option(LoadOptions& options, std::string_view name, nb::handle value) {
    if (name == "batch") {
        options.batch = value_of<std::int64_t>(name, value);
    } else if (name == "dimensions") {
        options.dimensions = value_of<std::map<std::string, std::int64_t>>(name, value);
    } else if (name == "shapes") {
        options.shapes = value_of<std::map<std::string, std::vector<std::int64_t>>>(name, value);
    } else if (name == "constant_inputs") {
        for (const auto& [input, constant] : value_of<nb::dict>(name, value)) {
            options.constant_inputs[value_of<std::string>(name, input)] = to_constant(constant);
        }
    } else if (name == "allow_narrowing") {
        options.allow_narrowing = value_of<bool>(name, value);
    } else if (name == "host_fallback") {
        options.host_fallback = value_of<bool>(name, value);
    } else if (name == "imported_weights") {
        options.imported_weights = value_of<int>(name, value);
    } else if (name == "open_dimensions") {
        if (!value.is_none()) {
            options.open_dimensions = value_of<std::vector<std::string>>(name, value);
        }
    } else if (name == "specializations") {
        options.specializations = to_model_shapes(value);
    } else if (name == "max_shapes") {
        options.max_shapes = value_of<std::size_t>(name, value);
    } else {
        return false;
    }
    return true;
}

void refuse_keyword(std::string_view name) {
    refuse_type("there is no option '" + std::string(name) +
                "': the docstring of the class lists the options");
}

}  // namespace accel::python
