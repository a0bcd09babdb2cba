// SPDX-License-Identifier: Apache-2.0
//
// Device: opening a card, and the objects that it creates.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "array_view.hpp"
#include "bindings.hpp"
#include "casters.hpp"
#include "context_manager.hpp"
#include "objects.hpp"

namespace accel::python {

namespace {

using Name = std::optional<std::variant<unsigned, std::string>>;

DeviceObject open_device(const Name& name) {
    const WithoutGil released;
    accel::Device device = !name ? accel::Device::open()
                           : std::holds_alternative<unsigned>(*name)
                               ? accel::Device::open(std::get<unsigned>(*name))
                               : accel::Device::open(std::get<std::string>(*name));
    return {std::make_shared<DeviceState>(std::move(device))};
}

StorageRef allocate(const std::shared_ptr<DeviceState>& state, std::uint64_t bytes,
                    const BufferOptions& options) {
    return std::make_shared<Storage>(state,
                                     state->device.allocate<std::byte>(Shape{bytes}, options));
}

BufferObject allocate_buffer(const DeviceObject& self, const ShapeArgument& argument,
                             const TypeArgument& type, const EnumArgument<Placement>& placement,
                             const EnumArgument<Access>& access) {
    const Shape shape = argument.shape();
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(shape.elements(), std::uint64_t{size_of(type.get())}, &bytes)) {
        refuse("the buffer has more than 2^64 bytes: choose a smaller shape");
    }
    return make_buffer(allocate(self.shared(), bytes, {placement.get(), access.get()}), type.get(),
                       shape);
}

// Memory of another object in place. `owner` keeps it alive.
StorageRef register_memory(const std::shared_ptr<DeviceState>& state, void* data, std::size_t bytes,
                           bool read_only, nb::object owner) {
    const std::span memory{static_cast<std::byte*>(data), bytes};
    return std::make_shared<Storage>(
        state, state->device.register_memory(memory, read_only ? Access::read : Access::read_write),
        std::move(owner), read_only);
}

bool page_aligned(const void* data) {
    return reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(::getpagesize()) ==
           0;
}

Shape shape_of(const ArrayView& view) {
    const std::vector<std::uint64_t> dimensions(view.shape().begin(), view.shape().end());
    return Shape(std::span(dimensions));
}

// The same for memory that has pages of its own; nothing if the driver refuses.
StorageRef try_register(const std::shared_ptr<DeviceState>& state, void* data, std::size_t bytes,
                        bool read_only, const nb::object& owner) {
    try {
        return register_memory(state, data, bytes, read_only, owner);
    } catch (const Error&) {
        return nullptr;
    }
}

BufferObject from_array(const DeviceObject& self, const nb::object& source,
                        const std::optional<TypeArgument>& type, std::optional<bool> copy) {
    const auto state = self.shared();
    const nb::object numpy = nb::module_::import_("accel._arrays");
    const nb::object array = numpy.attr("array_of")(
        source, type ? nb::object(nb::str(name_of(type->get()).data())) : nb::none());
    TypeArgument element;
    if (!to_type(array.attr("dtype"), element)) {
        refuse_type("the card does not have the data type " + text_of(array.attr("dtype")) +
                    ": see accel.DataType");
    }
    const nb::object dense = dense_array(array, element.type);
    auto view = ArrayView::of(dense, element.type, false, true);
    if (!view) {
        throw nb::type_error("from_array() needs a dense array: use numpy.ascontiguousarray()");
    }
    const Shape shape = shape_of(*view);
    const bool in_place =
        !copy.value_or(false) && nb::cast<bool>(numpy.attr("shares")(source, dense));
    if (in_place && (copy.has_value() || page_aligned(view->data()))) {
        StorageRef storage =
            copy.has_value()
                ? register_memory(state, view->data(), view->bytes(), view->read_only(), dense)
                : try_register(state, view->data(), view->bytes(), view->read_only(), dense);
        if (storage) {
            return make_buffer(std::move(storage), element.type, shape);
        }
    } else if (copy.has_value() && !*copy) {
        refuse("from_array(copy=False) needs a dense array of numpy with a data type of the card");
    }
    StorageRef storage = allocate(state, view->bytes(), {});
    std::memcpy(storage->memory.data(), view->data(), view->bytes());
    return make_buffer(std::move(storage), element.type, shape);
}

std::optional<DataType> from_dlpack_type(nb::dlpack::dtype type) {
    using Code = nb::dlpack::dtype_code;
    const auto code = static_cast<Code>(type.code);
    if (type.lanes != 1) {
        return std::nullopt;
    }
    switch (type.bits) {
        case 8:
            return code == Code::Int    ? std::optional(DataType::i8)
                   : code == Code::UInt ? std::optional(DataType::u8)
                   : code == Code::Bool ? std::optional(DataType::boolean)
                                        : std::nullopt;
        case 16:
            return code == Code::Int      ? std::optional(DataType::i16)
                   : code == Code::UInt   ? std::optional(DataType::u16)
                   : code == Code::Float  ? std::optional(DataType::f16)
                   : code == Code::Bfloat ? std::optional(DataType::bf16)
                                          : std::nullopt;
        case 32:
            return code == Code::Int     ? std::optional(DataType::i32)
                   : code == Code::UInt  ? std::optional(DataType::u32)
                   : code == Code::Float ? std::optional(DataType::f32)
                                         : std::nullopt;
        case 64:
            return code == Code::Int     ? std::optional(DataType::i64)
                   : code == Code::UInt  ? std::optional(DataType::u64)
                   : code == Code::Float ? std::optional(DataType::f64)
                                         : std::nullopt;
        default:
            return std::nullopt;
    }
}

using Tensor = nb::ndarray<nb::c_contig, nb::device::cpu>;
using ReadOnlyTensor = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

template <typename T>
BufferObject import_tensor(const DeviceObject& self, const T& tensor) {
    const auto type = from_dlpack_type(tensor.dtype());
    if (!type) {
        refuse_type("the card does not have the data type of this tensor, with code " +
                    std::to_string(tensor.dtype().code) + " and " +
                    std::to_string(tensor.dtype().bits) + " bits in DLPack");
    }
    std::vector<std::uint64_t> dimensions;
    for (std::size_t i = 0; i < tensor.ndim(); ++i) {
        dimensions.push_back(tensor.shape(i));
    }
    auto* const data = const_cast<void*>(static_cast<const void*>(tensor.data()));
    auto keep = std::make_unique<T>(tensor);
    nb::object owner = nb::capsule(keep.get(), [](void* p) noexcept {
        const std::unique_ptr<T> released(static_cast<T*>(p));
    });
    static_cast<void>(keep.release());
    return make_buffer(
        register_memory(self.shared(), data, tensor.nbytes(), T::ReadOnly, std::move(owner)), *type,
        Shape(std::span(dimensions)));
}

BufferObject import_dlpack(const DeviceObject& self, const nb::object& object) {
    // Without a conversion, which would make a copy.
    if (Tensor tensor; nb::try_cast(object, tensor, false)) {
        return import_tensor(self, tensor);
    }
    if (ReadOnlyTensor tensor; nb::try_cast(object, tensor, false)) {
        return import_tensor(self, tensor);
    }
    throw nb::type_error(
        "import_dlpack() needs a dense tensor of DLPack on the CPU: from_array() copies "
        "others");
}

QueueObject create_queue(const DeviceObject& self, const EnumArgument<Priority>& priority,
                         std::uint32_t entries, std::optional<double> spin, double time_limit) {
    const auto state = self.shared();
    const QueueOptions options{.priority = priority.get(),
                               .entries = entries,
                               .spin = spin ? to_duration(*spin) : accel::Duration(default_spin),
                               .time_limit = to_duration(time_limit)};
    return {std::make_shared<QueueState>(state->device.create_queue(options))};
}

BufferObject import_memory(const DeviceObject& self, int fd, const TypeArgument& type,
                           const std::optional<ShapeArgument>& argument,
                           const EnumArgument<Access>& access) {
    const auto state = self.shared();
    auto memory = state->device.import_memory<std::byte>(fd, access.get());
    const std::uint64_t item = size_of(type.get());
    const Shape shape = argument ? argument->shape() : Shape{memory.bytes() / item};
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(shape.elements(), item, &bytes) || bytes > memory.bytes()) {
        refuse("the imported memory has " + std::to_string(memory.bytes()) +
               " bytes, fewer than the shape needs: choose a smaller one");
    }
    memory = memory.slice(0, bytes);
    return make_buffer(std::make_shared<Storage>(state, std::move(memory)), type.get(), shape);
}

void close_device(DeviceObject& self) {
    self.state.reset();
}

void bind_memory(nb::class_<DeviceObject>& device) {
    device
        .def("buffer", &allocate_buffer, nb::arg("shape"), nb::arg("dtype") = DataType::f32,
             nb::kw_only(), nb::arg("placement").noconvert() = Placement::host,
             nb::arg("access").noconvert() = Access::read_write,
             "Allocates zeroed memory that the card can access, with the elements of `shape`.\n\n"
             "Raises Error: ENOMEM (host), ENOSPC (device memory) or EDQUOT.")
        .def("from_array", &from_array, nb::arg("array"), nb::arg("dtype") = nb::none(),
             nb::kw_only(), nb::arg("copy") = nb::none(),
             nb::sig("def from_array(self, array: accel._types.ArrayLike, dtype: DataType | "
                     "accel._types.DTypeLike | None = None, *, copy: bool | None = None) -> "
                     "Buffer"),
             "A buffer with the elements and the shape of an array.\n\n"
             "`copy` False: the memory of the array in place, which the driver pins and counts "
             "against RLIMIT_MEMLOCK; the array stays alive as long as the buffer and its jobs. "
             "True: a copy. None: in place if the array starts at a page and the driver permits "
             "it, else a copy; Buffer.registered tells.")
        .def("import_dlpack", &import_dlpack, nb::arg("tensor"),
             nb::sig("def import_dlpack(self, tensor: typing.Any) -> Buffer"),
             "A buffer on the memory of a dense CPU tensor of another library, in place. The card "
             "can only read a tensor that is read-only.")
        .def(
            "export_memory",
            [](const DeviceObject& self, const BufferObject& buffer) {
                static_cast<void>(buffer.checked());
                return self.checked().device.export_memory(buffer.storage->memory).release();
            },
            nb::arg("buffer"),
            "Exports all memory of a buffer from buffer() as a file descriptor for other "
            "processes and cards. The caller closes it.")
        .def("import_memory", &import_memory, nb::arg("fd"), nb::arg("dtype") = DataType::u8,
             nb::arg("shape") = nb::none(), nb::kw_only(),
             nb::arg("access").noconvert() = Access::read,
             "Imports the memory of export_memory(), without a CPU mapping. The caller keeps the "
             "descriptor.");
}

void bind_creation(nb::class_<DeviceObject>& device) {
    device
        .def("create_queue", &create_queue, nb::kw_only(),
             nb::arg("priority").noconvert() = Priority::normal, nb::arg("entries") = 64,
             nb::arg("spin") = nb::none(), nb::arg("time_limit") = 0.0,
             "Creates a queue with a ring of `entries` (a power of two) commands.\n\n"
             "`spin`: seconds that a wait polls before it sleeps; None: 20e-6. `time_limit`: "
             "longest device time of a command in seconds; 0: the limit of the card.\n"
             "Raises Error: EINVAL, ENOSPC, EDQUOT or EPERM.")
        .def(
            "create_command_list",
            [](const DeviceObject& self, const EnumArgument<Placement>& placement) {
                return ListObject{std::make_shared<accel::CommandList>(
                                      self.checked().device.create_command_list(placement.get())),
                                  {}};
            },
            nb::arg("placement").noconvert() = Placement::host, "Creates an empty list to record.")
        .def(
            "create_semaphore",
            [](const DeviceObject& self, std::uint64_t value) {
                return SemaphoreObject{self.checked().device.create_semaphore(value)};
            },
            nb::arg("value") = 0, "Creates a semaphore with an initial value.");
}

}  // namespace

void bind_devices(nb::module_& module) {
    auto device = nb::class_<DeviceObject>(
        module, "Device",
        "An open card, with an address space that no other process can reach.\n\n"
        "Buffers, queues, lists, semaphores and models keep the card open. Any thread may use it. "
        "After fork() it belongs to the parent: open it again in the child.");
    device
        .def(
            "__init__",
            [](DeviceObject* self, const Name& name) {
                new (self) DeviceObject(open_device(name));
            },
            nb::arg("name") = nb::none(),
            nb::sig("def __init__(self, name: int | str | None = None) -> None"),
            "Opens a card: the first one, or that of the environment variable ACCEL_DEVICE; or by "
            "number, path, PCI address, serial number, or \"emulated\".\n\n"
            "Raises Error: ENODEV if no card has that name, EINVAL for an unknown option.")
        .def_static("open", &open_device, nb::arg("name") = nb::none(),
                    nb::sig("def open(name: int | str | None = None) -> Device"),
                    "The same as Device(name).")
        .def(
            "info", [](const DeviceObject& self) { return self.checked().device.info(); },
            "Queries the driver for properties and limits.")
        .def(
            "ended", [](const DeviceObject& self) { return self.checked().device.ended(); },
            "How the device ended, for example by a reset; None while it works.")
        .def(
            "fileno", [](const DeviceObject& self) { return self.checked().device.fd(); },
            "The file descriptor for poll(). The device owns it.")
        .def_prop_ro("closed", [](const DeviceObject& self) { return self.state == nullptr; })
        .def("close", &close_device, "Releases the card. It is closed when no object uses it.")
        .def("__repr__", [](const DeviceObject& self) {
            return self.state ? "<accel.Device " + self.state->device.info().path + ">"
                              : std::string("<accel.Device, closed>");
        });
    bind_context(device, &close_device);
    bind_memory(device);
    bind_creation(device);
    module.def(
        "devices",
        [] {
            const WithoutGil released;
            return accel::Device::list();
        },
        "All cards of this machine, or those that ACCEL_DEVICE names, including those that cannot "
        "be opened.");
}

}  // namespace accel::python
