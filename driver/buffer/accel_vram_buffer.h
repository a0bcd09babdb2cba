/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_vram_buffer.h - buffers in device memory.
 */
#ifndef ACCEL_VRAM_BUFFER_H
#define ACCEL_VRAM_BUFFER_H

#include "accel_buffer.h"

struct accel_buffer *accel_vram_buffer_alloc(struct accel_device *adev, u64 bytes, u32 prot);

#endif /* ACCEL_VRAM_BUFFER_H */
