/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_uring.h - waits through io_uring.
 */
#ifndef ACCEL_URING_H
#define ACCEL_URING_H

#include "accel_queue.h"

struct io_uring_cmd;

void accel_uring_init(struct accel_queue *queue);
void accel_uring_flush(struct accel_context *ctx, const void *owner);
int accel_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif /* ACCEL_URING_H */
