// SPDX-License-Identifier: GPL-2.0
/*
 * accel_export.c - exports a buffer as a dma-buf, for other processes, other cards
 * and other drivers.
 *
 * Device memory ends when the card stops, so an export can be revoked. Revocation
 * tells the importers and returns when they have ended their access. Mappings
 * show a zero page after that. A revoked export stays revoked.
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accel_compat.h"
#include "accel_export.h"
#include "accel_export_dma.h"

/* The time limit for other drivers to end their access: for one call, however many exports. */
#define ACCEL_EXPORT_TIMEOUT	(10 * HZ)
/* Host memory of an export: its page, and structures of the kernel. */
#define ACCEL_EXPORT_COST	(2 * PAGE_SIZE)
/* A thread that waits for other drivers looks for a fatal signal so often. */
#define ACCEL_EXPORT_RECHECK	(HZ / 10)

static void accel_export_free(struct kref *ref)
{
	struct accel_export *export = container_of(ref, struct accel_export, ref);

	dma_fence_put(export->fence);
	accel_buffer_put(export->buffer);
	__free_page(export->dummy);
	accel_quota_uncharge(export->quota, ACCEL_RESOURCE_HOST_MEMORY, ACCEL_EXPORT_COST);
	accel_quota_put(export->quota);
	mutex_destroy(&export->lock);
	mutex_destroy(&export->revoke_lock);
	put_device(&export->adev->dev);
	kfree(export);
}

static void accel_export_put(struct accel_export *export)
{
	kref_put(&export->ref, accel_export_free);
}

/* The last reference of the dma-buf is gone, so it has no attachment and no mapping. */
static void accel_export_release(struct dma_buf *dmabuf)
{
	struct accel_export *export = dmabuf->priv;

	mutex_lock(&export->adev->exports_lock);
	list_del_init(&export->node);
	list_del_init(&export->buffer_node);
	mutex_unlock(&export->adev->exports_lock);
	/* Waits for a revocation in progress, which uses the dma-buf. */
	mutex_lock(&export->revoke_lock);
	export->dmabuf = NULL;
	mutex_unlock(&export->revoke_lock);
	accel_export_put(export);
}

static const struct dma_buf_ops accel_export_ops = {
	.attach = accel_export_attach,
	.detach = accel_export_detach,
	.pin = accel_export_pin,
	.unpin = accel_export_unpin,
	.map_dma_buf = accel_export_map,
	.unmap_dma_buf = accel_export_unmap,
	.mmap = accel_export_mmap,
	.release = accel_export_release,
};

/*
 * Other drivers may still have work in flight that uses the memory. A process can add fences of
 * its own, so these count only if another driver can use the memory at all.
 */
static struct dma_fence *accel_export_foreign_work(struct accel_export *export,
						   struct dma_resv *resv)
{
	struct dma_fence *fence = NULL;

	dma_resv_assert_held(resv);
	if (atomic_read(&export->foreign) &&
	    dma_resv_get_singleton(resv, DMA_RESV_USAGE_BOOKKEEP, &fence))
		/* Out of memory. */
		dma_resv_wait_timeout(resv, DMA_RESV_USAGE_BOOKKEEP, false, ACCEL_EXPORT_TIMEOUT);
	return fence;
}

/*
 * Takes the memory away, once. The caller holds a reference and no lock. Imports of the card itself
 * stay if the card is about to stop: it still runs, and their jobs must not fail for an access. The
 * stop ends them after the jobs.
 */
static void accel_export_revoke(struct accel_export *export, bool stop)
{
	struct accel_export_link *link, *next;
	struct dma_buf *dmabuf;

	mutex_lock(&export->revoke_lock);
	dmabuf = export->dmabuf;
	if (!dmabuf || export->revoked)
		goto out;
	dma_resv_lock(dmabuf->resv, NULL);
	list_for_each_entry_safe(link, next, &export->imports, node)
		if (!stop)
			link->revoke(link);
	accel_compat_move_notify(dmabuf);
	export->fence = accel_export_foreign_work(export, dmabuf->resv);
	mutex_lock(&export->lock);
	export->revoked = true;
	/* The file may be gone already if there is no mapping. */
	if (export->mappings)
		unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
	mutex_unlock(&export->lock);
	dma_resv_unlock(dmabuf->resv);
out:
	mutex_unlock(&export->revoke_lock);
}

/* Waits for other drivers to end their use of a revoked export. The caller holds no lock. */
static void accel_export_wait(struct accel_export *export, unsigned long deadline, bool killable)
{
	struct dma_fence *fence;

	mutex_lock(&export->revoke_lock);
	fence = dma_fence_get(export->fence);
	mutex_unlock(&export->revoke_lock);
	while (fence && time_before(jiffies, deadline) &&
	       !(killable && fatal_signal_pending(current)))
		if (dma_fence_wait_timeout(fence, false, ACCEL_EXPORT_RECHECK))
			break;
	dma_fence_put(fence);
}

/* Takes the first export of device memory off the list of the card; a reference. */
static struct accel_export *accel_export_next_of_card(struct accel_device *adev, int error)
{
	struct accel_export *export;

	mutex_lock(&adev->exports_lock);
	WRITE_ONCE(adev->sharing_errno, error);
	export = list_first_entry_or_null(&adev->exports, struct accel_export, node);
	if (export) {
		list_del_init(&export->node);
		kref_get(&export->ref);
	}
	mutex_unlock(&adev->exports_lock);
	return export;
}

/**
 * accel_exports_revoke() - revoke all exports of device memory before the card stops
 * @adev: the card; the caller holds no lock of an export or of the list of exports
 * @error: errno of exports and imports from now on, until the card starts
 *
 * On return no other device accesses device memory through a dma-buf, unless its driver
 * exceeds the time limit. No dma-buf is exported or imported until the card starts
 * again.
 */
void accel_exports_revoke(struct accel_device *adev, int error)
{
	unsigned long deadline = jiffies + ACCEL_EXPORT_TIMEOUT;
	struct accel_export *export, *next;
	LIST_HEAD(revoked);

	while ((export = accel_export_next_of_card(adev, error))) {
		accel_export_revoke(export, true);
		list_add_tail(&export->stop_node, &revoked);
		cond_resched();
	}
	list_for_each_entry_safe(export, next, &revoked, stop_node) {
		accel_export_wait(export, deadline, false);
		accel_export_put(export);
	}
}

/* Takes the first export that ends with its buffer off the list of the buffer; a reference. */
static struct accel_export *accel_export_next_of_buffer(struct accel_buffer *buffer)
{
	struct accel_device *adev = buffer->adev;
	struct accel_export *export;

	mutex_lock(&adev->exports_lock);
	export = list_first_entry_or_null(&buffer->exports, struct accel_export, buffer_node);
	if (export) {
		list_del_init(&export->buffer_node);
		kref_get(&export->ref);
	}
	mutex_unlock(&adev->exports_lock);
	return export;
}

/* The handle of an exported buffer is gone. No lock is held. */
static void accel_export_end(struct accel_buffer *buffer, bool wait)
{
	unsigned long deadline = jiffies + ACCEL_EXPORT_TIMEOUT;
	struct accel_export *export, *next;
	LIST_HEAD(revoked);

	while ((export = accel_export_next_of_buffer(buffer))) {
		accel_export_revoke(export, false);
		list_add_tail(&export->end_node, &revoked);
		cond_resched();
	}
	list_for_each_entry_safe(export, next, &revoked, end_node) {
		if (wait)
			accel_export_wait(export, deadline, true);
		accel_export_put(export);
	}
}

/**
 * accel_export_source() - find the device memory behind a dma-buf
 * @dmabuf: a dma-buf of any driver
 * @adev: the card
 *
 * Return: the buffer that owns the device memory, valid as long as the dma-buf;
 * NULL if the memory is not in this card.
 */
struct accel_buffer *accel_export_source(struct dma_buf *dmabuf, struct accel_device *adev)
{
	struct accel_export *export = dmabuf->priv;

	if (dmabuf->ops != &accel_export_ops || export->adev != adev)
		return NULL;
	return export->buffer->source;
}

/**
 * accel_export_link() - register an import by the same card for revocation
 * @dmabuf: an export of this driver; its reservation is held
 * @link: link of the import
 *
 * Return: false if the export is already revoked.
 */
bool accel_export_link(struct dma_buf *dmabuf, struct accel_export_link *link)
{
	struct accel_export *export = dmabuf->priv;

	dma_resv_assert_held(dmabuf->resv);
	if (!export->revoked)
		list_add_tail(&link->node, &export->imports);
	return !export->revoked;
}

/* Allocates an export and its page, charged to the user of the file. */
static struct accel_export *accel_export_alloc(struct accel_context *ctx)
{
	struct accel_export *export;
	int ret;

	/* A process can export a buffer as often as it likes. */
	ret = accel_quota_charge(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_HOST_MEMORY,
				 ACCEL_EXPORT_COST);
	if (ret)
		return ERR_PTR(ret);
	export = kzalloc(sizeof(*export), GFP_KERNEL_ACCOUNT);
	if (!export)
		goto err_charge;
	export->dummy = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!export->dummy)
		goto err_free;
	export->quota = accel_quota_get(ctx->quota);
	return export;

err_free:
	kfree(export);
err_charge:
	accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_HOST_MEMORY, ACCEL_EXPORT_COST);
	return ERR_PTR(-ENOMEM);
}

static struct accel_export *accel_export_create(struct accel_context *ctx,
						struct accel_buffer *buffer, u32 flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct accel_export *export = accel_export_alloc(ctx);
	struct accel_device *adev = ctx->adev;
	struct dma_buf *dmabuf;

	if (IS_ERR(export))
		return export;
	kref_init(&export->ref);
	INIT_LIST_HEAD(&export->node);
	INIT_LIST_HEAD(&export->buffer_node);
	INIT_LIST_HEAD(&export->imports);
	mutex_init(&export->revoke_lock);
	mutex_init(&export->lock);
	export->flags = flags;
	export->adev = adev;
	/* The driver is bound: the caller has just used the card. */
	export->driver = READ_ONCE(adev->pdev->dev.driver);
	get_device(&adev->dev);
	export->buffer = buffer;
	kref_get(&buffer->ref);

	info.ops = &accel_export_ops;
	info.size = buffer->bytes;
	info.flags = O_RDWR;
	info.priv = export;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		accel_export_put(export);
		return ERR_CAST(dmabuf);
	}
	export->dmabuf = dmabuf;
	return export;
}

/* Adds an export to its lists, unless the card or the handle is gone meanwhile. */
static int accel_export_publish(struct accel_context *ctx, struct accel_export *export, u32 handle)
{
	struct accel_device *adev = ctx->adev;
	int ret;

	mutex_lock(&adev->exports_lock);
	if (export->buffer->source)
		list_add_tail(&export->node, &adev->exports);
	if (export->flags & ACCEL_EXPORT_REVOKE)
		list_add_tail(&export->buffer_node, &export->buffer->exports);
	ret = accel_context_sharing_errno(ctx);
	if (!ret && xa_load(&ctx->buffers, handle) != export->buffer)
		ret = -ENOENT;
	mutex_unlock(&adev->exports_lock);
	return ret;
}

/* Takes a reference of a buffer that may be exported. */
static struct accel_buffer *accel_export_get_buffer(struct accel_context *ctx, u32 handle)
{
	struct accel_buffer *buffer;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ERR_PTR(ret);
	buffer = xa_load(&ctx->buffers, handle);
	if (!buffer) {
		buffer = ERR_PTR(-ENOENT);
	} else if (!buffer->ops->exportable) {
		buffer = ERR_PTR(-EINVAL);
	} else {
		buffer->end_exports = accel_export_end;
		kref_get(&buffer->ref);
	}
	accel_context_leave(ctx);
	return buffer;
}

/**
 * accel_ioctl_buffer_export() - ACCEL_IOCTL_BUFFER_EXPORT
 * @ctx: the context
 * @args: argument; on success its file descriptor is reserved, and the caller
 *	calls accel_export_commit() or accel_export_abort()
 *
 * Return: 0 or -errno.
 */
int accel_ioctl_buffer_export(struct accel_context *ctx, struct accel_export_args *args)
{
	struct accel_buffer *buffer;
	struct accel_export *export;
	int ret;

	if (args->uapi.flags & ~ACCEL_EXPORT_REVOKE)
		return -EOPNOTSUPP;
	buffer = accel_export_get_buffer(ctx, args->uapi.handle);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	export = accel_export_create(ctx, buffer, args->uapi.flags);
	accel_buffer_put(buffer);
	if (IS_ERR(export))
		return PTR_ERR(export);
	ret = accel_export_publish(ctx, export, args->uapi.handle);
	if (ret)
		goto err;
	ret = get_unused_fd_flags(O_CLOEXEC);
	if (ret < 0)
		goto err;
	args->uapi.fd = ret;
	args->dmabuf = export->dmabuf;
	return 0;

err:
	dma_buf_put(export->dmabuf);
	return ret;
}

/* The caller knows the file descriptor: it takes over the dma-buf. */
void accel_export_commit(struct accel_export_args *args)
{
	fd_install(args->uapi.fd, args->dmabuf->file);
}

/* The caller does not know the file descriptor. */
void accel_export_abort(struct accel_export_args *args)
{
	put_unused_fd(args->uapi.fd);
	dma_buf_put(args->dmabuf);
}

ACCEL_IMPORT_NS(DMA_BUF);
