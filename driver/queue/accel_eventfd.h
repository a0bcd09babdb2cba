/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_eventfd.h - waits through an eventfd.
 */
#ifndef ACCEL_EVENTFD_H
#define ACCEL_EVENTFD_H

#include "accel_queue.h"

void accel_eventfd_notify(struct accel_queue *queue);
int accel_ioctl_queue_eventfd(struct accel_context *ctx, struct accel_queue_eventfd *args);

#endif /* ACCEL_EVENTFD_H */
