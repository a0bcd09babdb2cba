// SPDX-License-Identifier: Apache-2.0
//
// The C++ objects behind the Python classes. All of them, except where a comment says so, are used
// with the GIL held.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/accel.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace accel::python {

namespace nb = nanobind;

struct QueueState;
struct Storage;

/// Releases the GIL during its lifetime. At the end of the interpreter, a thread that wants the GIL
/// back stops forever, because Python would unwind its stack, which C++ cannot survive.
class WithoutGil {
  public:
    WithoutGil() : state_(PyEval_SaveThread()) {}
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;
    WithoutGil(WithoutGil&&) = delete;
    WithoutGil& operator=(WithoutGil&&) = delete;
    ~WithoutGil();

  private:
    PyThreadState* state_;
};

/// An open card, shared by the Python objects that use it.
struct DeviceState : std::enable_shared_from_this<DeviceState> {
    explicit DeviceState(accel::Device opened) : device(std::move(opened)) {}

    /// The memory that contains [data, data + bytes), or nothing.
    [[nodiscard]] Storage* find(const void* data, std::size_t bytes) const;

    /// The queue for calls that name no queue. It is created at its first use.
    [[nodiscard]] std::shared_ptr<QueueState> call_queue();

    /// Forgets that queue if it is this one, and stopped: the next call gets a new one.
    void forget_if_stopped(const std::shared_ptr<QueueState>& queue);

    accel::Device device;
    std::multimap<std::uintptr_t, Storage*> mapped;  // by the address of the first byte
    std::shared_ptr<QueueState> calls;
};

/// Memory that the card can access, behind Buffer objects and arrays.
struct Storage {
    Storage(std::shared_ptr<DeviceState> state, accel::Buffer<std::byte> buffer,
            nb::object registered = {}, bool registered_read_only = false);
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;
    Storage(Storage&&) = delete;
    Storage& operator=(Storage&&) = delete;
    ~Storage();

    [[nodiscard]] bool registered() const { return source.is_valid(); }

    std::shared_ptr<DeviceState> device;
    nb::object source;  // the object that owns registered memory; it is released last
    bool read_only;     // its owner does not permit writes, those of the CPU included
    accel::Buffer<std::byte> memory;
};

using StorageRef = std::shared_ptr<Storage>;

/// Registered memory that an operand uses. A queue keeps it until the job is over.
using Pins = std::vector<StorageRef>;

/// A queue. `mutex` serializes submissions, some of which wait without the GIL.
struct QueueState {
    explicit QueueState(accel::Queue created) : owned(std::move(created)), queue(&*owned) {}
    /// For a queue that a RequestQueue lends to a function. Until then it is closed.
    QueueState() = default;
    QueueState(const QueueState&) = delete;
    QueueState& operator=(const QueueState&) = delete;
    QueueState(QueueState&&) = delete;
    QueueState& operator=(QueueState&&) = delete;
    ~QueueState() { close(); }

    /// Destroys the queue, which cancels its jobs.
    void close();

    /// Calls `function` with the queue while no other thread uses it.
    template <typename Function>
    auto use(Function&& function) {
        std::unique_lock lock(mutex, std::try_to_lock);
        if (!lock) {
            // The other thread may wait for the card; it needs no GIL to end.
            const WithoutGil released;
            lock.lock();
        }
        return function(checked());
    }

    /// The same, without the GIL.
    template <typename Function>
    auto use_without_gil(Function&& function) {
        const WithoutGil released;
        const std::scoped_lock lock(mutex);
        return function(checked());
    }

    /// Notes that `job` was submitted, and keeps `pins` until it is over.
    void submitted(const accel::Job& job, Pins pins);
    void keep(const accel::Job& job, Pins pins);
    void release_finished();

    [[nodiscard]] accel::Queue& checked();

    std::mutex mutex;
    std::deque<std::pair<accel::Job, Pins>> pinned;
    accel::Job last;   // the newest job; those before it end before it
    accel::Job older;  // a job that is not newer than `last`; its end makes room in the ring
    std::optional<accel::Queue> owned;
    accel::Queue* queue = nullptr;  // null after close()
};

struct DeviceObject {
    std::shared_ptr<DeviceState> state;

    [[nodiscard]] DeviceState& checked() const;
    [[nodiscard]] std::shared_ptr<DeviceState> shared() const;
};

/// A typed and shaped view of a storage.
struct BufferObject {
    StorageRef storage;  // null after close()
    accel::Buffer<std::byte> memory;
    DataType type = DataType::f32;
    Shape shape;

    [[nodiscard]] const accel::Buffer<std::byte>& checked() const;
    [[nodiscard]] std::size_t size() const { return memory.bytes() / size_of(type); }
};

/// A buffer over all elements of a storage.
[[nodiscard]] BufferObject make_buffer(StorageRef storage, DataType type, const Shape& shape);

/// An array of numpy on the memory of a buffer. It keeps the memory alive.
[[nodiscard]] nb::object to_array(const BufferObject& buffer);

struct QueueObject {
    std::shared_ptr<QueueState> state;

    /// A share of its own, because another thread may close the object during the call.
    [[nodiscard]] std::shared_ptr<QueueState> checked() const;
};

struct JobObject {
    accel::Job job;
    mutable std::shared_ptr<QueueState> queue;  // until a wait finds that the job is over

    /// Releases the queue if the job is over.
    void release_queue() const {
        if (job.done()) {
            queue.reset();
        }
    }
};

/// The exception of a function of Python that submits. With the GIL.
struct WorkFailure {
    nb::object exception;
};

struct RequestObject {
    accel::Request request;
    mutable std::shared_ptr<const void> owner;  // a Box, until a wait finds that it is over
    std::shared_ptr<WorkFailure> failure;
};

struct CommandObject {
    accel::Command command;
    Pins pins;
};

struct ListObject {
    std::shared_ptr<accel::CommandList> list;  // null after release()
    Pins pins;

    /// A share of its own, because another thread may release the list during the call.
    [[nodiscard]] std::shared_ptr<accel::CommandList> checked() const;
};

struct BatchObject {
    std::shared_ptr<QueueState> queue;
    std::shared_ptr<accel::Batch> batch;  // null after its end
    Pins pins;

    [[nodiscard]] std::shared_ptr<accel::Batch> checked() const;
};

/// A bare address of the device's address space.
struct AddressObject {
    std::uint64_t value = 0;
};

struct SemaphoreObject {
    accel::Semaphore semaphore;
};

/// An operand that the library gives to a function: device memory of a Pipeline.
struct OperandObject {
    Operand operand;
};

/// Throws Error(invalid_argument).
[[noreturn]] void refuse(const std::string& what);

/// Raises TypeError.
[[noreturn]] void refuse_type(const std::string& what);

/// For messages: the name of the type of an object, and what str() makes of it.
[[nodiscard]] std::string type_of(nanobind::handle object);
[[nodiscard]] std::string text_of(nanobind::handle object);

/// A timeout in seconds; None means forever.
[[nodiscard]] accel::Duration to_duration(std::optional<double> seconds);

}  // namespace accel::python
