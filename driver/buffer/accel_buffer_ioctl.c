// SPDX-License-Identifier: GPL-2.0
/*
 * accel_buffer_ioctl.c - ACCEL_IOCTL_BUFFER_CREATE and ACCEL_IOCTL_BUFFER_DESTROY.
 */
#include "accel_buffer_ioctl.h"
#include "accel_host_buffer.h"
#include "accel_vram_buffer.h"

int accel_ioctl_buffer_create(struct accel_context *ctx, struct accel_buffer_create *args)
{
	bool vram = args->flags & ACCEL_BUFFER_DEVICE;
	u32 prot = args->flags & ACCEL_BUFFER_PROT;
	struct accel_buffer *buffer;
	u64 bytes;
	int ret;

	if (args->flags & ~(ACCEL_BUFFER_PROT | ACCEL_BUFFER_DEVICE))
		return -EOPNOTSUPP;
	if (!prot || args->reserved || !args->bytes)
		return -EINVAL;
	if (args->bytes > BIT_ULL(ACCEL_VA_BITS - 1))
		return vram ? -ENOSPC : -ENOMEM;

	bytes = ALIGN(args->bytes, ACCEL_PAGE_SIZE);
	buffer = vram ? accel_vram_buffer_alloc(ctx->adev, bytes, prot) :
			accel_host_buffer_alloc(ctx, bytes, prot);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = accel_buffer_publish(ctx, buffer, &args->handle, &args->address);
	if (ret)
		accel_buffer_put(buffer);
	return ret;
}

int accel_ioctl_buffer_destroy(struct accel_context *ctx, struct accel_buffer_destroy *args)
{
	return accel_buffer_destroy(ctx, args->handle);
}
