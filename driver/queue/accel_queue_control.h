/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_queue_control.h - the life of a queue: creation, errors, reset, end.
 */
#ifndef ACCEL_QUEUE_CONTROL_H
#define ACCEL_QUEUE_CONTROL_H

#include "accel_queue.h"

bool accel_queue_event(struct accel_device *adev, const struct accel_event *event);
void accel_queue_detach(struct accel_queue *queue);
void accel_queue_free(struct accel_queue *queue);
int accel_queue_destroy(struct accel_context *ctx, u32 handle);
int accel_ioctl_queue_create(struct accel_context *ctx, struct accel_queue_create *args);
int accel_ioctl_queue_destroy(struct accel_context *ctx, struct accel_queue_destroy *args);
int accel_ioctl_queue_reset(struct accel_context *ctx, struct accel_queue_reset *args);
int accel_ioctl_queue_query(struct accel_context *ctx, struct accel_queue_query *args);

#endif /* ACCEL_QUEUE_CONTROL_H */
