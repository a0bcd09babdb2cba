/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_export_dma.h - operations of exports for devices that use their memory.
 */
#ifndef ACCEL_EXPORT_DMA_H
#define ACCEL_EXPORT_DMA_H

#include <linux/dma-buf.h>

#include "accel_export_vm.h"

int accel_export_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
void accel_export_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
int accel_export_pin(struct dma_buf_attachment *attach);
void accel_export_unpin(struct dma_buf_attachment *attach);
struct sg_table *accel_export_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction direction);
void accel_export_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction direction);

#endif /* ACCEL_EXPORT_DMA_H */
