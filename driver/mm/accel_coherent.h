/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_coherent.h - memory that the CPU and a card use at the same time.
 */
#ifndef ACCEL_COHERENT_H
#define ACCEL_COHERENT_H

#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

#include "accel_device.h"

/**
 * struct accel_coherent - coherent memory of several blocks
 * @blocks: array of the blocks
 * @count: number of @blocks
 * @pages: pages of all blocks, in order
 * @page_count: number of @pages
 */
struct accel_coherent {
	struct accel_coherent_block *blocks;
	unsigned int count;
	struct page **pages;
	unsigned long page_count;
};

int accel_coherent_init(struct accel_device *adev);
void accel_coherent_fini(struct accel_device *adev);
int accel_coherent_map(struct device *dev, struct sg_table *sgt,
		       enum dma_data_direction direction);
void accel_coherent_unmap(struct device *dev, struct sg_table *sgt,
			  enum dma_data_direction direction);
int accel_coherent_check(struct device *dev, struct sg_table *sgt);
int accel_coherent_alloc(struct accel_device *adev, unsigned long pages,
			 struct accel_coherent *memory, struct sg_table *sgt);
void accel_coherent_free(struct accel_device *adev, struct accel_coherent *memory);
void *accel_coherent_address(const struct accel_coherent *memory);
const void *accel_coherent_at(const struct accel_coherent *memory, size_t offset);

#endif /* ACCEL_COHERENT_H */
