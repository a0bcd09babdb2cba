// SPDX-License-Identifier: Apache-2.0
//
// Errors of the library become exceptions of accel/_errors.py with the same fields.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <accel/accel.hpp>
#include <accel/load_options.hpp>
#include <cstdint>
#include <exception>
#include <string>

#include "bindings.hpp"
#include "errors.hpp"

namespace nb = nanobind;

namespace accel::python {

namespace {

// The message, without the description of the errno that std::system_error appends.
std::string message_of(const Error& error) {
    std::string text = error.what();
    const std::string suffix = ": " + error.code().message();
    if (text.ends_with(suffix)) {
        text.resize(text.size() - suffix.size());
    }
    return text;
}

void raise(const Error& error, const std::string& input) {
    const nb::object exception = to_exception(error, input);
    PyErr_SetObject(exception.type().ptr(), exception.ptr());
}

void translate(const std::exception_ptr& pointer, void* /*payload*/) {
    try {
        std::rethrow_exception(pointer);
    } catch (const ConstantInputRequired& error) {
        raise(error, error.input());
    } catch (const Error& error) {
        raise(error, "");
    }
}

}  // namespace

nb::object to_exception(const Error& error, const std::string& input) {
    const nb::object make = nb::module_::import_("accel._errors").attr("make_error");
    nb::object failure = nb::none();
    if (error.failure()) {
        failure = nb::cast(*error.failure());
    }
    return make(error.code().value(), message_of(error), error.status(), error.reason(), failure,
                input);
}

Error to_error(const nb::python_error& exception) {
    const nb::handle value = exception.value();
    const auto text = nb::cast<std::string>(nb::str(value));
    if (!exception.matches(nb::module_::import_("accel._errors").attr("Error"))) {
        const auto name = nb::cast<std::string>(exception.type().attr("__name__"));
        return {std::errc::invalid_argument, "a function raised " + name + ": " + text};
    }
    const auto code = static_cast<std::errc>(nb::cast<int>(value.attr("errno")));
    const nb::object failure = value.attr("failure");
    if (!failure.is_none()) {
        return {code, text, nb::cast<const CardFailure&>(failure)};
    }
    return {code, text, nb::cast<Reason>(value.attr("reason"))};
}

void bind_errors(nb::module_& module) {
    nb::register_exception_translator(translate);

    nb::enum_<CardStatus>(module, "CardStatus", "The reason why the card stopped a queue.")
        .value("ok", CardStatus::ok)
        .value("bad_opcode", CardStatus::bad_opcode)
        .value("bad_field", CardStatus::bad_field)
        .value("bad_alignment", CardStatus::bad_alignment)
        .value("bad_size", CardStatus::bad_size)
        .value("bad_argument", CardStatus::bad_argument)
        .value("nested_call", CardStatus::nested_call)
        .value("bad_doorbell", CardStatus::bad_doorbell)
        .value("fault_unmapped", CardStatus::fault_unmapped)
        .value("fault_read", CardStatus::fault_read)
        .value("fault_write", CardStatus::fault_write)
        .value("fault_table", CardStatus::fault_table)
        .value("bus_error", CardStatus::bus_error)
        .value("aborted", CardStatus::aborted)
        .value("busy", CardStatus::busy)
        .value("exists", CardStatus::exists)
        .value("not_found", CardStatus::not_found)
        .value("internal", CardStatus::internal)
        .value("bad_index", CardStatus::bad_index)
        .value("time_limit", CardStatus::time_limit)
        .value("no_progress", CardStatus::no_progress)
        .value("step_limit", CardStatus::step_limit);

    nb::enum_<Reason>(module, "Reason", "The reason why a queue stopped, or a device ended.")
        .value("none", Reason::none)
        .value("error", Reason::error)
        .value("time_limit", Reason::time_limit)
        .value("no_progress", Reason::no_progress)
        .value("stopped", Reason::stopped)
        .value("reset", Reason::reset)
        .value("recovery", Reason::recovery)
        .value("link_error", Reason::link_error)
        .value("suspend", Reason::suspend)
        .value("removed", Reason::removed)
        .value("wedged", Reason::wedged);

    nb::class_<CardFailure>(module, "CardFailure",
                            "The card's description of the command that stopped a queue.")
        .def(
            "__init__",
            [](CardFailure* self, CardStatus status, std::uint64_t sequence, std::uint64_t address,
               std::optional<std::uint32_t> list_index, std::uint32_t opcode, Reason reason) {
                new (self) CardFailure{status, sequence, address, list_index, opcode, reason};
            },
            nb::arg("status"), nb::arg("sequence"), nb::arg("address") = 0,
            nb::arg("list_index") = nb::none(), nb::arg("opcode") = 0,
            nb::arg("reason") = Reason::error)
        .def(
            "__reduce__",
            [](nb::handle self) {
                const auto& f = *nb::inst_ptr<CardFailure>(self);
                return nb::make_tuple(self.type(),
                                      nb::make_tuple(f.status, f.sequence, f.address, f.list_index,
                                                     f.opcode, f.reason));
            },
            nb::sig("def __reduce__(self) -> tuple[typing.Any, ...]"))
        .def_ro("status", &CardFailure::status)
        .def_ro("sequence", &CardFailure::sequence, "Job.sequence of the job that failed.")
        .def_ro("address", &CardFailure::address, "The device address of a fault, else 0.")
        .def_ro("list_index", &CardFailure::list_index,
                "Index of the command in the CommandList, if it was in one.")
        .def_ro("opcode", &CardFailure::opcode)
        .def_ro("reason", &CardFailure::reason);
}

}  // namespace accel::python
