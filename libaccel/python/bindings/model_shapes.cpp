// SPDX-License-Identifier: Apache-2.0
#include "model_shapes.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "array_view.hpp"
#include "casters.hpp"
#include "requests.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

using Lengths = std::map<std::string, std::int64_t>;
using InputShapes = std::map<std::string, std::vector<std::int64_t>>;

struct ModelRequestObject : RequestObject {
    accel::ModelRequest made;
    std::shared_ptr<DeviceState> device;
};

std::vector<std::int64_t> shape_of(const nb::object& value, DataType type, nb::object& array) {
    if (nb::isinstance<BufferObject>(value)) {
        const Shape& shape = nb::inst_ptr<BufferObject>(value)->shape;
        std::vector<std::int64_t> dims;
        for (std::size_t i = 0; i < shape.rank(); ++i) {
            dims.push_back(static_cast<std::int64_t>(shape[i]));
        }
        return dims;
    }
    auto view = ArrayView::of(array, type, false);
    if (!view) {
        array = dense_array(value, type);
        view = ArrayView::of(array, type, false, true);
    }
    if (!view) {
        return {};
    }
    return {view->shape().begin(), view->shape().end()};
}

ModelObject specialized(const ModelObject& self, Lengths dimensions, InputShapes inputs) {
    const ModelShape shape{.dimensions = std::move(dimensions), .inputs = std::move(inputs)};
    // Another thread may close the model meanwhile.
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
    const accel::Model model = self.checked();
    ModelObject made;
    made.device = self.device;
    const WithoutGil released;
    made.set(model.specialize(shape));
    return made;
}

ModelRequestObject prepare(const ModelObject& self, Lengths dimensions, InputShapes inputs) {
    const ModelShape shape{.dimensions = std::move(dimensions), .inputs = std::move(inputs)};
    ModelRequestObject object;
    object.made = self.checked().prepare(shape);
    object.request = object.made;
    object.device = self.device;
    return object;
}

ModelObject get(const ModelRequestObject& self, std::optional<double> timeout) {
    wait_for_request(self, timeout);
    ModelObject made;
    made.device = self.device;
    made.set(self.made.get());
    return made;
}

}  // namespace

accel::Model model_for(const ModelObject& self, std::vector<nb::object>& inputs) {
    accel::Model model = self.checked();
    if (!self.open) {
        return model;
    }
    bool same = true;
    ModelShape shape;
    for (std::size_t i = 0; i < inputs.size() && i < model.inputs().size(); ++i) {
        const TensorInfo& info = model.inputs()[i];
        const nb::object value = inputs[i];
        std::vector<std::int64_t> dims = shape_of(value, info.type, inputs[i]);
        same = same && dims == info.shape;
        shape.inputs[info.name] = std::move(dims);
    }
    if (same) {
        return model;
    }
    const WithoutGil released;
    return model.specialize(shape);
}

void bind_model_shapes(nb::module_& module, nb::class_<ModelObject>& model) {
    nb::class_<OpenDimension>(module, "OpenDimension",
                              "A dimension of an input whose length calls may change.")
        .def_ro("input", &OpenDimension::input)
        .def_ro("axis", &OpenDimension::axis)
        .def_ro("name", &OpenDimension::name,
                "Empty if it has none. Dimensions of one name have one length.")
        .def("__repr__", [](const OpenDimension& self) {
            return "<accel.OpenDimension " + std::to_string(self.axis) + " of '" + self.input +
                   "'" + (self.name.empty() ? "" : ", '" + self.name + "'") + ">";
        });
    nb::class_<ModelRequestObject, RequestObject>(
        module, "ModelRequest",
        "A Request whose result is a Model: a shape that is compiled in the background. `await "
        "request` returns it.")
        .def("get", &get, nb::arg("timeout") = nb::none(),
             nb::sig("def get(self, timeout: float | None = None) -> Model"),
             "Waits like wait() and raises the same; returns the model.")
        .def(
            "__await__",
            [](nb::handle self) {
                return nb::module_::import_("accel._asyncio")
                    .attr("wait_and_get")(self)
                    .attr("__await__")();
            },
            nb::sig("def __await__(self) -> collections.abc.Generator[typing.Any, None, Model]"));
    model
        .def("specialize", &specialized, nb::arg("dimensions") = nb::dict(), nb::kw_only(),
             nb::arg("inputs") = nb::dict(),
             nb::sig("def specialize(self, dimensions: dict[str, int] = {}, *, inputs: dict[str, "
                     "list[int]] = {}) -> Model"),
             "The model for other lengths of its open dimensions, by their names, or for other "
             "shapes of inputs. It uses the same weights, and is compiled at the first call, "
             "without the GIL. A call with arrays of another shape does this by itself.\n\n"
             "Raises Error for a shape that the model cannot have.")
        .def("prepare", &prepare, nb::arg("dimensions") = nb::dict(), nb::kw_only(),
             nb::arg("inputs") = nb::dict(),
             nb::sig("def prepare(self, dimensions: dict[str, int] = {}, *, inputs: dict[str, "
                     "list[int]] = {}) -> ModelRequest"),
             "The same in the background: a later call with this shape need not wait for the "
             "compiler.")
        .def_prop_ro(
            "open_dimensions",
            [](const ModelObject& self) { return self.checked().open_dimensions(); },
            "The dimensions whose lengths calls may change. Empty if the model has one shape.")
        .def_prop_ro(
            "specializations",
            [](const ModelObject& self) {
                std::vector<ModelObject> all;
                for (accel::Model& shape : self.checked().specializations()) {
                    ModelObject& made = all.emplace_back();
                    made.device = self.device;
                    made.set(std::move(shape));
                }
                return all;
            },
            "The shapes that are compiled now, as specialize() returns them.");
}

}  // namespace accel::python
