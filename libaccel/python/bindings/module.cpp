// SPDX-License-Identifier: Apache-2.0
//
// The extension module accel._accel.
#include <nanobind/nanobind.h>

#include "bindings.hpp"

NB_MODULE(_accel, module) {
    using namespace accel::python;
    module.doc() = "The compiled part of the package accel. Import accel instead.";
    // At the end of the interpreter, objects of modules may still be alive. The kernel releases
    // what they own.
    nanobind::set_leak_warnings(false);
    bind_errors(module);
    bind_enums(module);
    bind_device_info(module);
    bind_buffers(module);
    bind_commands(module);
    bind_tensor_commands(module);
    bind_event_loops(module);
    bind_jobs(module);
    bind_queues(module);
    bind_devices(module);
    bind_models(module);
    bind_requests(module);
    bind_request_queues(module);
    bind_batchers(module);
    bind_pipelines(module);
    bind_quantize(module);
}
