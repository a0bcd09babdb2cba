/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The C interface of the SDK: devices, buffers, commands, queues, jobs and models.
 * docs/reference/c.md explains it with a program.
 *
 * It serves C programs and bindings of other languages. Its rules:
 *
 * - Handles are opaque pointers. A function that makes one stores it in its parameter `out`, or
 *   NULL when it fails. The caller releases it with the function that its type names. NULL can be
 *   released, too. Handles can be released in any order: an object lives as long as another one,
 *   or an unfinished job, needs it.
 * - A function that can fail returns 0 or a positive errno, and takes an accel_error_t as its last
 *   parameter. That parameter may be NULL. No exception leaves a function.
 * - A structure with a first member `size` is versioned: the caller sets `size` to its sizeof, and
 *   every unused member to zero. Zero always stands for the default. A library that is older than
 *   the program refuses members that it does not know with E2BIG, unless they are zero. It sets
 *   such members to zero in structures that it fills.
 * - Any thread may use any handle. A queue has one producer: the caller serializes the calls that
 *   name a queue, except accel_queue_pending(). A command list is recorded by one thread at a time.
 *   No call may use a handle while another thread releases it.
 * - After fork() the handles belong to the parent. The child can release them, which changes
 *   nothing of the parent; other uses return EPERM.
 */
#ifndef ACCEL_H
#define ACCEL_H

#include "accel/c/buffer.h"
#include "accel/c/command.h"
#include "accel/c/command_list.h"
#include "accel/c/device.h"
#include "accel/c/error.h"
#include "accel/c/image_command.h"
#include "accel/c/matrix_command.h"
#include "accel/c/model.h"
#include "accel/c/queue.h"
#include "accel/c/tensor_command.h"

#endif
