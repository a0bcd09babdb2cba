// SPDX-License-Identifier: Apache-2.0
//
// libaccel: jobs for the accelerator card, without a system call. This header has all of it.
//
//     accel::Device card = accel::Device::open(0);
//     auto x = card.allocate<float>({1, 784});
//     accel::Queue queue = card.create_queue();
//     accel::Job job = queue.submit(accel::fill(x, 1.0f));
//     job.wait();
//
// docs/concepts/sdk.md has the object model, lifetimes, thread-safety and costs; docs/tutorials/first-job.md is the way
// in.
#pragma once

#include "accel/buffer.hpp"
#include "accel/command.hpp"
#include "accel/command_list.hpp"
#include "accel/device.hpp"
#include "accel/error.hpp"
#include "accel/job.hpp"
#include "accel/queue.hpp"
#include "accel/semaphore.hpp"
#include "accel/shape.hpp"
#include "accel/transfer.hpp"
