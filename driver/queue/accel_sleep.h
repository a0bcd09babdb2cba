/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_sleep.h - waits of threads: the bounded ioctl, and poll() on the file.
 */
#ifndef ACCEL_SLEEP_H
#define ACCEL_SLEEP_H

#include <linux/poll.h>

#include "accel_context.h"

int accel_ioctl_queue_wait(struct accel_context *ctx, struct accel_queue_wait *args);
int accel_ioctl_queue_notify(struct accel_context *ctx, struct accel_queue_notify *args);
__poll_t accel_sleep_poll(struct accel_context *ctx, struct file *file, poll_table *table);

#endif /* ACCEL_SLEEP_H */
