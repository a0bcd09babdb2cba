// SPDX-License-Identifier: Apache-2.0
//
// The members that make a class a context manager.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>

#include "objects.hpp"

namespace accel::python {

/// Makes the objects context managers, which `end` ends.
template <typename Object, typename... Extra, typename End>
void bind_context(nb::class_<Object, Extra...>& type, End end) {
    type.def(
            "__enter__", [](nb::handle self) { return nb::borrow(self); },
            nb::sig("def __enter__(self) -> typing.Self"))
        .def(
            "__exit__", [end](Object& self, const nb::args&) { std::invoke(end, self); },
            nb::sig("def __exit__(self, *error: object) -> None"));
}

}  // namespace accel::python
