/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_host_buffer.h - buffers in host memory of the driver.
 */
#ifndef ACCEL_HOST_BUFFER_H
#define ACCEL_HOST_BUFFER_H

#include "accel_buffer.h"

struct accel_buffer *accel_host_buffer_alloc(struct accel_context *ctx, u64 bytes, u32 prot);

#endif /* ACCEL_HOST_BUFFER_H */
