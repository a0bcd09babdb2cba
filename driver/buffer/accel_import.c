// SPDX-License-Identifier: GPL-2.0
/*
 * accel_import.c - buffers with the memory of a dma-buf.
 *
 * The dma-buf is pinned and mapped for the card at import, and entered in the page
 * tables of the context. Jobs do not enter the kernel, so the exporter can never
 * move the memory. An exporter that takes it away calls accel_import_move(); when
 * that returns, the card has ended its access.
 *
 * An import ends in two steps. accel_import_detach(), with the reservation held,
 * ends the card's access. accel_import_close(), without it, leaves the dma-buf's
 * list of attachments. Handle, context, card and exporter may end an import at
 * the same time: each step is done once.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "accel_buffer.h"
#include "accel_coherent.h"
#include "accel_compat.h"
#include "accel_copy_job.h"
#include "accel_export.h"
#include "accel_import.h"

/**
 * struct accel_import - a buffer with the memory of a dma-buf
 * @buffer: the buffer of the context
 * @ctx: the context; valid while @node is in its list
 * @node: in accel_device.imports, from before the attachment until the close
 * @dmabuf: a reference
 * @attach: attachment, unless the memory is in this card
 * @sgt: mapping of @attach
 * @local: link in the export, if the memory is in this card
 * @attached: the card can access the memory; under the reservation
 * @pinned: the exporter must not move the memory
 * @ended: the import must not be attached any more; under the reservation
 * @quota: the user that pays for the structures of the import
 * @charge: their bytes
 */
struct accel_import {
	struct accel_buffer buffer;
	struct accel_context *ctx;
	struct list_head node;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct accel_export_link local;
	bool attached;
	bool pinned;
	bool ended;
	struct accel_quota *quota;
	u64 charge;
};

static struct accel_import *accel_import_of(struct accel_buffer *buffer)
{
	return container_of(buffer, struct accel_import, buffer);
}

/*
 * The exporter pays for the memory. But a process can import it as often as it likes, and each time
 * it takes page tables, a scatterlist and other structures of the kernel.
 */
static u64 accel_import_cost(u64 bytes)
{
	return PAGE_SIZE + accel_mmu_table_bytes(bytes) +
	       PAGE_ALIGN((bytes >> PAGE_SHIFT) * sizeof(struct scatterlist));
}

static enum dma_data_direction accel_import_direction(struct accel_import *import)
{
	return import->buffer.prot & ACCEL_BUFFER_CARD_WRITE ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/* The card does not access the memory any more. */
static void accel_import_unmap(struct accel_import *import)
{
	dma_resv_assert_held(import->dmabuf->resv);
	if (import->sgt)
		dma_buf_unmap_attachment(import->attach, import->sgt,
					 accel_import_direction(import));
	import->sgt = NULL;
	if (import->pinned)
		dma_buf_unpin(import->attach);
	import->pinned = false;
	list_del_init(&import->local.node);
	import->attached = false;
}

/* The card does not access the memory when this returns. */
static void accel_import_detach(struct accel_import *import)
{
	struct accel_context *ctx = import->ctx;
	int section;

	dma_resv_assert_held(import->dmabuf->resv);
	if (!import->attached)
		return;
	section = accel_section_begin(ctx->adev);
	mutex_lock(&ctx->lock);
	import->buffer.revoked = true;
	/* The addresses stay allocated until the handle is destroyed, so that they fault. */
	if (!accel_context_gone(ctx))
		accel_mmu_unmap(&ctx->mmu, &import->buffer.va);
	mutex_unlock(&ctx->lock);
	accel_section_end(ctx->adev, section);

	/*
	 * No transfer of a revoked buffer begins. Memory of a card that is about to stop stays
	 * until the stop has ended all transfers, so a hung copy queue does not delay the stop.
	 */
	if (!import->buffer.source || !READ_ONCE(ctx->adev->sharing_errno))
		accel_copy_users_wait(ctx->adev, &import->buffer.transfers);
	accel_import_unmap(import);
}

/* The import is detached, and the reservation is not held. */
static void accel_import_close(struct accel_import *import)
{
	struct accel_device *adev = import->buffer.adev;
	struct dma_buf_attachment *attach = xchg(&import->attach, NULL);

	if (attach)
		dma_buf_detach(import->dmabuf, attach);
	else if (!import->buffer.source)
		return;		/* another caller closes it */
	spin_lock(&adev->imports_lock);
	list_del_init(&import->node);
	spin_unlock(&adev->imports_lock);
}

/* The exporter takes the memory away; the reservation is held. */
static void accel_import_move(struct dma_buf_attachment *attach)
{
	accel_import_detach(attach->importer_priv);
}

static const struct dma_buf_attach_ops accel_import_ops = {
	.allow_peer2peer = true,
	.ACCEL_COMPAT_MOVE_NOTIFY = accel_import_move,
};

/* An export of this card is revoked; the reservation is held. */
static void accel_import_revoke(struct accel_export_link *link)
{
	accel_import_detach(container_of(link, struct accel_import, local));
}

static void accel_import_finish(struct accel_import *import)
{
	dma_resv_lock(import->dmabuf->resv, NULL);
	import->ended = true;
	accel_import_detach(import);
	dma_resv_unlock(import->dmabuf->resv);
	accel_import_close(import);
}

/* The handle is gone, or the context is about to close. No lock is held. */
static void accel_import_end(struct accel_buffer *buffer)
{
	struct accel_import *import = accel_import_of(buffer);
	struct accel_context *ctx = import->ctx;

	accel_import_finish(import);
	/* Another caller that closes the import uses it until it is off the list. */
	while (!list_empty_careful(&import->node))
		usleep_range(1000, 2000);
	mutex_lock(&ctx->lock);
	accel_va_free(&ctx->va, &buffer->va);
	mutex_unlock(&ctx->lock);
}

static void accel_import_release(struct accel_buffer *buffer)
{
	struct accel_import *import = accel_import_of(buffer);

	WARN_ON_ONCE(import->attached || !list_empty(&import->node));
	dma_buf_put(import->dmabuf);
	accel_quota_uncharge(import->quota, ACCEL_RESOURCE_HOST_MEMORY, import->charge);
	accel_quota_put(import->quota);
	kfree(import);
}

static int accel_import_mmap(struct accel_buffer *buffer, struct vm_area_struct *vma)
{
	struct accel_import *import = accel_import_of(buffer);

	return dma_buf_mmap(import->dmabuf, vma,
			    vma->vm_pgoff - (buffer->va.start >> PAGE_SHIFT));
}

static int accel_import_map_buffer(struct accel_context *ctx, struct accel_buffer *buffer)
{
	return buffer->source ? accel_buffer_map_extents(ctx, buffer) :
				accel_buffer_map_sgtable(ctx, buffer);
}

static const struct accel_buffer_ops accel_import_buffer_ops = {
	.kind = ACCEL_KIND_IMPORT,
	.map = accel_import_map_buffer,
	.end = accel_import_end,
	.mmap = accel_import_mmap,
	.release = accel_import_release,
};

/**
 * accel_imports_revoke() - end all imports of a card that has stopped
 * @adev: the card; accel_exports_revoke() has stopped the creation of imports
 */
void accel_imports_revoke(struct accel_device *adev)
{
	struct accel_import *import;

	for (;;) {
		spin_lock(&adev->imports_lock);
		import = list_first_entry_or_null(&adev->imports, struct accel_import, node);
		if (import && !kref_get_unless_zero(&import->buffer.ref))
			import = NULL;
		spin_unlock(&adev->imports_lock);
		if (!import)
			break;
		/* The import may not be complete yet, or another caller closes it. */
		for (;;) {
			accel_import_finish(import);
			if (list_empty_careful(&import->node))
				break;
			usleep_range(1000, 2000);
		}
		accel_buffer_put(&import->buffer);
	}
}

/* The card needs whole pages. */
static bool accel_import_aligned(struct sg_table *sgt, u64 bytes)
{
	struct scatterlist *sg;
	u64 total = 0;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (!IS_ALIGNED(sg_dma_address(sg) | sg_dma_len(sg), ACCEL_PAGE_SIZE))
			return false;
		total += sg_dma_len(sg);
	}
	return total == bytes;
}

/* The memory is lost. Return: the errno of the importer's card if that ends, else -ENODEV. */
static int accel_import_errno(const struct accel_import *import)
{
	return accel_context_sharing_errno(import->ctx) ?: -ENODEV;
}

static int accel_import_map(struct accel_import *import)
{
	struct sg_table *sgt;
	int ret;

	dma_resv_assert_held(import->dmabuf->resv);
	if (import->ended)
		return accel_import_errno(import);
	if (import->buffer.source && !accel_export_link(import->dmabuf, &import->local))
		return accel_import_errno(import);
	if (import->buffer.source)
		return 0;
	ret = dma_buf_pin(import->attach);
	if (ret)
		return ret;
	import->pinned = true;
	sgt = dma_buf_map_attachment(import->attach, accel_import_direction(import));
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	import->sgt = sgt;
	if (!accel_import_aligned(sgt, import->buffer.bytes))
		return -EOPNOTSUPP;
	ret = accel_coherent_check(&import->buffer.adev->pdev->dev, sgt);
	if (ret)
		return ret;
	/* A copy for the page tables; the exporter owns the table. */
	import->buffer.sgt = *sgt;
	return 0;
}

static int accel_import_list(struct accel_import *import)
{
	struct accel_device *adev = import->buffer.adev;
	int ret;

	spin_lock(&adev->imports_lock);
	ret = accel_context_sharing_errno(import->ctx);
	if (!ret)
		list_add_tail(&import->node, &adev->imports);
	spin_unlock(&adev->imports_lock);
	return ret;
}

/* Maps the memory, and gets the work of the exporter that may still clear or move it. */
static int accel_import_prepare(struct accel_import *import, struct dma_fence **fence)
{
	int ret;

	dma_resv_assert_held(import->dmabuf->resv);
	ret = accel_import_map(import);
	if (!ret)
		ret = dma_resv_get_singleton(import->dmabuf->resv, DMA_RESV_USAGE_KERNEL, fence);
	if (ret)
		accel_import_unmap(import);
	import->attached = !ret;
	return ret;
}

/* Waits for a fence, without a lock, and drops it. A call that is interrupted can be restarted. */
static int accel_import_settle(struct dma_fence *fence)
{
	long ret = fence ? dma_fence_wait(fence, true) : 0;

	dma_fence_put(fence);
	return ret;
}

/* Enters the memory in the page tables and allocates a handle, unless the memory is lost. */
static int accel_import_publish(struct accel_import *import, struct accel_buffer_import *args)
{
	int ret;

	dma_resv_assert_held(import->dmabuf->resv);
	if (!import->attached)
		return accel_import_errno(import);
	ret = accel_buffer_publish(import->ctx, &import->buffer, &args->handle, &args->address);
	if (ret)
		accel_import_unmap(import);
	return ret;
}

static int accel_import_attach(struct accel_import *import, struct accel_buffer_import *args)
{
	struct dma_buf *dmabuf = import->dmabuf;
	struct dma_fence *fence = NULL;
	int ret;

	/* Another thread may destroy the import as soon as it is published. */
	get_dma_buf(dmabuf);
	dma_resv_lock(dmabuf->resv, NULL);
	ret = accel_import_prepare(import, &fence);
	dma_resv_unlock(dmabuf->resv);
	if (ret)
		goto out;
	ret = accel_import_settle(fence);
	dma_resv_lock(dmabuf->resv, NULL);
	if (!ret)
		ret = accel_import_publish(import, args);
	else if (import->attached)
		accel_import_unmap(import);
	dma_resv_unlock(dmabuf->resv);
out:
	dma_buf_put(dmabuf);
	return ret;
}

/* Takes over the reference of @dmabuf. */
static struct accel_import *accel_import_create(struct accel_context *ctx, struct dma_buf *dmabuf,
						u32 prot)
{
	u64 charge = accel_import_cost(dmabuf->size);
	struct accel_import *import;
	int ret = -EOPNOTSUPP;

	if (!dmabuf->size || !IS_ALIGNED(dmabuf->size, ACCEL_PAGE_SIZE))
		goto err_put;
	ret = accel_quota_charge(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_HOST_MEMORY, charge);
	if (ret)
		goto err_put;
	import = kzalloc(sizeof(*import), GFP_KERNEL_ACCOUNT);
	if (!import) {
		ret = -ENOMEM;
		goto err_charge;
	}
	import->quota = accel_quota_get(ctx->quota);
	import->charge = charge;
	accel_buffer_init(&import->buffer, ctx->adev, &accel_import_buffer_ops, dmabuf->size, prot);
	import->buffer.source = accel_export_source(dmabuf, ctx->adev);
	INIT_LIST_HEAD(&import->node);
	INIT_LIST_HEAD(&import->local.node);
	import->local.revoke = accel_import_revoke;
	import->ctx = ctx;
	import->dmabuf = dmabuf;
	return import;

err_charge:
	accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_HOST_MEMORY, charge);
err_put:
	dma_buf_put(dmabuf);
	return ERR_PTR(ret);
}

int accel_ioctl_buffer_import(struct accel_context *ctx, struct accel_buffer_import *args)
{
	struct accel_device *adev = ctx->adev;
	struct dma_buf_attachment *attach;
	struct accel_import *import;
	struct dma_buf *dmabuf;
	int ret;

	if (args->flags & ~ACCEL_BUFFER_PROT)
		return -EOPNOTSUPP;
	if (!args->flags || args->reserved || args->reserved2)
		return -EINVAL;
	dmabuf = dma_buf_get(args->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	import = accel_import_create(ctx, dmabuf, args->flags);
	if (IS_ERR(import))
		return PTR_ERR(import);

	/* While the import is on the list, a stop of the card does not end before it. */
	ret = accel_import_list(import);
	if (ret)
		goto err_put;
	if (!import->buffer.source) {
		attach = dma_buf_dynamic_attach(dmabuf, &adev->pdev->dev, &accel_import_ops,
						import);
		if (IS_ERR(attach)) {
			ret = PTR_ERR(attach);
			goto err_list;
		}
		WRITE_ONCE(import->attach, attach);
	}
	args->bytes = dmabuf->size;
	ret = accel_import_attach(import, args);
	if (ret)
		goto err_close;
	return 0;

err_close:
	accel_import_close(import);
	goto err_put;
err_list:
	spin_lock(&adev->imports_lock);
	list_del_init(&import->node);
	spin_unlock(&adev->imports_lock);
err_put:
	accel_buffer_put(&import->buffer);
	return ret;
}
