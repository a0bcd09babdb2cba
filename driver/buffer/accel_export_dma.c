// SPDX-License-Identifier: GPL-2.0
/*
 * accel_export_dma.c - how other devices attach to an export and map its memory.
 *
 * Host memory is mapped for each device that attaches. Device memory is mapped through
 * BAR4, without a copy in host memory; a context of the same card does not come here,
 * because it enters the memory in its own page tables (accel_import.c).
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include "accel_coherent.h"
#include "accel_export_dma.h"
#include "accel_vram.h"

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

/* The importer is another driver, not one of our cards. */
static bool accel_export_is_foreign(struct accel_export *export,
				    const struct dma_buf_attachment *attach)
{
	return attach->dev->driver != export->driver;
}

int accel_export_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct accel_export *export = dmabuf->priv;

	/* An importer without a callback cannot end its access, so it gets no revocable memory. */
	if (export->flags & ACCEL_EXPORT_REVOKE && !attach->importer_ops)
		return -EOPNOTSUPP;
	if (export->buffer->source &&
	    (!attach->peer2peer || !accel_export_reachable(export, attach->dev)))
		return -EOPNOTSUPP;
	if (accel_export_is_foreign(export, attach))
		atomic_inc(&export->foreign);
	return 0;
}

void accel_export_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct accel_export *export = dmabuf->priv;

	if (accel_export_is_foreign(export, attach))
		atomic_dec(&export->foreign);
}

/*
 * The memory never moves. But an importer that pins relies on memory that is not taken away, and
 * some ignore the callback. So only our own cards pin memory that can be revoked.
 */
int accel_export_pin(struct dma_buf_attachment *attach)
{
	struct accel_export *export = attach->dmabuf->priv;
	bool revocable = export->buffer->source || export->flags & ACCEL_EXPORT_REVOKE;

	return revocable && accel_export_is_foreign(export, attach) ? -EOPNOTSUPP : 0;
}

void accel_export_unpin(struct dma_buf_attachment *attach)
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
	ret = accel_coherent_map(dev, sgt, direction);
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

struct sg_table *accel_export_map(struct dma_buf_attachment *attach,
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

void accel_export_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction direction)
{
	struct accel_export *export = attach->dmabuf->priv;

	if (export->buffer->source) {
		accel_export_unmap_vram(attach->dev, sgt, direction);
	} else {
		accel_coherent_unmap(attach->dev, sgt, direction);
		sg_free_table(sgt);
	}
	kfree(sgt);
}
