// SPDX-License-Identifier: Apache-2.0
//
// Buffer: memory of the card as a Python object, with the buffer protocol, arrays of numpy and
// DLPack.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "array_view.hpp"
#include "bindings.hpp"
#include "casters.hpp"
#include "context_manager.hpp"
#include "objects.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

// The part of an exported view that lives as long as the view.
struct Export {
    StorageRef storage;
    std::array<Py_ssize_t, max_rank> shape{};
    std::array<Py_ssize_t, max_rank> strides{};
};

std::array<Py_ssize_t, max_rank> dense_strides(const Shape& shape, std::size_t item) {
    std::array<Py_ssize_t, max_rank> strides{};
    auto stride = static_cast<Py_ssize_t>(item);
    for (std::size_t i = shape.rank(); i-- > 0;) {
        strides[i] = stride;
        stride *= static_cast<Py_ssize_t>(shape[i]);
    }
    return strides;
}

constexpr const char* read_only_text =
    "the buffer is read-only, because the array whose memory it uses is: use from_array(copy=True)";

int get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept {
    view->obj = nullptr;
    try {
        if (!nb::inst_ready(self)) {
            PyErr_SetString(PyExc_BufferError, "the buffer was not made by a Device");
            return -1;
        }
        auto& buffer = *nb::inst_ptr<BufferObject>(self);
        if (bits_type(buffer.type) != buffer.type) {
            PyErr_Format(PyExc_BufferError, "the buffer protocol has no %s: use Buffer.numpy()%s",
                         name_of(buffer.type).data(),
                         buffer.type == DataType::bf16 ? " or DLPack" : "");
            return -1;
        }
        if (!buffer.storage || !buffer.memory.mapped()) {
            PyErr_SetString(PyExc_BufferError, buffer.storage
                                                   ? "the CPU cannot access the buffer: use "
                                                     "Buffer.copy_to(), or Placement.host"
                                                   : "the buffer is closed");
            return -1;
        }
        if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && buffer.storage->read_only) {
            PyErr_SetString(PyExc_BufferError, read_only_text);
            return -1;
        }
        auto exported = std::make_unique<Export>();
        exported->storage = buffer.storage;
        exported->strides = dense_strides(buffer.shape, size_of(buffer.type));
        std::ranges::copy(buffer.shape, exported->shape.begin());
        // A child process has no mapping, and data() throws there.
        view->buf = const_cast<accel::Buffer<std::byte>&>(buffer.memory).data();
        view->len = static_cast<Py_ssize_t>(buffer.memory.bytes());
        view->readonly = buffer.storage->read_only ? 1 : 0;
        view->itemsize = static_cast<Py_ssize_t>(size_of(buffer.type));
        view->format =
            (flags & PyBUF_FORMAT) != 0 ? const_cast<char*>(format_of(buffer.type)) : nullptr;
        view->ndim = static_cast<int>(buffer.shape.rank());
        view->shape = exported->shape.data();
        view->strides = exported->strides.data();
        view->suboffsets = nullptr;
        view->internal = exported.release();
        view->obj = Py_NewRef(self);
        return 0;
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_BufferError, error.what());
        return -1;
    }
}

void release_buffer(PyObject* /*self*/, Py_buffer* view) noexcept {
    const std::unique_ptr<Export> released(static_cast<Export*>(view->internal));
}

const std::array<PyType_Slot, 3> buffer_slots{
    PyType_Slot{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
    PyType_Slot{Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
    PyType_Slot{0, nullptr}};

nb::dlpack::dtype dlpack_type(DataType type) {
    if (type >= DataType::f8e4m3fn) {
        throw nb::buffer_error("DLPack has no such data type in a byte: use Buffer.numpy()");
    }
    using Code = nb::dlpack::dtype_code;
    const auto make = [&](Code code) {
        return nb::dlpack::dtype{static_cast<std::uint8_t>(code),
                                 static_cast<std::uint8_t>(size_of(type) * 8), 1};
    };
    switch (type) {
        case DataType::f32:
        case DataType::f16:
        case DataType::f64:
            return make(Code::Float);
        case DataType::bf16:
            return make(Code::Bfloat);
        case DataType::boolean:
            return make(Code::Bool);
        case DataType::u8:
        case DataType::u16:
        case DataType::u32:
        case DataType::u64:
            return make(Code::UInt);
        default:
            return make(Code::Int);
    }
}

// Whether the consumer of a tensor knows the flag for memory that is read-only, of DLPack 1.0.
bool takes_read_only(const nb::kwargs& options) {
    const nb::object version = nb::dict(options).get("max_version", nb::none());
    return !version.is_none() && nb::cast<int>(version[0]) >= 1;
}

// The memory as a tensor of DLPack on the CPU. It keeps the storage alive.
nb::object to_dlpack(const BufferObject& buffer, const nb::kwargs& options) {
    static_cast<void>(buffer.checked());
    if (buffer.storage->read_only && !takes_read_only(options)) {
        throw nb::buffer_error(read_only_text);
    }
    auto keep = std::make_unique<StorageRef>(buffer.storage);
    void* const data = const_cast<accel::Buffer<std::byte>&>(buffer.memory).data();
    const nb::capsule owner(keep.get(), [](void* p) noexcept {
        const std::unique_ptr<StorageRef> released(static_cast<StorageRef*>(p));
    });
    static_cast<void>(keep.release());
    std::array<std::size_t, max_rank> shape{};
    std::ranges::copy(buffer.shape, shape.begin());
    const auto exported = [&]<typename Tensor>(Tensor&& tensor) {
        return nb::cast(tensor).attr("__dlpack__")(**options);
    };
    const auto type = dlpack_type(buffer.type);
    if (buffer.storage->read_only) {
        return exported(nb::ndarray<nb::ro, nb::array_api>(
            data, buffer.shape.rank(), shape.data(), owner, nullptr, type, nb::device::cpu::value));
    }
    return exported(nb::ndarray<nb::array_api>(data, buffer.shape.rank(), shape.data(), owner,
                                               nullptr, type, nb::device::cpu::value));
}

nb::object array_protocol(const BufferObject& buffer, const nb::object& type,
                          const nb::object& copy) {
    return nb::module_::import_("accel._arrays").attr("convert")(to_array(buffer), type, copy);
}

std::shared_ptr<QueueState> queue_or_default(const BufferObject& buffer, QueueObject* queue) {
    return queue != nullptr ? queue->checked() : buffer.storage->device->call_queue();
}

// The share of a copy, which runs without the GIL while another thread may close the buffer.
struct Target {
    explicit Target(const BufferObject& buffer)
        : storage(buffer.storage), memory(buffer.memory.alias()) {}

    [[nodiscard]] const accel::Device& device() const { return storage->device->device; }

    StorageRef storage;
    accel::Buffer<std::byte> memory;
};

void copy_from(BufferObject& buffer, const nb::object& source, QueueObject* queue) {
    static_cast<void>(buffer.checked());
    if (buffer.storage->read_only) {
        refuse(read_only_text);
    }
    const nb::object dense = dense_array(source, buffer.type);
    const auto view = ArrayView::of(dense, buffer.type, false, true);
    if (!view || view->bytes() != buffer.memory.bytes()) {
        refuse("the array has " + std::to_string(view ? view->bytes() : 0) +
               " bytes, and the buffer " + std::to_string(buffer.memory.bytes()) +
               ": pass as many elements as the buffer has");
    }
    const std::span bytes{static_cast<const std::byte*>(view->data()), view->bytes()};
    if (buffer.memory.mapped()) {
        std::memcpy(buffer.memory.data(), bytes.data(), bytes.size());
        return;
    }
    const auto state = queue_or_default(buffer, queue);
    const Target target(buffer);
    wait_for_jobs(*state);
    state->use_without_gil(
        [&](accel::Queue& q) { accel::upload(target.device(), q, target.memory, bytes); });
}

nb::object copy_to(const BufferObject& buffer, const nb::object& destination, QueueObject* queue) {
    static_cast<void>(buffer.checked());
    nb::object array = destination;
    if (array.is_none()) {
        array = nb::module_::import_("accel._arrays")
                    .attr("empty")(to_tuple(buffer.shape), nb::str(name_of(buffer.type).data()));
    }
    const nb::object bits = nb::module_::import_("accel._arrays").attr("bits")(array);
    const auto view = ArrayView::of(bits, buffer.type, true, true);
    if (!view || view->bytes() != buffer.memory.bytes()) {
        refuse("copy_to() needs a dense writable array of " + std::string(name_of(buffer.type)) +
               " with " + std::to_string(buffer.size()) + " elements");
    }
    const std::span bytes{static_cast<std::byte*>(view->data()), view->bytes()};
    if (buffer.memory.mapped()) {
        std::memcpy(bytes.data(), buffer.memory.data(), bytes.size());
        return array;
    }
    const auto state = queue_or_default(buffer, queue);
    const Target target(buffer);
    wait_for_jobs(*state);
    state->use_without_gil(
        [&](accel::Queue& q) { accel::download(target.device(), q, bytes, target.memory); });
    return array;
}

BufferObject slice(const BufferObject& buffer, std::uint64_t first, std::uint64_t count) {
    const auto& memory = buffer.checked();
    if (first > buffer.size() || count > buffer.size() - first) {
        refuse("the buffer has " + std::to_string(buffer.size()) + " elements, not " +
               std::to_string(count) + " from " + std::to_string(first) + " on");
    }
    const std::uint64_t item = size_of(buffer.type);
    return {buffer.storage, memory.slice(first * item, count * item), buffer.type, Shape{count}};
}

BufferObject reshape(const BufferObject& buffer, const ShapeArgument& argument) {
    const Shape shape = argument.shape();
    if (shape.elements() != buffer.size()) {
        refuse("a buffer of " + std::to_string(buffer.size()) +
               " elements cannot have a shape of " + std::to_string(shape.elements()));
    }
    return {buffer.storage, buffer.checked().alias(), buffer.type, shape};
}

std::string describe(const BufferObject& buffer) {
    if (!buffer.storage) {
        return "<accel.Buffer, closed>";
    }
    const auto shape = nb::cast<std::string>(nb::str(to_tuple(buffer.shape)));
    const bool host = buffer.memory.placement() == Placement::host;
    return "<accel.Buffer " + std::string(name_of(buffer.type)) + " " + shape +
           (buffer.storage->registered() ? " in registered memory>"
            : host                       ? " in host memory>"
                                         : " in device memory>");
}

void bind_properties(nb::class_<BufferObject>& buffer) {
    buffer
        .def_prop_ro(
            "shape", [](const BufferObject& self) { return to_tuple(self.shape); },
            nb::sig("def shape(self) -> tuple[int, ...]"), "The dimensions, outermost first.")
        .def_prop_ro(
            "dtype",
            [](const BufferObject& self) {
                return nb::module_::import_("accel._arrays")
                    .attr("dtype_of")(nb::str(name_of(self.type).data()));
            },
            nb::sig("def dtype(self) -> accel._types.Dtype"),
            "The data type in numpy. For bf16 it needs the package ml_dtypes.")
        .def_prop_ro(
            "data_type", [](const BufferObject& self) { return self.type; }, "The data type.")
        .def_prop_ro("size", &BufferObject::size, "Number of elements.")
        .def_prop_ro(
            "nbytes", [](const BufferObject& self) { return self.memory.bytes(); },
            "Number of bytes.")
        .def_prop_ro(
            "ndim", [](const BufferObject& self) { return self.shape.rank(); },
            "Number of dimensions.")
        .def_prop_ro(
            "address",
            [](const BufferObject& self) {
                return static_cast<std::uint64_t>(self.checked().address());
            },
            "Address of the first element on the card.")
        .def_prop_ro(
            "access", [](const BufferObject& self) { return self.checked().access(); },
            "How the card may access the memory.")
        .def_prop_ro(
            "placement", [](const BufferObject& self) { return self.checked().placement(); },
            "The memory that holds the buffer.")
        .def_prop_ro(
            "mapped", [](const BufferObject& self) { return self.checked().mapped(); },
            "Whether the CPU can access it: numpy() and DLPack need that.")
        .def_prop_ro(
            "registered",
            [](const BufferObject& self) {
                static_cast<void>(self.checked());
                return self.storage->registered();
            },
            "Whether it is memory of another object, used in place.")
        .def_prop_ro(
            "closed", [](const BufferObject& self) { return self.storage == nullptr; },
            "Whether close() was called.");
}

}  // namespace

BufferObject make_buffer(StorageRef storage, DataType type, const Shape& shape) {
    accel::Buffer<std::byte> memory = storage->memory.alias();
    return {std::move(storage), std::move(memory), type, shape};
}

nb::object to_array(const BufferObject& buffer) {
    // Throws for memory without a mapping, and in a child process.
    static_cast<void>(buffer.checked().data());
    const nb::object bits = nb::cast(BufferObject{buffer.storage, buffer.checked().alias(),
                                                  bits_type(buffer.type), buffer.shape},
                                     nb::rv_policy::move);
    return nb::module_::import_("accel._arrays")
        .attr("view")(bits, nb::str(name_of(buffer.type).data()));
}

namespace {

void close_buffer(BufferObject& self) {
    self.memory = {};
    self.storage.reset();
}

}  // namespace

void bind_buffers(nb::module_& module) {
    nb::class_<AddressObject>(module, "Address",
                              "An address in the device's address space, as an operand of a "
                              "command. Only the card's MMU checks it.")
        .def(nb::init<std::uint64_t>(), nb::arg("value"))
        .def("__int__", [](const AddressObject& self) { return self.value; })
        .def("__index__", [](const AddressObject& self) { return self.value; });
    nb::class_<accel::Argument>(module, "Argument",
                                "An argument of a call, as an operand of a recorded command.")
        .def(
            "__init__",
            [](accel::Argument* self, std::uint32_t index, std::uint64_t offset) {
                new (self) accel::Argument{index, offset};
            },
            nb::arg("index"), nb::arg("offset") = 0)
        .def_ro("index", &accel::Argument::index, "Number of the argument, from 0.")
        .def_ro("offset", &accel::Argument::offset, "Bytes from the start of the argument.");

    auto buffer = nb::class_<BufferObject>(
        module, "Buffer", nb::type_slots(buffer_slots.data()),
        "Memory that the card can access. Device.buffer() and Device.from_array() make one.\n\n"
        "numpy.asarray(buffer), memoryview(buffer) and numpy.from_dlpack(buffer) see the memory "
        "itself. An array keeps the memory alive. The content is undefined while a job that writes "
        "it is not finished.");
    bind_properties(buffer);
    buffer
        .def("numpy", &to_array, nb::sig("def numpy(self) -> accel._types.Array"),
             "The memory as an array, without a copy. The array keeps the memory alive.\n\n"
             "Raises InvalidArgumentError if the CPU cannot access the memory.")
        .def("__array__", &array_protocol, nb::arg("dtype") = nb::none(), nb::kw_only(),
             nb::arg("copy") = nb::none(),
             nb::sig("def __array__(self, dtype: accel._types.DTypeLike | None = None, *, "
                     "copy: bool | None = None) -> accel._types.Array"))
        .def("__dlpack__", &to_dlpack,
             nb::sig("def __dlpack__(self, **options: typing.Any) -> "
                     "typing.Any"),
             "The memory as a tensor of DLPack on the CPU, without a copy.")
        .def(
            "__dlpack_device__", [](const BufferObject&) { return nb::make_tuple(1, 0); },
            nb::sig("def __dlpack_device__(self) -> tuple[int, int]"))
        .def("copy_from", &copy_from, nb::arg("source"), nb::kw_only(),
             nb::arg("queue") = nb::none(),
             nb::sig("def copy_from(self, source: accel._types.ArrayLike, *, queue: Queue | None = "
                     "None) -> None"),
             "Copies as many elements as the buffer has, and waits.\n\n"
             "`queue` runs the copy if the CPU cannot access the buffer; None: a queue of the "
             "device.")
        .def("copy_to", &copy_to, nb::arg("destination") = nb::none(), nb::kw_only(),
             nb::arg("queue") = nb::none(),
             nb::sig("def copy_to(self, destination: accel._types.Array | None "
                     "= None, *, queue: Queue | None = None) -> accel._types.Array"),
             "Copies all elements to an array, or to a new one, and waits. Returns the array.")
        .def("slice", &slice, nb::arg("first"), nb::arg("count"),
             "Another buffer on elements [first, first + count) of the same memory.")
        .def("reshape", &reshape, nb::arg("shape"),
             "Another buffer on the same memory, with as many elements.")
        .def("close", &close_buffer,
             "Releases the memory. It is freed when arrays and unfinished jobs do not use it "
             "either.")
        .def("__len__",
             [](const BufferObject& self) { return self.shape.empty() ? 1 : self.shape[0]; })
        .def("__repr__", &describe);
    bind_context(buffer, &close_buffer);
}

}  // namespace accel::python
