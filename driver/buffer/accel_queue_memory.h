/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_queue_memory.h - the memory of a queue: its status page and its ring.
 */
#ifndef ACCEL_QUEUE_MEMORY_H
#define ACCEL_QUEUE_MEMORY_H

#include "accel_buffer.h"

struct accel_buffer *accel_queue_memory_alloc(struct accel_context *ctx, u64 bytes,
					      struct accel_queue_status **status);
const struct accel_command *accel_queue_memory_slot(struct accel_buffer *buffer, u64 slot);

#endif /* ACCEL_QUEUE_MEMORY_H */
