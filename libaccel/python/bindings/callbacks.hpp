// SPDX-License-Identifier: Apache-2.0
//
// Calls from the library to Python, on any thread.
//
// Lock order: the locks of the library, then the GIL: the library calls functions of requests under
// its locks. So a thread that holds the GIL releases it before it calls an object that has such
// functions, or destroys one.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "objects.hpp"

namespace accel::python {

/// Holds the GIL during its lifetime. At the end of the interpreter, the thread stops forever.
class WithGil {
  public:
    WithGil();
    WithGil(const WithGil&) = delete;
    WithGil& operator=(const WithGil&) = delete;
    WithGil(WithGil&&) = delete;
    WithGil& operator=(WithGil&&) = delete;
    ~WithGil();

    /// Whether the library called Python on this thread, perhaps under a lock of the library.
    [[nodiscard]] static bool in_call();

  private:
    PyGILState_STATE state_;
};

/// Whether the interpreter ends, so that no other thread can have the GIL any more.
[[nodiscard]] bool interpreter_ends();

/// Destroys an object of the library whose destructor waits for a thread that may need the GIL, or
/// takes locks. In a call by the library, another thread destroys it: the caller may have the lock.
template <typename T>
struct Destroy {
    void operator()(T* pointer) const {
        std::unique_ptr<T> object(pointer);
        if (interpreter_ends()) {
            // Its threads cannot end any more. The kernel releases what it owns.
            static_cast<void>(object.release());
        } else if (WithGil::in_call()) {
            T* const shared = object.release();
            try {
                std::thread([shared] { const std::unique_ptr<T> last(shared); }).detach();
            } catch (const std::system_error&) {
                // No thread can start. The object stays: a deadlock would be worse.
            }
        } else if (PyGILState_Check() != 0) {
            const WithoutGil released;
            object.reset();
        }
    }
};

/// An object of the library, which close() destroys once no call on another thread uses it. With
/// the GIL.
template <typename T>
struct Box {
    std::shared_ptr<T> object;  // null after close()

    template <typename... Args>
    static std::shared_ptr<Box> make(Args&&... args) {
        const WithoutGil released;
        return std::make_shared<Box>(Box{std::shared_ptr<T>(
            std::make_unique<T>(std::forward<Args>(args)...).release(), Destroy<T>{})});
    }
    [[nodiscard]] std::shared_ptr<T> checked(const char* name) const {
        if (!object) {
            refuse(std::string("the ") + name + " is closed: create another one");
        }
        return object;
    }
};

/// The slots of a class whose objects own functions of Python, which may refer to the object. The
/// collector finds such a cycle by `traverse`, and `close` ends it: before it clears any object of
/// the cycle, so the functions still work when the end calls them.
template <typename Object, traverseproc traverse, auto close>
inline const std::array<PyType_Slot, 4> collected_slots{
    PyType_Slot{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    PyType_Slot{Py_tp_clear, reinterpret_cast<void*>(+[](PyObject*) noexcept { return 0; })},
    PyType_Slot{Py_tp_finalize, reinterpret_cast<void*>(+[](PyObject* self) noexcept {
                    // A finalizer keeps the exception of the code that it interrupts.
                    const nb::error_scope pending;
                    if (nb::inst_ready(self)) {
                        close(*nb::inst_ptr<Object>(self));
                    }
                })},
    PyType_Slot{0, nullptr}};

/// Adds an object to those that are closed before the interpreter ends, by close().
void close_at_exit(nb::handle object);

}  // namespace accel::python
