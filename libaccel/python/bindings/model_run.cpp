// SPDX-License-Identifier: Apache-2.0
//
// Arguments of a call by position or by name, and runs with a copy of all tensors.
#include <cstring>
#include <span>
#include <string>

#include "array_view.hpp"
#include "casters.hpp"
#include "model_call.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

std::string names_of(std::span<const TensorInfo> tensors) {
    std::string names;
    for (const TensorInfo& tensor : tensors) {
        names += (names.empty() ? "'" : ", '") + tensor.name + "'";
    }
    return names;
}

template <typename Mapping>
std::vector<nb::object> order_by_name(std::span<const TensorInfo> tensors, const Mapping& given) {
    std::vector<nb::object> ordered;
    for (const TensorInfo& input : tensors) {
        const nb::str name(input.name.c_str());
        if (!given.contains(name)) {
            refuse("input '" + input.name + "' is missing: the model has the inputs " +
                   names_of(tensors));
        }
        ordered.push_back(nb::borrow(given[name]));
    }
    if (given.size() != ordered.size()) {
        refuse("there are " + std::to_string(given.size()) + " names: the model has the inputs " +
               names_of(tensors));
    }
    return ordered;
}

}  // namespace

std::string describe(const TensorInfo& tensor) {
    std::string text(name_of(tensor.type));
    text += '[';
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        text += (i == 0 ? "" : ", ") +
                (tensor.shape[i] < 0 ? std::string("?") : std::to_string(tensor.shape[i]));
    }
    return text + ']';
}

std::vector<nb::object> order_inputs(std::span<const TensorInfo> tensors,
                                     const nb::args& positional, const nb::kwargs& named_inputs,
                                     bool& named) {
    named = !named_inputs.empty();
    if (named) {
        if (!positional.empty()) {
            refuse("pass the inputs by position or by name, not both");
        }
        return order_by_name(tensors, named_inputs);
    }
    if (positional.size() == 1 && nb::isinstance<nb::dict>(positional[0])) {
        named = true;
        return order_by_name(tensors, nb::cast<nb::dict>(positional[0]));
    }
    if (positional.size() != tensors.size()) {
        refuse("the model has " + std::to_string(tensors.size()) + " inputs, " + names_of(tensors) +
               ", not " + std::to_string(positional.size()));
    }
    std::vector<nb::object> ordered;
    for (const nb::handle value : positional) {
        ordered.push_back(nb::borrow(value));
    }
    return ordered;
}

std::vector<TensorData> to_tensors(std::span<const TensorInfo> tensors,
                                   const std::vector<nb::object>& inputs) {
    std::vector<TensorData> values;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const TensorInfo& wanted = tensors[i];
        nb::object source = inputs[i];
        if (nb::isinstance<BufferObject>(source)) {
            source = to_array(*nb::inst_ptr<BufferObject>(source));
        }
        const nb::object array = dense_array(source, wanted.type);
        const auto view = ArrayView::of(array, wanted.type, false, true);
        if (!view) {
            refuse("input '" + wanted.name + "' is " + describe(wanted) + ": pass a dense array");
        }
        TensorData value{wanted.type, {view->shape().begin(), view->shape().end()}, {}};
        const auto* const bytes = static_cast<const std::byte*>(view->data());
        value.bytes.assign(bytes, bytes + view->bytes());
        values.push_back(std::move(value));
    }
    return values;
}

nb::object to_result(std::span<const TensorInfo> tensors, const std::vector<nb::object>& outputs,
                     bool named) {
    if (named) {
        nb::dict result;
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            result[tensors[i].name.c_str()] = outputs[i];
        }
        return result;
    }
    if (outputs.size() == 1) {
        return outputs[0];
    }
    nb::list result;
    for (const nb::object& output : outputs) {
        result.append(output);
    }
    return nb::tuple(result);
}

nb::object to_array(const TensorData& tensor) {
    nb::list shape;
    for (const std::int64_t dimension : tensor.shape) {
        shape.append(dimension);
    }
    const nb::object numpy = nb::module_::import_("accel._arrays");
    nb::object array = numpy.attr("empty")(nb::tuple(shape), nb::str(name_of(tensor.type).data()));
    const nb::object bits = numpy.attr("bits")(array);
    if (const auto view = ArrayView::of(bits, tensor.type, true, true);
        view && view->bytes() == tensor.bytes.size()) {
        std::memcpy(view->data(), tensor.bytes.data(), tensor.bytes.size());
    }
    return array;
}

std::vector<nb::object> run_on_copies(ModelObject& self, const accel::Model& model,
                                      const std::vector<nb::object>& inputs,
                                      const std::shared_ptr<QueueState>& queue) {
    const std::vector<TensorData> tensors = to_tensors(model.inputs(), inputs);
    wait_for_jobs(*queue);
    const std::vector<TensorData> outputs =
        queue->use_without_gil([&](accel::Queue& q) { return model.run(q, tensors); });
    ++self.stats.calls;
    std::vector<nb::object> results;
    for (const TensorData& tensor : tensors) {
        self.stats.bytes_copied += tensor.bytes.size();
    }
    for (const TensorData& output : outputs) {
        self.stats.bytes_copied += output.bytes.size();
        results.push_back(to_array(output));
    }
    return results;
}

}  // namespace accel::python
