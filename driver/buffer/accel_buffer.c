// SPDX-License-Identifier: GPL-2.0
/*
 * accel_buffer.c - the life of a buffer, independent of its kind of memory.
 *
 * A buffer is created without locks, since allocation and pinning take long and
 * may fault. Then it is attached: it gets addresses, a DMA mapping and page-table
 * entries, and last a handle. Its end is the reverse.
 */
#include <linux/dma-mapping.h>

#include "accel_buffer.h"
#include "accel_coherent.h"
#include "accel_compat.h"

/**
 * accel_buffer_init() - initialize a buffer without memory
 * @buffer: the buffer, filled with zeros
 * @adev: the card
 * @ops: operations of its kind
 * @bytes: length, whole pages, not zero
 * @prot: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 */
void accel_buffer_init(struct accel_buffer *buffer, struct accel_device *adev,
		       const struct accel_buffer_ops *ops, u64 bytes, u32 prot)
{
	kref_init(&buffer->ref);
	INIT_LIST_HEAD(&buffer->extents);
	INIT_LIST_HEAD(&buffer->exports);
	buffer->ops = ops;
	buffer->adev = adev;
	buffer->bytes = bytes;
	buffer->prot = prot;
}

static void accel_buffer_release(struct kref *ref)
{
	struct accel_buffer *buffer = container_of(ref, struct accel_buffer, ref);

	WARN_ON_ONCE(buffer->mapped);
	buffer->ops->release(buffer);
}

/* The caller holds no lock: release takes mmap_lock or the locks of a dma-buf. */
void accel_buffer_put(struct accel_buffer *buffer)
{
	kref_put(&buffer->ref, accel_buffer_release);
}

/**
 * accel_buffer_charge() - charge the memory of a buffer to the user of a file
 * @ctx: the context of the file
 * @buffer: a buffer that is not charged; it keeps the user, because it may outlive the file
 * @resource: ACCEL_RESOURCE_MEMORY or ACCEL_RESOURCE_HOST_MEMORY
 *
 * Return: 0 or -EDQUOT.
 */
int accel_buffer_charge(struct accel_context *ctx, struct accel_buffer *buffer,
			enum accel_resource resource)
{
	int ret;

	ret = accel_quota_charge(ctx->quota, ctx->unlimited, resource, buffer->bytes);
	if (ret)
		return ret;
	buffer->resource = resource;
	buffer->quota = accel_quota_get(ctx->quota);
	return 0;
}

/* Ends the charge, once. */
void accel_buffer_uncharge(struct accel_buffer *buffer)
{
	if (!buffer->quota)
		return;
	accel_quota_uncharge(buffer->quota, buffer->resource, buffer->bytes);
	accel_quota_put(buffer->quota);
	buffer->quota = NULL;
}

static enum dma_data_direction accel_buffer_direction(const struct accel_buffer *buffer)
{
	return buffer->prot & ACCEL_BUFFER_CARD_WRITE ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/* The operation @attach of buffers with pages of the host in @sgt: maps them for the card. */
int accel_buffer_attach_pages(struct accel_context *ctx, struct accel_buffer *buffer)
{
	int ret;

	accel_context_assert_entered(ctx);
	ret = accel_coherent_map(&buffer->adev->pdev->dev, &buffer->sgt,
				 accel_buffer_direction(buffer));
	buffer->mapped = !ret;
	return ret;
}

/* The operation @unmap of such buffers. */
void accel_buffer_unmap_pages(struct accel_buffer *buffer)
{
	accel_coherent_unmap(&buffer->adev->pdev->dev, &buffer->sgt,
			     accel_buffer_direction(buffer));
}

/* The operation @map of buffers with memory on the bus. */
int accel_buffer_map_sgtable(struct accel_context *ctx, struct accel_buffer *buffer)
{
	return accel_mmu_map_sgtable(&ctx->mmu, &buffer->va, buffer->prot, &buffer->sgt);
}

/* The operation @map of buffers in device memory of this card. */
int accel_buffer_map_extents(struct accel_context *ctx, struct accel_buffer *buffer)
{
	return accel_mmu_map_extents(&ctx->mmu, &buffer->va, buffer->prot,
				     &buffer->source->extents);
}

/* The card does not access the buffer any more: ends its DMA mapping, once. */
void accel_buffer_dma_unmap(struct accel_buffer *buffer)
{
	if (!buffer->mapped)
		return;
	buffer->ops->unmap(buffer);
	buffer->mapped = false;
}

/**
 * accel_buffer_attach() - give the card access to a buffer
 * @ctx: the context, entered
 * @buffer: a buffer that is not attached
 *
 * Return: 0, or -errno with the buffer not attached.
 */
int accel_buffer_attach(struct accel_context *ctx, struct accel_buffer *buffer)
{
	int ret;

	accel_context_assert_entered(ctx);
	ret = accel_context_attach(ctx);
	if (ret)
		return ret;
	if (buffer->ops->attach) {
		ret = buffer->ops->attach(ctx, buffer);
		if (ret)
			return ret;
	}
	ret = accel_va_alloc(&ctx->va, &buffer->va, buffer->bytes);
	if (ret)
		goto err_dma;
	ret = buffer->ops->map(ctx, buffer);
	if (ret)
		goto err_va;
	return 0;

err_va:
	accel_va_free(&ctx->va, &buffer->va);
err_dma:
	accel_buffer_dma_unmap(buffer);
	return ret;
}

/**
 * accel_buffer_detach() - end the card's access to a buffer
 * @ctx: the context, entered
 * @buffer: an attached buffer
 *
 * Return: 0, or -errno if the card did not answer; it then does no DMA.
 */
int accel_buffer_detach(struct accel_context *ctx, struct accel_buffer *buffer)
{
	int ret;

	accel_context_assert_entered(ctx);
	ret = accel_mmu_unmap(&ctx->mmu, &buffer->va);
	accel_va_free(&ctx->va, &buffer->va);
	accel_buffer_dma_unmap(buffer);
	return ret;
}

/**
 * accel_buffer_publish() - attach a buffer and give it a handle
 * @ctx: the context
 * @buffer: a buffer of the caller; on success the handle owns it
 * @handle: the handle, filled in
 * @address: its address in the context, filled in
 *
 * Another thread may destroy the buffer as soon as it has a handle.
 *
 * Return: 0, or -errno with the buffer still owned by the caller.
 */
int accel_buffer_publish(struct accel_context *ctx, struct accel_buffer *buffer, u32 *handle,
			 u64 *address)
{
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	ret = accel_buffer_attach(ctx, buffer);
	if (ret)
		goto out;
	*address = buffer->va.start;
	ret = xa_alloc(&ctx->buffers, handle, buffer, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret)
		accel_buffer_detach(ctx, buffer);
out:
	accel_context_leave(ctx);
	return ret;
}

/**
 * accel_buffer_destroy() - end the card's access to a buffer and free its handle
 * @ctx: the context
 * @handle: the handle
 *
 * Return: 0 or -errno; -EBUSY while a transfer uses the buffer.
 */
int accel_buffer_destroy(struct accel_context *ctx, u32 handle)
{
	struct accel_buffer *buffer;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	buffer = xa_load(&ctx->buffers, handle);
	if (!buffer) {
		ret = -ENOENT;
	} else if (atomic_read(&buffer->transfers)) {
		/* Commands of the copy queue contain its bus addresses. */
		ret = -EBUSY;
		buffer = NULL;
	} else {
		xa_erase(&ctx->buffers, handle);
		if (!buffer->ops->end)
			ret = accel_buffer_detach(ctx, buffer);
	}
	accel_context_leave(ctx);
	if (!buffer)
		return ret;
	if (buffer->ops->end)
		buffer->ops->end(buffer);
	if (buffer->end_exports)
		buffer->end_exports(buffer, true);
	accel_buffer_put(buffer);
	return ret;
}

/**
 * accel_buffer_find() - the buffer at an address
 * @ctx: the context, entered
 * @address: the address
 *
 * Return: the buffer, or NULL.
 */
struct accel_buffer *accel_buffer_find(struct accel_context *ctx, u64 address)
{
	struct accel_va *va;

	accel_context_assert_entered(ctx);
	va = accel_va_find(&ctx->va, address);
	return va ? container_of(va, struct accel_buffer, va) : NULL;
}

/**
 * accel_buffer_vm_setup() - prepare a mapping that holds a reference of a buffer
 * @buffer: the buffer
 * @vma: the mapping
 * @ops: its operations, with accel_buffer_vm_open() and accel_buffer_vm_close()
 */
void accel_buffer_vm_setup(struct accel_buffer *buffer, struct vm_area_struct *vma,
			   const struct vm_operations_struct *ops)
{
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = ops;
	vma->vm_private_data = buffer;
	kref_get(&buffer->ref);
}

void accel_buffer_vm_open(struct vm_area_struct *vma)
{
	struct accel_buffer *buffer = vma->vm_private_data;

	kref_get(&buffer->ref);
}

void accel_buffer_vm_close(struct vm_area_struct *vma)
{
	accel_buffer_put(vma->vm_private_data);
}
