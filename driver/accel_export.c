// SPDX-License-Identifier: GPL-2.0
/*
 * accel_export.c - a buffer as a dma-buf, for other processes, other cards and
 * other drivers.
 *
 * Host memory is mapped for whoever attaches. Device memory of this card is
 * entered in the page tables of its own contexts as it is (accel_import.c);
 * others reach it through BAR4, without touching memory of the host.
 *
 * Device memory goes when the card does. So an export can be revoked: its
 * importers are told, and have let go when that returns; mappings show a page
 * of zeros. A revoked export stays revoked.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include "accel.h"
#include "accel_compat.h"

/* How long importers may take to let go. */
#define ACCEL_EXPORT_PATIENCE	(10 * HZ)
/* The length of an entry of a scatterlist is 32 bits wide. */
#define ACCEL_EXPORT_SEGMENT	(1ULL << 30)

/**
 * struct accel_export - a dma-buf of ours
 * @node: in accel_device.exports
 * @adev: whose memory it is; a reference of its device
 * @buffer: a reference
 * @dmabuf: whose private data this is
 * @flags: ACCEL_EXPORT_*
 * @lock: a page is entered, a mapping comes or goes, or @revoked is set
 * @revoked: it has lost its memory; written with the dma-buf's reservation held
 * @imports: of the same card, in its own memory; under the reservation
 * @mappings: how many there are; each keeps the dma-buf's file
 * @dummy: what they show when it is revoked
 */
struct accel_export {
	struct list_head node;
	struct accel_device *adev;
	struct accel_buffer *buffer;
	struct dma_buf *dmabuf;
	u32 flags;
	struct mutex lock;
	bool revoked;
	struct list_head imports;
	unsigned int mappings;
	struct page *dummy;
};

/* Is there a way from another device to our BAR that does not end in the host bridge? */
static bool accel_export_reachable(struct accel_export *export, struct device *dev)
{
	/* A kernel without peer-to-peer support has no opinion; the bus decides. */
	if (!IS_ENABLED(CONFIG_PCI_P2PDMA))
		return true;
	return dev_is_pci(dev) && pci_p2pdma_distance(export->adev->pdev, dev, true) >= 0;
}

static int accel_export_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct accel_export *export = dmabuf->priv;

	/* Who cannot be told to let go gets nothing that can be taken away. */
	if (export->flags & ACCEL_EXPORT_REVOKE && !attach->importer_ops)
		return -EOPNOTSUPP;
	if (!export->buffer->source)
		return 0;
	if (!attach->peer2peer || !accel_export_reachable(export, attach->dev))
		return -EOPNOTSUPP;
	return 0;
}

/* Memory does not move; it only ends, and then all are told. */
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

static void accel_export_unmap_device(struct device *dev, struct sg_table *sgt,
				      enum dma_data_direction direction)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i)
		if (sg_dma_len(sg))
			dma_unmap_resource(dev, sg_dma_address(sg), sg_dma_len(sg), direction, 0);
	sg_free_table(sgt);
}

/* Pieces of BAR4 as @dev sees them. They have no struct page. */
static int accel_export_map_device(struct accel_buffer *buffer, struct device *dev,
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
			phys_addr_t bar = buffer->adev->memory + extent->offset + offset;
			dma_addr_t address;

			bytes = min(extent->bytes - offset, ACCEL_EXPORT_SEGMENT);
			address = dma_map_resource(dev, bar, bytes, direction, 0);
			if (dma_mapping_error(dev, address)) {
				accel_export_unmap_device(dev, sgt, direction);
				return -ENOMEM;
			}
			sg_set_page(sg, NULL, bytes, 0);
			sg_dma_address(sg) = address;
			sg_dma_len(sg) = bytes;
		}
	}
	return 0;
}

/* Called with the reservation held. */
static struct sg_table *accel_export_map(struct dma_buf_attachment *attach,
					 enum dma_data_direction direction)
{
	struct accel_export *export = attach->dmabuf->priv;
	struct accel_buffer *buffer = export->buffer;
	struct sg_table *sgt;
	int ret;

	if (export->revoked)
		return ERR_PTR(-ENODEV);
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = buffer->source ? accel_export_map_device(buffer, attach->dev, sgt, direction) :
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
		accel_export_unmap_device(attach->dev, sgt, direction);
	} else {
		dma_unmap_sgtable(attach->dev, sgt, direction, 0);
		sg_free_table(sgt);
	}
	kfree(sgt);
}

/* Mappings: vm_private_data is the export, which the file of the mapping keeps. */

static void accel_export_vm_open(struct vm_area_struct *vma)
{
	struct accel_export *export = vma->vm_private_data;

	mutex_lock(&export->lock);
	export->mappings++;
	mutex_unlock(&export->lock);
}

static void accel_export_vm_close(struct vm_area_struct *vma)
{
	struct accel_export *export = vma->vm_private_data;

	mutex_lock(&export->lock);
	export->mappings--;
	mutex_unlock(&export->lock);
}

static vm_fault_t accel_export_host_fault(struct vm_fault *vmf)
{
	struct accel_export *export = vmf->vma->vm_private_data;
	struct accel_buffer *buffer = export->buffer;
	vm_fault_t ret = 0;
	struct page *page;

	if (vmf->pgoff >= buffer->page_count)
		return VM_FAULT_SIGBUS;
	mutex_lock(&export->lock);
	page = export->revoked ? export->dummy : buffer->pages[vmf->pgoff];
	if (vmf->vma->vm_flags & VM_PFNMAP) {
		ret = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
	} else {
		vmf->page = page;
		get_page(page);
	}
	mutex_unlock(&export->lock);
	return ret;
}

static const struct vm_operations_struct accel_export_host_ops = {
	.open = accel_export_vm_open,
	.close = accel_export_vm_close,
	.fault = accel_export_host_fault,
};

static vm_fault_t accel_export_device_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_export *export = vma->vm_private_data;
	vm_fault_t ret;

	mutex_lock(&export->lock);
	if (export->revoked)
		ret = vmf_insert_pfn(vma, vmf->address, page_to_pfn(export->dummy));
	else
		ret = accel_mmap_insert(vmf, export->buffer, (u64)vma->vm_pgoff << PAGE_SHIFT);
	mutex_unlock(&export->lock);
	return ret;
}

#ifdef ACCEL_HAVE_HUGE_PFN
static vm_fault_t accel_export_device_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_export *export = vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_FALLBACK;

	mutex_lock(&export->lock);
	if (!export->revoked)
		ret = accel_mmap_insert_huge(vmf, order, export->buffer,
					     (u64)vma->vm_pgoff << PAGE_SHIFT);
	mutex_unlock(&export->lock);
	return ret;
}
#endif

static const struct vm_operations_struct accel_export_device_ops = {
	.open = accel_export_vm_open,
	.close = accel_export_vm_close,
	.fault = accel_export_device_fault,
#ifdef ACCEL_HAVE_HUGE_PFN
	.huge_fault = accel_export_device_huge_fault,
#endif
};

static int accel_export_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct accel_export *export = dmabuf->priv;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (export->buffer->source) {
		vm_flags_set(vma, VM_IO | VM_PFNMAP);
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
		vma->vm_ops = &accel_export_device_ops;
	} else {
		/* What can be revoked must not be pinned by who has mapped it. */
		if (export->flags & ACCEL_EXPORT_REVOKE)
			vm_flags_set(vma, VM_IO | VM_PFNMAP);
		vma->vm_ops = &accel_export_host_ops;
	}
	vma->vm_private_data = export;
	accel_export_vm_open(vma);
	return 0;
}

static void accel_export_free(struct accel_export *export)
{
	accel_buffer_put(export->buffer);
	__free_page(export->dummy);
	mutex_destroy(&export->lock);
	put_device(&export->adev->dev);
	kfree(export);
}

/* The last reference of the dma-buf is gone: nobody has it attached or mapped. */
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

/*
 * Called with exports_lock held, which keeps the dma-buf: its release waits
 * for that lock.
 */
static void accel_export_revoke(struct accel_export *export)
{
	struct dma_buf *dmabuf = export->dmabuf;
	struct list_head *node, *next;

	dma_resv_lock(dmabuf->resv, NULL);
	if (!export->revoked) {
		list_for_each_safe(node, next, &export->imports)
			accel_import_revoke(node);
		accel_compat_move_notify(dmabuf);
		/* An importer may have been told and have work under way that still uses it. */
		dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, false,
				      ACCEL_EXPORT_PATIENCE);
		mutex_lock(&export->lock);
		export->revoked = true;
		/* With no mapping the file may be gone already. */
		if (export->mappings)
			unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
		mutex_unlock(&export->lock);
	}
	dma_resv_unlock(dmabuf->resv);
}

/**
 * accel_exports_revoke() - the card is about to be stopped
 * @adev: the card; no lock is held
 *
 * When it returns nobody reaches device memory by a dma-buf, and no dma-buf is
 * made or imported until the card is started again.
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

/**
 * accel_export_end() - the handle of an exported buffer is gone
 * @buffer: the buffer; no lock is held
 */
void accel_export_end(struct accel_buffer *buffer)
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
 * accel_export_source() - is a dma-buf memory of this card
 * @dmabuf: any dma-buf
 * @adev: the card
 *
 * Return: the buffer whose extents it shows, valid as long as the dma-buf is;
 * NULL when the memory is elsewhere.
 */
struct accel_buffer *accel_export_source(struct dma_buf *dmabuf, struct accel_device *adev)
{
	struct accel_export *export = dmabuf->priv;

	if (dmabuf->ops != &accel_export_ops || export->adev != adev)
		return NULL;
	return export->buffer->source;
}

/**
 * accel_export_link() - have an import of the same card told of the end
 * @dmabuf: ours; its reservation is held
 * @node: of the import
 *
 * Return: false when that was already.
 */
bool accel_export_link(struct dma_buf *dmabuf, struct list_head *node)
{
	struct accel_export *export = dmabuf->priv;

	if (!export->revoked)
		list_add_tail(node, &export->imports);
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

/* Takes its place among the exports, unless the card or the handle is gone meanwhile. */
static int accel_export_publish(struct accel_context *ctx, struct accel_export *export, u32 handle)
{
	struct accel_device *adev = ctx->adev;
	int ret = 0;

	mutex_lock(&adev->exports_lock);
	list_add_tail(&export->node, &adev->exports);
	/* The second: it was stopped and started again since the caller looked. */
	if (adev->sharing_stopped || READ_ONCE(ctx->dead))
		ret = -ESTALE;
	else if (xa_load(&ctx->buffers, handle) != export->buffer)
		ret = -ENOENT;
	mutex_unlock(&adev->exports_lock);
	return ret;
}

/**
 * accel_ioctl_buffer_export() - ACCEL_IOCTL_BUFFER_EXPORT
 * @ctx: the context
 * @arg: struct accel_export_call; its file descriptor is reserved, and is
 *	installed by the caller when it was delivered
 *
 * Return: 0 or -errno.
 */
int accel_ioctl_buffer_export(struct accel_context *ctx, void *arg)
{
	struct accel_export_call *call = arg;
	struct accel_buffer *buffer;
	struct accel_export *export;
	int ret;

	if (call->uapi.flags & ~ACCEL_EXPORT_REVOKE)
		return -EOPNOTSUPP;
	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	buffer = xa_load(&ctx->buffers, call->uapi.handle);
	if (!buffer) {
		ret = -ENOENT;
	} else if (buffer->kind != ACCEL_KIND_HOST && buffer->kind != ACCEL_KIND_DEVICE) {
		/* Not ours to give: the process's own memory, or somebody else's. */
		ret = -EINVAL;
	} else {
		buffer->exported = true;
		kref_get(&buffer->ref);
	}
	accel_context_leave(ctx);
	if (ret)
		return ret;

	export = accel_export_create(ctx->adev, buffer, call->uapi.flags);
	accel_buffer_put(buffer);
	if (IS_ERR(export))
		return PTR_ERR(export);
	ret = accel_export_publish(ctx, export, call->uapi.handle);
	if (ret)
		goto err;
	ret = get_unused_fd_flags(O_CLOEXEC);
	if (ret < 0)
		goto err;
	call->uapi.fd = ret;
	call->dmabuf = export->dmabuf;
	return 0;

err:
	dma_buf_put(export->dmabuf);
	return ret;
}

ACCEL_IMPORT_NS(DMA_BUF);
