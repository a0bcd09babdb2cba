/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_userptr.h - buffers in registered memory.
 */
#ifndef ACCEL_USERPTR_H
#define ACCEL_USERPTR_H

#include "accel_context.h"

int accel_ioctl_buffer_register(struct accel_context *ctx, struct accel_buffer_register *args);

#endif /* ACCEL_USERPTR_H */
