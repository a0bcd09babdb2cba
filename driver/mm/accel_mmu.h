/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_mmu.h - the page tables of a context.
 */
#ifndef ACCEL_MMU_H
#define ACCEL_MMU_H

#include <linux/scatterlist.h>

#include "accel_device.h"
#include "accel_va.h"

struct accel_table;

/**
 * struct accel_mmu - the page tables of a context
 * @adev: the card
 * @lock: lock of the context, which protects the whole structure
 * @context: id of the context on the card
 * @root: root table, or NULL without a card half
 * @zombies: empty tables, to be freed after the next invalidation
 */
struct accel_mmu {
	struct accel_device *adev;
	struct mutex *lock;
	int context;
	struct accel_table *root;
	struct list_head zombies;
};

/**
 * struct accel_mmu_run - contiguous entries of one page table
 * @start: first address
 * @bytes: length
 * @target: address that @start translates to
 * @flags: ACCEL_PTE_*
 * @large: large pages
 */
struct accel_mmu_run {
	u64 start;
	u64 bytes;
	u64 target;
	u64 flags;
	bool large;
};

/* The most memory that page tables take for a mapping of @bytes, beyond those of the context. */
static inline u64 accel_mmu_table_bytes(u64 bytes)
{
	return (DIV_ROUND_UP_ULL(bytes, ACCEL_LARGE_SIZE) + 1) * PAGE_SIZE;
}

void accel_mmu_init(struct accel_mmu *mmu, struct accel_device *adev, struct mutex *lock);
int accel_mmu_start(struct accel_mmu *mmu, int context);
void accel_mmu_stop(struct accel_mmu *mmu);
dma_addr_t accel_mmu_root(const struct accel_mmu *mmu);
int accel_mmu_map_extents(struct accel_mmu *mmu, const struct accel_va *va, u32 prot,
			  const struct list_head *extents);
int accel_mmu_map_sgtable(struct accel_mmu *mmu, const struct accel_va *va, u32 prot,
			  struct sg_table *sgt);
int accel_mmu_unmap(struct accel_mmu *mmu, const struct accel_va *va);
unsigned int accel_mmu_walk(struct accel_mmu *mmu, u64 address, u64 *entries);
bool accel_mmu_next_run(struct accel_mmu *mmu, u64 from, struct accel_mmu_run *run);

#endif /* ACCEL_MMU_H */
