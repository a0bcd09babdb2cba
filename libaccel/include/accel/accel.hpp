// SPDX-License-Identifier: Apache-2.0
//
// libaccel: the C++ SDK of the accelerator card. This header includes all of its core; a job is
// submitted without a system call.
//
//     accel::Device card = accel::Device::open(0);
//     auto x = card.allocate<float>({1, 784});
//     accel::Queue queue = card.create_queue();
//     accel::Job job = queue.submit(accel::fill(x, 1.0f));
//     job.wait();
//
// docs/tutorials/first-job.md is the introduction. docs/concepts/sdk.md describes the object model,
// lifetimes, thread-safety and costs.
#pragma once

#include "accel/batch.hpp"
#include "accel/buffer.hpp"
#include "accel/command.hpp"
#include "accel/command_list.hpp"
#include "accel/coroutine.hpp"
#include "accel/device.hpp"
#include "accel/device_group.hpp"
#include "accel/duration.hpp"
#include "accel/error.hpp"
#include "accel/event_loop.hpp"
#include "accel/file_descriptor.hpp"
#include "accel/job.hpp"
#include "accel/log.hpp"
#include "accel/pipeline.hpp"
#include "accel/queue.hpp"
#include "accel/request.hpp"
#include "accel/request_queue.hpp"
#include "accel/semaphore.hpp"
#include "accel/shape.hpp"
#include "accel/transfer.hpp"
#include "accel/unique_function.hpp"
