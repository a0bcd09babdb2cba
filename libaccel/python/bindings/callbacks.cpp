// SPDX-License-Identifier: Apache-2.0
//
// The GIL on threads of the library, also at the end of the interpreter.
#include "callbacks.hpp"

#include <unistd.h>

namespace accel::python {

namespace {

thread_local unsigned calls = 0;  // by the library, on this thread

[[noreturn]] void stop_for_ever() {
    for (;;) {
        ::pause();
    }
}

}  // namespace

bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing() != 0;
#else
    return _Py_IsFinalizing() != 0;
#endif
}

WithGil::WithGil() {
    if (interpreter_ends() && PyGILState_Check() == 0) {
        stop_for_ever();
    }
    try {
        state_ = PyGILState_Ensure();
    } catch (...) {
        stop_for_ever();  // Python would end the thread, which C++ cannot survive
    }
    ++calls;
}

WithGil::~WithGil() {
    --calls;
    PyGILState_Release(state_);
}

bool WithGil::in_call() {
    return calls != 0;
}

void close_at_exit(nb::handle object) {
    nb::module_::import_("accel._lifetime").attr("close_at_exit")(object);
}

}  // namespace accel::python
