// SPDX-License-Identifier: GPL-2.0
/*
 * accel_coherent.c - memory that the CPU and a card use at the same time.
 *
 * A process and the card exchange data in mapped memory without a call of the
 * kernel. So nobody synchronizes that memory: both must see the same bytes at any
 * time. The ring and the status page of a queue are coherent memory of the kernel.
 * Other pages are mapped for the card as they are. The driver refuses a mapping for
 * which the kernel would copy the pages to a bounce buffer.
 */
#include <linux/dma-map-ops.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "accel_coherent.h"
#include "accel_compat.h"
#include "accel_section.h"

/* A larger block would need contiguous memory that is hard to get. */
#define ACCEL_BLOCK_BYTES	(64UL << 10)

/**
 * struct accel_coherent_block - one allocation
 * @cpu: its address in the kernel
 * @dma: its bus address
 * @bytes: its length
 */
struct accel_coherent_block {
	void *cpu;
	dma_addr_t dma;
	size_t bytes;
};

/* Memory needs no synchronization at this bus address. */
static bool accel_coherent_direct(struct device *dev, dma_addr_t address)
{
	if (!dev_is_dma_coherent(dev))
		return false;
	/* An IOMMU maps whole pages without a copy; dma_need_sync() knows only the other case. */
	return accel_compat_dma_translated(dev) || !dma_need_sync(dev, address);
}

/**
 * accel_coherent_check() - check that a DMA mapping needs no synchronization
 * @dev: device that the memory is mapped for
 * @sgt: the mapping, of whole pages
 *
 * Return: 0, or -EOPNOTSUPP after a message to the kernel log.
 */
int accel_coherent_check(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (accel_coherent_direct(dev, sg_dma_address(sg)))
			continue;
		dev_notice_ratelimited(dev,
				       "cannot share host memory: DMA uses bounce buffers; %s\n",
				       "boot without swiotlb=force, or use device memory");
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * accel_coherent_map() - map pages for a device, for use together with the CPU
 * @dev: the device
 * @sgt: the pages
 * @direction: direction of the accesses of the device
 *
 * Return: 0 or -errno; -EOPNOTSUPP if the device would get copies of the pages.
 */
int accel_coherent_map(struct device *dev, struct sg_table *sgt, enum dma_data_direction direction)
{
	int ret;

	ret = dma_map_sgtable(dev, sgt, direction, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		return ret;
	ret = accel_coherent_check(dev, sgt);
	if (ret)
		accel_coherent_unmap(dev, sgt, direction);
	return ret;
}

void accel_coherent_unmap(struct device *dev, struct sg_table *sgt,
			  enum dma_data_direction direction)
{
	dma_unmap_sgtable(dev, sgt, direction, DMA_ATTR_SKIP_CPU_SYNC);
}

/* Maps a page to find out whether the card can share host memory with the CPU. */
static int accel_coherent_try(struct accel_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	struct page *page;
	dma_addr_t dma;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	dma = dma_map_page_attrs(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL,
				 DMA_ATTR_SKIP_CPU_SYNC);
	if (!dma_mapping_error(dev, dma)) {
		adev->host_memory = accel_coherent_direct(dev, dma);
		dma_unmap_page_attrs(dev, dma, PAGE_SIZE, DMA_BIDIRECTIONAL,
				     DMA_ATTR_SKIP_CPU_SYNC);
	}
	__free_page(page);
	return 0;
}

/**
 * accel_coherent_init() - find out which memory the CPU and the card can share
 * @adev: the card
 *
 * Return: 0 or -errno; -EOPNOTSUPP if the card does not see the CPU's caches.
 */
int accel_coherent_init(struct accel_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	int ret;

	if (!dev_is_dma_coherent(dev))
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "no cache-coherent DMA: the slot lacks it; use another one\n");
	ret = accel_coherent_try(adev);
	if (!ret && !adev->host_memory)
		dev_info(dev, "no buffers in host memory: DMA uses bounce buffers; %s\n",
			 "boot without swiotlb=force, or use device memory");
	return ret;
}

/*
 * Waits until the coherent memory of all queues is free: the driver must not free it after it is
 * unbound. No process can delay that, because the card has stopped and every queue has ended.
 */
void accel_coherent_fini(struct accel_device *adev)
{
	wait_var_event(&adev->coherent_users, !atomic_read(&adev->coherent_users));
}

/* The first page is a block of its own: the status page of a queue. */
static size_t accel_coherent_next_bytes(const struct accel_coherent *memory, unsigned long pages,
					size_t limit)
{
	unsigned long left = pages - memory->page_count;

	return memory->page_count ? min(left << PAGE_SHIFT, limit) : PAGE_SIZE;
}

/* Adds the pages of a block to the array of pages. */
static int accel_coherent_list_pages(struct accel_device *adev, struct accel_coherent *memory,
				     const struct accel_coherent_block *block)
{
	struct sg_page_iter iter;
	struct sg_table sgt;
	int ret;

	ret = dma_get_sgtable(&adev->pdev->dev, &sgt, block->cpu, block->dma, block->bytes);
	if (ret)
		return ret;
	for_each_sgtable_page(&sgt, &iter, 0)
		memory->pages[memory->page_count++] = sg_page_iter_page(&iter);
	sg_free_table(&sgt);
	return 0;
}

static int accel_coherent_alloc_blocks(struct accel_device *adev, unsigned long pages,
				       struct accel_coherent *memory)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	size_t limit = ACCEL_BLOCK_BYTES;
	int ret;

	while (memory->page_count < pages) {
		struct accel_coherent_block *block = &memory->blocks[memory->count];

		block->bytes = accel_coherent_next_bytes(memory, pages, limit);
		block->cpu = dma_alloc_coherent(&adev->pdev->dev, block->bytes, &block->dma,
						gfp | (block->bytes > PAGE_SIZE ?
						       __GFP_NORETRY : 0));
		if (!block->cpu && block->bytes > PAGE_SIZE) {
			limit = block->bytes / 2;
			continue;
		}
		if (!block->cpu)
			return -ENOMEM;
		memory->count++;
		ret = accel_coherent_list_pages(adev, memory, block);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int accel_coherent_fill_sgtable(const struct accel_coherent *memory, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int ret, i;

	ret = sg_alloc_table(sgt, memory->count, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		sg_dma_address(sg) = memory->blocks[i].dma;
		sg_dma_len(sg) = memory->blocks[i].bytes;
	}
	return 0;
}

/**
 * accel_coherent_alloc() - allocate coherent memory, filled with zeros
 * @adev: the card; the caller is in a section
 * @pages: number of pages: one, and a power of two
 * @memory: the memory, filled in
 * @sgt: its bus addresses, filled in
 *
 * Return: 0 or -errno.
 */
int accel_coherent_alloc(struct accel_device *adev, unsigned long pages,
			 struct accel_coherent *memory, struct sg_table *sgt)
{
	int ret = -ENOMEM;

	accel_section_assert(adev);
	atomic_inc(&adev->coherent_users);
	*memory = (struct accel_coherent) {};
	memory->blocks = kvcalloc(pages, sizeof(*memory->blocks), GFP_KERNEL_ACCOUNT);
	memory->pages = kvcalloc(pages, sizeof(*memory->pages), GFP_KERNEL_ACCOUNT);
	if (memory->blocks && memory->pages)
		ret = accel_coherent_alloc_blocks(adev, pages, memory);
	if (!ret)
		ret = accel_coherent_fill_sgtable(memory, sgt);
	if (ret)
		accel_coherent_free(adev, memory);
	return ret;
}

/**
 * accel_coherent_free() - free coherent memory
 * @adev: the card; the driver is still bound to it
 * @memory: memory of accel_coherent_alloc()
 *
 * Context: may sleep.
 */
void accel_coherent_free(struct accel_device *adev, struct accel_coherent *memory)
{
	unsigned int i;

	for (i = 0; i < memory->count; i++)
		dma_free_coherent(&adev->pdev->dev, memory->blocks[i].bytes,
				  memory->blocks[i].cpu, memory->blocks[i].dma);
	kvfree(memory->blocks);
	kvfree(memory->pages);
	*memory = (struct accel_coherent) {};
	if (atomic_dec_and_test(&adev->coherent_users))
		wake_up_var(&adev->coherent_users);
}

/* The kernel's address of the first page. */
void *accel_coherent_address(const struct accel_coherent *memory)
{
	return memory->blocks[0].cpu;
}

/**
 * accel_coherent_at() - the driver's view of an offset in coherent memory
 * @memory: the memory
 * @offset: the offset
 *
 * Return: the address, which is contiguous up to the end of the page; NULL beyond the
 * end of the memory.
 */
const void *accel_coherent_at(const struct accel_coherent *memory, size_t offset)
{
	unsigned int i;

	for (i = 0; i < memory->count; i++) {
		if (offset < memory->blocks[i].bytes)
			return memory->blocks[i].cpu + offset;
		offset -= memory->blocks[i].bytes;
	}
	return NULL;
}
