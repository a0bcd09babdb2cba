/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_buffer_ioctl.h - the ioctls that allocate and destroy buffers.
 */
#ifndef ACCEL_BUFFER_IOCTL_H
#define ACCEL_BUFFER_IOCTL_H

#include "accel_context.h"

int accel_ioctl_buffer_create(struct accel_context *ctx, struct accel_buffer_create *args);
int accel_ioctl_buffer_destroy(struct accel_context *ctx, struct accel_buffer_destroy *args);

#endif /* ACCEL_BUFFER_IOCTL_H */
