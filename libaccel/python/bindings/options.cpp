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
        throw nb::type_error("a constant input has a data type that the card does not have");
    }
    const nb::object dense = dense_array(array, type.type);
    const auto view = ArrayView::of(dense, type.type, false, true);
    if (!view) {
        throw nb::type_error("a constant input must be an array");
    }
    const auto* const bytes = static_cast<const std::byte*>(view->data());
    return {
        type.type, {view->shape().begin(), view->shape().end()}, {bytes, bytes + view->bytes()}};
}

bool set_queue_option(QueueOptions& options, std::string_view name, nb::handle value) {
    if (name == "priority") {
        options.priority = nb::cast<Priority>(value);
    } else if (name == "entries") {
        options.entries = nb::cast<std::uint32_t>(value);
    } else if (name == "spin") {
        if (!value.is_none()) {
            options.spin = to_duration(nb::cast<double>(value));
        }
    } else if (name == "time_limit") {
        options.time_limit = to_duration(nb::cast<double>(value));
    } else {
        return false;
    }
    return true;
}

bool set_load_option(LoadOptions& options, std::string_view name, nb::handle value) {
    if (name == "batch") {
        options.batch = nb::cast<std::int64_t>(value);
    } else if (name == "dimensions") {
        options.dimensions = nb::cast<std::map<std::string, std::int64_t>>(value);
    } else if (name == "shapes") {
        options.shapes = nb::cast<std::map<std::string, std::vector<std::int64_t>>>(value);
    } else if (name == "constant_inputs") {
        for (const auto& [input, constant] : nb::cast<nb::dict>(value)) {
            options.constant_inputs[nb::cast<std::string>(input)] = to_constant(constant);
        }
    } else if (name == "allow_narrowing") {
        options.allow_narrowing = nb::cast<bool>(value);
    } else if (name == "host_fallback") {
        options.host_fallback = nb::cast<bool>(value);
    } else if (name == "imported_weights") {
        options.imported_weights = nb::cast<int>(value);
    } else {
        return false;
    }
    return true;
}

void refuse_keyword(std::string_view name) {
    throw nb::type_error(("there is no option '" + std::string(name) + "'").c_str());
}

}  // namespace accel::python
