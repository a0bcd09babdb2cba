// SPDX-License-Identifier: Apache-2.0
//
// The parts of the extension module. module.cpp calls them in this order: a signature names only
// classes that are bound before it.
#pragma once

#include <nanobind/nanobind.h>

namespace accel::python {

void bind_errors(nanobind::module_& module);
void bind_enums(nanobind::module_& module);
void bind_device_info(nanobind::module_& module);
void bind_buffers(nanobind::module_& module);
void bind_commands(nanobind::module_& module);
void bind_tensor_commands(nanobind::module_& module);
void bind_event_loops(nanobind::module_& module);
void bind_jobs(nanobind::module_& module);
void bind_queues(nanobind::module_& module);
void bind_devices(nanobind::module_& module);
void bind_models(nanobind::module_& module);
void bind_requests(nanobind::module_& module);
void bind_request_queues(nanobind::module_& module);
void bind_batchers(nanobind::module_& module);
void bind_pipelines(nanobind::module_& module);
void bind_quantize(nanobind::module_& module);

}  // namespace accel::python
