// SPDX-License-Identifier: Apache-2.0
//
// Each input and each output of a call is used in place where it can be: a Buffer, an array on the
// memory of a Buffer, or large memory that starts at a page. All else is copied through memory that
// the model keeps.
#include "model_call.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "array_view.hpp"
#include "casters.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

// Commands need at most this alignment of an operand.
constexpr std::uint64_t operand_alignment = 64;

// From this size on, memory is used in place although that costs a call of the driver or a buffer;
// smaller tensors are copied in the time of such a call.
constexpr std::size_t large_tensor = 65536;

// Buffers of one output that wait for their next use.
constexpr std::size_t idle_outputs = 4;

// A call. Its end gives the memory back to the model, unless a job may still use the memory.
class Call {
  public:
    // Another thread may close the model while this one waits, so a call has its own handles.
    Call(ModelObject& object, const accel::Model& shape)
        : self(object), model(shape), device(object.device) {
        if (!self.idle.empty()) {
            memory = std::move(self.idle.back());
            self.idle.pop_back();
        }
        memory.inputs.resize(model.inputs().size());
        memory.outputs.resize(model.outputs().size());
        self.pool->idle.resize(std::max(self.pool->idle.size(), model.outputs().size()));
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    Call(Call&&) = delete;
    Call& operator=(Call&&) = delete;
    ~Call() {
        if (job.done() && self.model) {
            self.idle.push_back(std::move(memory));
        }
    }

    ModelObject& self;
    accel::Model model;
    std::shared_ptr<DeviceState> device;
    CallMemory memory;
    std::vector<Operand> operands;
    std::vector<ArrayView> views;
    Pins pins;
    accel::Job job;
};

StorageRef allocate(const Call& call, std::uint64_t bytes) {
    return std::make_shared<Storage>(call.device, call.device->device.allocate<std::byte>(
                                                      Shape{std::max<std::uint64_t>(bytes, 1)}));
}

// Makes memory large enough for a tensor. It may be that of another shape.
StorageRef& staged(const Call& call, StorageRef& staging, std::uint64_t bytes) {
    if (!staging || staging->memory.size() < bytes) {
        staging = allocate(call, bytes);
    }
    return staging;
}

// Card memory at the address of an array, or nothing.
StorageRef registered_in_place(const Call& call, const ArrayView& view, const nb::object& owner) {
    const auto address = reinterpret_cast<std::uintptr_t>(view.data());
    if (view.bytes() < large_tensor ||
        address % static_cast<std::uintptr_t>(::getpagesize()) != 0) {
        return nullptr;
    }
    try {
        const std::span memory{static_cast<std::byte*>(view.data()), view.bytes()};
        const Access access = view.read_only() ? Access::read : Access::read_write;
        return std::make_shared<Storage>(call.device,
                                         call.device->device.register_memory(memory, access), owner,
                                         view.read_only());
    } catch (const Error&) {
        return nullptr;  // a quota or a limit; the call copies then
    }
}

// Adds an operand on the memory of the array itself. False if the card cannot use it.
bool use_in_place(Call& call, const ArrayView& view, const nb::object& owner) {
    // Memory that is registered for reads only serves no output.
    if (Storage* const storage = call.device->find(view.data(), view.bytes());
        storage != nullptr && (!storage->read_only || view.read_only())) {
        const auto offset = static_cast<std::uint64_t>(static_cast<std::byte*>(view.data()) -
                                                       storage->memory.data());
        const std::uint64_t address =
            static_cast<std::uint64_t>(storage->memory.address()) + offset;
        if (address % operand_alignment == 0) {
            call.operands.emplace_back(storage->memory.slice(offset, view.bytes()));
            return true;
        }
    }
    if (StorageRef registered = registered_in_place(call, view, owner)) {
        call.operands.emplace_back(registered->memory);
        call.pins.push_back(std::move(registered));
        return true;
    }
    return false;
}

[[noreturn]] void refuse_tensor(const TensorInfo& wanted, const char* kind,
                                const std::string& given) {
    refuse(std::string(kind) + " '" + wanted.name + "' is " + describe(wanted) + ", not " + given);
}

std::string text_of(const nb::object& value) {
    return nb::cast<nb::str>(nb::module_::import_("accel._arrays").attr("describe")(value)).c_str();
}

bool same_shape(std::span<const Py_ssize_t> given, const std::vector<std::int64_t>& wanted) {
    return std::equal(given.begin(), given.end(), wanted.begin(), wanted.end(),
                      [](Py_ssize_t g, std::int64_t w) { return w < 0 || g == w; });
}

// Adds the operand of a Buffer.
void use_buffer(Call& call, const BufferObject& buffer, const TensorInfo& wanted,
                const nb::object& value, const char* kind) {
    if (buffer.type != wanted.type || buffer.checked().bytes() != wanted.bytes()) {
        refuse_tensor(wanted, kind, text_of(value));
    }
    call.operands.emplace_back(buffer.memory);
    if (buffer.storage->registered()) {
        call.pins.push_back(buffer.storage);
    }
    call.self.stats.bytes_in_place += wanted.bytes();
}

void bind_input(Call& call, std::size_t index, const nb::object& value) {
    const TensorInfo& wanted = call.model.inputs()[index];
    if (nb::isinstance<BufferObject>(value)) {
        use_buffer(call, *nb::inst_ptr<BufferObject>(value), wanted, value, "input");
        return;
    }
    nb::object array = value;
    auto view = ArrayView::of(array, wanted.type, false);
    if (!view) {
        array = dense_array(value, wanted.type);
        view = ArrayView::of(array, wanted.type, false, true);
    }
    if (!view || !same_shape(view->shape(), wanted.shape)) {
        refuse_tensor(wanted, "input", text_of(value));
    }
    if (use_in_place(call, *view, array)) {
        call.self.stats.bytes_in_place += view->bytes();
        call.views.push_back(std::move(*view));
        return;
    }
    const StorageRef& staging = staged(call, call.memory.inputs[index], wanted.bytes());
    std::memcpy(staging->memory.data(), view->data(), view->bytes());
    call.self.stats.bytes_copied += view->bytes();
    call.operands.emplace_back(staging->memory);
}

// Memory of the pool for an output. The last array on it gives it back.
StorageRef take_output(Call& call, std::size_t index, std::uint64_t bytes) {
    auto& idle = call.self.pool->idle[index];
    std::unique_ptr<Storage> storage;
    const auto found = std::find_if(idle.rbegin(), idle.rend(), [&](const auto& one) {
        return one->memory.size() == bytes;
    });
    if (found != idle.rend()) {
        storage = std::move(*found);
        idle.erase(std::next(found).base());
    } else {
        try {
            storage = std::make_unique<Storage>(
                call.device, call.device->device.allocate<std::byte>(Shape{bytes}));
        } catch (const Error&) {
            return nullptr;  // a quota; the call copies then
        }
    }
    return {storage.release(), [pool = std::weak_ptr(call.self.pool), index](Storage* returned) {
                std::unique_ptr<Storage> owned(returned);
                if (const auto target = pool.lock()) {
                    auto& all = target->idle[index];
                    if (all.size() == idle_outputs) {
                        all.erase(all.begin());  // perhaps of a shape that is not used any more
                    }
                    all.push_back(std::move(owned));
                }
            }};
}

Shape shape_of(const TensorInfo& tensor) {
    const std::vector<std::uint64_t> dimensions(tensor.shape.begin(), tensor.shape.end());
    return Shape(std::span(dimensions));
}

// An output of a call: its array, and the memory from which the array is copied, if it is.
struct Output {
    nb::object array;
    StorageRef copied_from;
};

Output bind_given_output(Call& call, std::size_t index, const nb::object& value) {
    const TensorInfo& wanted = call.model.outputs()[index];
    if (nb::isinstance<BufferObject>(value)) {
        const auto& buffer = *nb::inst_ptr<BufferObject>(value);
        if (buffer.storage && buffer.storage->read_only) {
            refuse("the buffer for output '" + wanted.name +
                   "' uses the memory of a read-only array: give another one");
        }
        use_buffer(call, buffer, wanted, value, "output");
        return {value, nullptr};
    }
    const nb::object bits = nb::module_::import_("accel._arrays").attr("bits")(value);
    auto view = ArrayView::of(bits, wanted.type, true, true);
    if (!view || !same_shape(view->shape(), wanted.shape)) {
        const nb::object fault = nb::module_::import_("accel._arrays").attr("output_fault")(value);
        if (!fault.is_none()) {
            refuse("the array for output '" + wanted.name + "' is " + nb::cast<std::string>(fault));
        }
        refuse_tensor(wanted, "output", text_of(value));
    }
    if (use_in_place(call, *view, bits)) {
        call.self.stats.bytes_in_place += view->bytes();
        call.views.push_back(std::move(*view));
        return {value, nullptr};
    }
    const StorageRef& staging = staged(call, call.memory.outputs[index], wanted.bytes());
    call.operands.emplace_back(staging->memory);
    return {value, staging};
}

Output bind_output(Call& call, std::size_t index) {
    const TensorInfo& wanted = call.model.outputs()[index];
    if (wanted.bytes() >= large_tensor && wanted.shape.size() <= max_rank) {
        if (StorageRef storage = take_output(call, index, wanted.bytes())) {
            call.operands.emplace_back(storage->memory);
            call.self.stats.bytes_in_place += wanted.bytes();
            return {to_array(make_buffer(std::move(storage), wanted.type, shape_of(wanted))),
                    nullptr};
        }
    }
    const StorageRef& staging = staged(call, call.memory.outputs[index], wanted.bytes());
    call.operands.emplace_back(staging->memory);
    nb::list shape;
    for (const std::int64_t dimension : wanted.shape) {
        shape.append(dimension);
    }
    return {nb::module_::import_("accel._arrays")
                .attr("empty")(nb::tuple(shape), nb::str(name_of(wanted.type).data())),
            staging};
}

void copy_output(Call& call, std::size_t index, const Output& output) {
    const TensorInfo& wanted = call.model.outputs()[index];
    const nb::object bits = bits_type(wanted.type) != wanted.type
                                ? nb::module_::import_("accel._arrays").attr("bits")(output.array)
                                : output.array;
    const auto view = ArrayView::of(bits, wanted.type, true, true);
    if (!view) {
        refuse_tensor(wanted, "output", text_of(output.array));
    }
    std::memcpy(view->data(), output.copied_from->memory.data(), view->bytes());
    call.self.stats.bytes_copied += view->bytes();
}

std::vector<Output> bind_outputs(Call& call, const nb::object& out) {
    const std::size_t count = call.model.outputs().size();
    std::vector<nb::object> given;
    if (!out.is_none()) {
        if (nb::isinstance<nb::list>(out) || nb::isinstance<nb::tuple>(out)) {
            for (const nb::handle item : out) {
                given.push_back(nb::borrow(item));
            }
        } else {
            given.push_back(out);
        }
        if (given.size() != count) {
            refuse("the model has " + std::to_string(count) + " outputs, and `out` has " +
                   std::to_string(given.size()) + " arrays");
        }
    }
    std::vector<Output> outputs;
    for (std::size_t i = 0; i < count; ++i) {
        outputs.push_back(given.empty() ? bind_output(call, i)
                                        : bind_given_output(call, i, given[i]));
    }
    return outputs;
}

}  // namespace

const accel::Model& ModelObject::checked() const {
    if (!model) {
        refuse("the model is closed: load it again");
    }
    return *model;
}

void ModelObject::set(accel::Model loaded) {
    open = !loaded.open_dimensions().empty();
    model = std::move(loaded);
}

void ModelObject::close() {
    idle.clear();
    pool = std::make_shared<OutputPool>();
    model.reset();
    device.reset();
}

std::vector<nb::object> call_model(ModelObject& self, const accel::Model& model,
                                   const std::vector<nb::object>& inputs,
                                   const std::shared_ptr<QueueState>& queue,
                                   const nb::object& out) {
    Call call(self, model);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        bind_input(call, i, inputs[i]);
    }
    const std::vector<Output> outputs = bind_outputs(call, out);
    call.job =
        with_room(*queue, 0, [&](accel::Queue& q) { return call.model.submit(q, call.operands); });
    queue->submitted(call.job, {});
    try {
        wait_for(call.job, std::nullopt);
    } catch (...) {
        // The card may still use the memory.
        if (!call.job.done()) {
            queue->keep(call.job, std::move(call.pins));
        }
        throw;
    }
    ++self.stats.calls;
    std::vector<nb::object> results;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i].copied_from) {
            copy_output(call, i, outputs[i]);
        }
        results.push_back(outputs[i].array);
    }
    return results;
}

}  // namespace accel::python
