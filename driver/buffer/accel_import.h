/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_import.h - buffers with the memory of a dma-buf.
 */
#ifndef ACCEL_IMPORT_H
#define ACCEL_IMPORT_H

#include "accel_context.h"

void accel_imports_revoke(struct accel_device *adev);
int accel_ioctl_buffer_import(struct accel_context *ctx, struct accel_buffer_import *args);

#endif /* ACCEL_IMPORT_H */
