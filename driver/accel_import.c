// SPDX-License-Identifier: GPL-2.0
/*
 * accel_import.c - a buffer whose memory is a dma-buf's.
 *
 * The dma-buf is mapped for the card when it is imported, pinned, and entered
 * in the page tables of the context: jobs do not enter the kernel, so there is
 * no moment at which it could be moved. An exporter that takes it away anyway
 * calls accel_import_move(), and when that returns the card has let go.
 *
 * An import ends in two steps. accel_import_detach(), with the reservation
 * held, ends the card's access; accel_import_close(), without, leaves the
 * dma-buf's list of attachments. Handle, context, card and exporter may all
 * want to end it at the same time: each step is done once.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "accel.h"
#include "accel_compat.h"

/**
 * struct accel_import - a buffer of ACCEL_KIND_IMPORT
 * @buffer: what the context sees
 * @ctx: whose it is; valid while it is in @node
 * @node: in accel_device.imports, from before it is attached until it is closed
 * @dmabuf: a reference
 * @attach: its attachment, unless it is this card's own memory
 * @sgt: its mapping
 * @local: in the list of the export, if it is this card's own memory
 * @attached: the card can reach it; under the reservation
 * @pinned: the exporter was asked not to move it
 * @ended: it is not to be attached any more; under the reservation
 */
struct accel_import {
	struct accel_buffer buffer;
	struct accel_context *ctx;
	struct list_head node;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct list_head local;
	bool attached;
	bool pinned;
	bool ended;
};

static struct accel_import *accel_import_of(struct accel_buffer *buffer)
{
	return container_of(buffer, struct accel_import, buffer);
}

static enum dma_data_direction accel_import_direction(struct accel_import *import)
{
	return import->buffer.prot & ACCEL_BUFFER_CARD_WRITE ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/* Called with the reservation held, when the card does not reach the memory. */
static void accel_import_unmap(struct accel_import *import)
{
	if (import->sgt)
		dma_buf_unmap_attachment(import->attach, import->sgt,
					 accel_import_direction(import));
	import->sgt = NULL;
	if (import->pinned)
		dma_buf_unpin(import->attach);
	import->pinned = false;
	list_del_init(&import->local);
	import->attached = false;
}

/* Called with the reservation held: the card does not reach the memory when it returns. */
static void accel_import_detach(struct accel_import *import)
{
	struct accel_context *ctx = import->ctx;
	bool transfers = false;

	if (!import->attached)
		return;
	down_read(&ctx->adev->hw_lock);
	mutex_lock(&ctx->lock);
	import->buffer.revoked = true;
	/* The addresses stay taken until the handle is destroyed, so that they fault. */
	if (!ctx->dead) {
		accel_mmu_unmap(ctx, &import->buffer);
		transfers = import->buffer.transfers;
	}
	mutex_unlock(&ctx->lock);
	if (transfers)
		accel_dma_drain(ctx->adev);
	up_read(&ctx->adev->hw_lock);

	accel_import_unmap(import);
}

/* Without the reservation; detached before. */
static void accel_import_close(struct accel_import *import)
{
	struct accel_device *adev = import->buffer.adev;
	struct dma_buf_attachment *attach = xchg(&import->attach, NULL);

	if (attach)
		dma_buf_detach(import->dmabuf, attach);
	else if (!import->buffer.source)
		return;		/* somebody else is at it */
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

/**
 * accel_import_revoke() - memory of this card is taken away
 * @node: what accel_export_link() was given; the reservation is held
 */
void accel_import_revoke(struct list_head *node)
{
	accel_import_detach(container_of(node, struct accel_import, local));
}

static void accel_import_finish(struct accel_import *import)
{
	dma_resv_lock(import->dmabuf->resv, NULL);
	import->ended = true;
	accel_import_detach(import);
	dma_resv_unlock(import->dmabuf->resv);
	accel_import_close(import);
}

/**
 * accel_import_end() - the handle is gone, or the context is about to
 * @buffer: of ACCEL_KIND_IMPORT, whose context is there; no lock is held
 */
void accel_import_end(struct accel_buffer *buffer)
{
	struct accel_import *import = accel_import_of(buffer);
	struct accel_context *ctx = import->ctx;

	accel_import_finish(import);
	/* Who else closes it still looks at it, and nobody does after that. */
	while (!list_empty_careful(&import->node))
		msleep(1);
	mutex_lock(&ctx->lock);
	accel_va_free(ctx, &buffer->va);
	mutex_unlock(&ctx->lock);
}

/* The last reference. */
void accel_import_release(struct accel_buffer *buffer)
{
	struct accel_import *import = accel_import_of(buffer);

	WARN_ON_ONCE(import->attached || !list_empty(&import->node));
	dma_buf_put(import->dmabuf);
	kfree(import);
}

/**
 * accel_imports_revoke() - the card is about to be stopped
 * @adev: the card; accel_exports_revoke() has seen to it that no import is made
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
		/* It may be in the making still, or another closes it. */
		for (;;) {
			accel_import_finish(import);
			if (list_empty_careful(&import->node))
				break;
			msleep(1);
		}
		accel_buffer_put(&import->buffer);
	}
}

int accel_import_mmap(struct accel_buffer *buffer, struct vm_area_struct *vma)
{
	struct accel_import *import = accel_import_of(buffer);

	return dma_buf_mmap(import->dmabuf, vma,
			    vma->vm_pgoff - (buffer->va.start >> PAGE_SHIFT));
}

/* Every piece must be made of the card's pages. */
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

/* Called with the reservation held. */
static int accel_import_map(struct accel_import *import)
{
	struct sg_table *sgt;
	long ret;

	if (import->ended)
		return -ESTALE;
	if (import->buffer.source)
		return accel_export_link(import->dmabuf, &import->local) ? 0 : -ENODEV;
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
	/* The exporter may still be clearing or moving it. */
	ret = dma_resv_wait_timeout(import->dmabuf->resv, DMA_RESV_USAGE_KERNEL, true,
				    MAX_SCHEDULE_TIMEOUT);
	if (ret < 0)
		return ret == -ERESTARTSYS ? -EINTR : ret;
	/* Only looked at; who made it frees it. */
	import->buffer.sgt = *sgt;
	return 0;
}

static int accel_import_list(struct accel_import *import)
{
	struct accel_device *adev = import->buffer.adev;
	int ret = 0;

	spin_lock(&adev->imports_lock);
	if (READ_ONCE(adev->sharing_stopped))
		ret = -ESTALE;
	else
		list_add_tail(&import->node, &adev->imports);
	spin_unlock(&adev->imports_lock);
	return ret;
}

/* Map, enter in the page tables, give a handle: all or nothing. */
static int accel_import_attach(struct accel_import *import, struct accel_buffer_import *args)
{
	struct dma_buf *dmabuf = import->dmabuf;
	int ret;

	/* Once it is published another thread may destroy it. */
	get_dma_buf(dmabuf);
	dma_resv_lock(dmabuf->resv, NULL);
	ret = accel_import_map(import);
	if (!ret) {
		import->attached = true;
		ret = accel_buffer_publish(import->ctx, &import->buffer, &args->handle,
					   &args->address);
	}
	if (ret)
		accel_import_unmap(import);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_put(dmabuf);
	return ret;
}

int accel_ioctl_buffer_import(struct accel_context *ctx, void *arg)
{
	struct accel_buffer_import *args = arg;
	struct accel_device *adev = ctx->adev;
	struct dma_buf_attachment *attach;
	struct accel_import *import;
	struct dma_buf *dmabuf;
	int ret;

	if (args->flags & ~(ACCEL_BUFFER_CARD_READ | ACCEL_BUFFER_CARD_WRITE))
		return -EOPNOTSUPP;
	if (!args->flags || args->reserved || args->reserved2)
		return -EINVAL;
	dmabuf = dma_buf_get(args->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (!dmabuf->size || !IS_ALIGNED(dmabuf->size, ACCEL_PAGE_SIZE)) {
		dma_buf_put(dmabuf);
		return -EOPNOTSUPP;
	}
	import = kzalloc(sizeof(*import), GFP_KERNEL_ACCOUNT);
	if (!import) {
		dma_buf_put(dmabuf);
		return -ENOMEM;
	}
	kref_init(&import->buffer.ref);
	import->buffer.kind = ACCEL_KIND_IMPORT;
	import->buffer.adev = adev;
	import->buffer.prot = args->flags;
	import->buffer.bytes = dmabuf->size;
	INIT_LIST_HEAD(&import->buffer.extents);
	import->buffer.source = accel_export_source(dmabuf, adev);
	INIT_LIST_HEAD(&import->node);
	INIT_LIST_HEAD(&import->local);
	import->ctx = ctx;
	import->dmabuf = dmabuf;

	/* The card must not go between here and the end of the import: it says so by the list. */
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
