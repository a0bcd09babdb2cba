/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_queue_stop.h - the driver stops a queue until its owner resets it.
 */
#ifndef ACCEL_QUEUE_STOP_H
#define ACCEL_QUEUE_STOP_H

#include "accel_queue.h"

int accel_queue_stop(struct accel_queue *queue, u32 id, enum accel_status status,
		     enum accel_reason reason);

#endif /* ACCEL_QUEUE_STOP_H */
