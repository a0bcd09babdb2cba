// SPDX-License-Identifier: Apache-2.0
//
// The C++ objects behind the handles, and conversions that several files need.
#pragma once

#include <accel.h>
#include <accel/buffer.hpp>
#include <accel/command.hpp>
#include <accel/command_list.hpp>
#include <accel/device.hpp>
#include <accel/job.hpp>
#include <accel/model.hpp>
#include <accel/queue.hpp>
#include <accel/semaphore.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "guard.hpp"

struct accel_device_t {
    accel::Device device;
};

struct accel_devices_t {
    std::vector<accel::DeviceEntry> entries;
};

struct accel_buffer_t {
    accel::Buffer<std::byte> buffer;
};

struct accel_command_t {
    accel::Command command;
};

struct accel_semaphore_t {
    accel::Semaphore semaphore;
};

struct accel_command_list_t {
    accel::CommandList list;
};

struct accel_queue_t {
    accel::Queue queue;
    accel::Device device;  // for the staging memory of uploads and downloads
};

struct accel_job_t {
    accel::Job job;
};

struct accel_model_t {
    accel::Model model;
};

struct accel_results_t {
    std::vector<accel::TensorData> tensors;
    std::vector<std::string> names;
};

namespace accel::c {

/// The value of an enumeration of the SDK, which ends with `last`. Zero becomes `default_value`.
/// C programs pass any integer, and a value that the SDK does not know must not reach it.
template <typename Enum>
[[nodiscard]] Enum to_enum(std::uint32_t value, Enum default_value, Enum last, const char* name) {
    if (value > static_cast<std::uint32_t>(last)) {
        throw_invalid(std::string(name) + " is " + std::to_string(value) +
                      ", and the highest value is " +
                      std::to_string(static_cast<std::uint32_t>(last)) +
                      ": use one of the constants of accel.h");
    }
    return value == 0 ? default_value : static_cast<Enum>(value);
}

[[nodiscard]] inline DataType to_data_type(std::uint32_t value,
                                           DataType default_value = DataType::f32) {
    return to_enum(value, default_value, DataType::u2, "the data type");
}

[[nodiscard]] inline Placement to_placement(std::uint32_t value) {
    return to_enum(value, Placement::host, Placement::device_mapped, "the placement");
}

[[nodiscard]] inline Access to_access(std::uint32_t value,
                                      Access default_value = Access::read_write) {
    return to_enum(value, default_value, Access::read_write, "the access");
}

/// Zero is the default of a length or a count: one.
template <typename Number>
[[nodiscard]] Number one_if_zero(Number value) {
    return value == 0 ? Number{1} : value;
}

[[nodiscard]] Operand to_operand(const accel_operand_t& operand);
[[nodiscard]] std::vector<Operand> to_operands(const accel_operand_t* operands, std::size_t count);

/// Stores the job for the caller. The memory for the handle exists before the job is submitted, so
/// that a job that runs is never reported as a failure.
template <typename Submit>
[[nodiscard]] int submit_job(accel_job_t** job, accel_error_t* error, Submit&& submit) noexcept {
    return guarded(error, [&] {
        if (job == nullptr) {
            static_cast<void>(std::forward<Submit>(submit)());
            return 0;
        }
        *job = nullptr;
        auto handle = std::make_unique<accel_job_t>();
        handle->job = std::forward<Submit>(submit)();
        *job = handle.release();
        return 0;
    });
}

}  // namespace accel::c
