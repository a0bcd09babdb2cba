/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_export.h - dma-bufs of the driver's buffers.
 */
#ifndef ACCEL_EXPORT_H
#define ACCEL_EXPORT_H

#include "accel_export_vm.h"

/**
 * struct accel_export_args - argument of accel_ioctl_buffer_export()
 * @uapi: the structure of the caller; the driver reserves its file descriptor
 * @dmabuf: the dma-buf, for accel_export_commit() or accel_export_abort()
 */
struct accel_export_args {
	struct accel_buffer_export uapi;
	struct dma_buf *dmabuf;
};

struct accel_buffer *accel_export_source(struct dma_buf *dmabuf, struct accel_device *adev);
bool accel_export_link(struct dma_buf *dmabuf, struct accel_export_link *link);
void accel_exports_revoke(struct accel_device *adev, int error);
int accel_ioctl_buffer_export(struct accel_context *ctx, struct accel_export_args *args);
void accel_export_commit(struct accel_export_args *args);
void accel_export_abort(struct accel_export_args *args);

#endif /* ACCEL_EXPORT_H */
