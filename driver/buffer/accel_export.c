// SPDX-License-Identifier: GPL-2.0
/*
 * accel_export.c - exports a buffer as a dma-buf, for other processes, other cards
 * and other drivers.
 *
 * Host memory is mapped for each device that attaches. A context of the same card
 * enters device memory in its own page tables (accel_import.c). Other devices
 * reach device memory through BAR4, without a copy in host memory.
 *
 * Device memory ends when the card stops, so an export can be revoked. Revocation
 * tells the importers and returns when they have ended their access. Mappings
 * show a zero page after that. A revoked export stays revoked.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include "accel_compat.h"
#include "accel_export.h"
#include "accel_vram.h"

/* The time limit for importers to end their access. */
#define ACCEL_EXPORT_TIMEOUT	(10 * HZ)
/* The length of an entry of a scatterlist is 32 bits wide. */
#define ACCEL_EXPORT_SEGMENT	(1ULL << 30)

/* True if another device can reach the BAR of the card without the host bridge. */
static bool accel_export_reachable(struct accel_export *export, struct device *dev)
{
	/* A kernel without peer-to-peer support cannot tell; the bus decides. */
	if (!IS_ENABLED(CONFIG_PCI_P2PDMA))
		return true;
	return dev_is_pci(dev) && pci_p2pdma_distance(export->adev->pdev, dev, true) >= 0;
}

static int accel_export_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct accel_export *export = dmabuf->priv;

	/* An importer without a callback cannot end its access, so it gets no revocable memory. */
	if (export->flags & ACCEL_EXPORT_REVOKE && !attach->importer_ops)
		return -EOPNOTSUPP;
	if (!export->buffer->source)
		return 0;
	if (!attach->peer2peer || !accel_export_reachable(export, attach->dev))
		return -EOPNOTSUPP;
	return 0;
}

/* The memory never moves. It only ends, and then all importers are told. */
static int accel_export_pin(struct dma_buf_attachment *attach)
{
	return 0;
}

static void accel_export_unpin(struct dma_buf_attachment *attach)
{
}

static int accel_export_map_host(struct accel_buffer *buffer, struct device *dev,
				 struct sg_table *sgt, enum dma_data_direction direction)
{
	int ret;

	ret = sg_alloc_table_from_pages(sgt, buffer->pages, buffer->page_count, 0, buffer->bytes,
					GFP_KERNEL);
	if (ret)
		return ret;
	ret = dma_map_sgtable(dev, sgt, direction, 0);
	if (ret)
		sg_free_table(sgt);
	return ret;
}

static void accel_export_unmap_vram(struct device *dev, struct sg_table *sgt,
				    enum dma_data_direction direction)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i)
		if (sg_dma_len(sg))
			dma_unmap_resource(dev, sg_dma_address(sg), sg_dma_len(sg), direction, 0);
	sg_free_table(sgt);
}

/* Maps the extents in BAR4 for @dev. They have no struct page. */
static int accel_export_map_vram(struct accel_buffer *buffer, struct device *dev,
				 struct sg_table *sgt, enum dma_data_direction direction)
{
	struct accel_extent *extent;
	unsigned int count = 0;
	struct scatterlist *sg;
	u64 offset, bytes;

	list_for_each_entry(extent, &buffer->extents, list)
		count += DIV_ROUND_UP_ULL(extent->bytes, ACCEL_EXPORT_SEGMENT);
	if (sg_alloc_table(sgt, count, GFP_KERNEL))
		return -ENOMEM;
	sg = sgt->sgl;
	list_for_each_entry(extent, &buffer->extents, list) {
		for (offset = 0; offset < extent->bytes; offset += bytes, sg = sg_next(sg)) {
			phys_addr_t bar = buffer->adev->vram_phys + extent->offset + offset;
			dma_addr_t address;

			bytes = min(extent->bytes - offset, ACCEL_EXPORT_SEGMENT);
			address = dma_map_resource(dev, bar, bytes, direction, 0);
			if (dma_mapping_error(dev, address)) {
				accel_export_unmap_vram(dev, sgt, direction);
				return -ENOMEM;
			}
			sg_set_page(sg, NULL, bytes, 0);
			sg_dma_address(sg) = address;
			sg_dma_len(sg) = bytes;
		}
	}
	return 0;
}

static struct sg_table *accel_export_map(struct dma_buf_attachment *attach,
					 enum dma_data_direction direction)
{
	struct accel_export *export = attach->dmabuf->priv;
	struct accel_buffer *buffer = export->buffer;
	struct sg_table *sgt;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (export->revoked)
		return ERR_PTR(-ENODEV);
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = buffer->source ? accel_export_map_vram(buffer, attach->dev, sgt, direction) :
			       accel_export_map_host(buffer, attach->dev, sgt, direction);
	if (ret) {
		kfree(sgt);
		return ERR_PTR(ret);
	}
	return sgt;
}

static void accel_export_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			       enum dma_data_direction direction)
{
	struct accel_export *export = attach->dmabuf->priv;

	if (export->buffer->source) {
		accel_export_unmap_vram(attach->dev, sgt, direction);
	} else {
		dma_unmap_sgtable(attach->dev, sgt, direction, 0);
		sg_free_table(sgt);
	}
	kfree(sgt);
}

static void accel_export_free(struct accel_export *export)
{
	accel_buffer_put(export->buffer);
	__free_page(export->dummy);
	mutex_destroy(&export->lock);
	put_device(&export->adev->dev);
	kfree(export);
}

/* The last reference of the dma-buf is gone, so it has no attachment and no mapping. */
static void accel_export_release(struct dma_buf *dmabuf)
{
	struct accel_export *export = dmabuf->priv;

	mutex_lock(&export->adev->exports_lock);
	list_del(&export->node);
	mutex_unlock(&export->adev->exports_lock);
	accel_export_free(export);
}

static const struct dma_buf_ops accel_export_ops = {
	.attach = accel_export_attach,
	.pin = accel_export_pin,
	.unpin = accel_export_unpin,
	.map_dma_buf = accel_export_map,
	.unmap_dma_buf = accel_export_unmap,
	.mmap = accel_export_mmap,
	.release = accel_export_release,
};

/* exports_lock is held. It keeps the dma-buf alive, because release() takes it. */
static void accel_export_revoke(struct accel_export *export)
{
	struct dma_buf *dmabuf = export->dmabuf;
	struct accel_export_link *link, *next;

	lockdep_assert_held(&export->adev->exports_lock);
	dma_resv_lock(dmabuf->resv, NULL);
	if (!export->revoked) {
		list_for_each_entry_safe(link, next, &export->imports, node)
			link->revoke(link);
		accel_compat_move_notify(dmabuf);
		/* An importer may still have work in flight that uses the memory. */
		dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, false,
				      ACCEL_EXPORT_TIMEOUT);
		mutex_lock(&export->lock);
		export->revoked = true;
		/* The file may be gone already if there is no mapping. */
		if (export->mappings)
			unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
		mutex_unlock(&export->lock);
	}
	dma_resv_unlock(dmabuf->resv);
}

/**
 * accel_exports_revoke() - revoke all exports of device memory before the card stops
 * @adev: the card; no lock is held
 *
 * On return no device accesses device memory through a dma-buf. No dma-buf is
 * exported or imported until the card starts again.
 */
void accel_exports_revoke(struct accel_device *adev)
{
	struct accel_export *export;

	mutex_lock(&adev->exports_lock);
	WRITE_ONCE(adev->sharing_stopped, true);
	list_for_each_entry(export, &adev->exports, node)
		if (export->buffer->source)
			accel_export_revoke(export);
	mutex_unlock(&adev->exports_lock);
}

/* The handle of an exported buffer is gone. No lock is held. */
static void accel_export_end(struct accel_buffer *buffer)
{
	struct accel_device *adev = buffer->adev;
	struct accel_export *export;

	mutex_lock(&adev->exports_lock);
	list_for_each_entry(export, &adev->exports, node)
		if (export->buffer == buffer && export->flags & ACCEL_EXPORT_REVOKE)
			accel_export_revoke(export);
	mutex_unlock(&adev->exports_lock);
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

static struct accel_export *accel_export_create(struct accel_device *adev,
						struct accel_buffer *buffer, u32 flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct accel_export *export;
	struct dma_buf *dmabuf;

	export = kzalloc(sizeof(*export), GFP_KERNEL_ACCOUNT);
	if (!export)
		return ERR_PTR(-ENOMEM);
	export->dummy = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!export->dummy) {
		kfree(export);
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&export->lock);
	INIT_LIST_HEAD(&export->imports);
	export->flags = flags;
	export->adev = adev;
	get_device(&adev->dev);
	export->buffer = buffer;
	kref_get(&buffer->ref);

	info.ops = &accel_export_ops;
	info.size = buffer->bytes;
	info.flags = O_RDWR;
	info.priv = export;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		accel_export_free(export);
		return ERR_CAST(dmabuf);
	}
	export->dmabuf = dmabuf;
	return export;
}

/* Adds an export to the list of the card, unless the card or the handle is gone meanwhile. */
static int accel_export_publish(struct accel_context *ctx, struct accel_export *export, u32 handle)
{
	struct accel_device *adev = ctx->adev;
	int ret = 0;

	mutex_lock(&adev->exports_lock);
	list_add_tail(&export->node, &adev->exports);
	/* detach_errno: the card has stopped and started again since the caller checked. */
	if (adev->sharing_stopped || READ_ONCE(ctx->detach_errno))
		ret = -ESTALE;
	else if (xa_load(&ctx->buffers, handle) != export->buffer)
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
	export = accel_export_create(ctx->adev, buffer, args->uapi.flags);
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
