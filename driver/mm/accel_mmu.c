// SPDX-License-Identifier: GPL-2.0
/*
 * accel_mmu.c - the page tables of a context.
 *
 * The card caches only valid translations, so it sees a new mapping at once.
 * The removal of a mapping ends with an INVALIDATE. After its answer the card
 * does not access the pages any more, nor the tables that became empty.
 */
#include <linux/dma-mapping.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "accel_admin.h"
#include "accel_mmu.h"
#include "accel_vram.h"

/**
 * struct accel_table - one page table
 * @entries: entries for the card
 * @dma: bus address of @entries
 * @children: tables below, by entry; NULL at level 0
 * @used: number of valid entries
 * @zombie: in accel_mmu.zombies
 */
struct accel_table {
	__le64 *entries;
	dma_addr_t dma;
	struct accel_table **children;
	unsigned int used;
	struct list_head zombie;
};

static struct accel_table *accel_table_alloc(struct accel_device *adev, int level)
{
	struct accel_table *table;

	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	if (level > 0) {
		table->children = kcalloc(ACCEL_TABLE_ENTRIES, sizeof(*table->children),
					  GFP_KERNEL_ACCOUNT);
		if (!table->children)
			goto err;
	}
	table->entries = dma_alloc_coherent(&adev->pdev->dev, PAGE_SIZE, &table->dma,
					    GFP_KERNEL_ACCOUNT);
	if (!table->entries)
		goto err;
	return table;

err:
	kfree(table->children);
	kfree(table);
	return NULL;
}

static void accel_table_free(struct accel_device *adev, struct accel_table *table)
{
	dma_free_coherent(&adev->pdev->dev, PAGE_SIZE, table->entries, table->dma);
	kfree(table->children);
	kfree(table);
}

static unsigned int accel_table_index(u64 address, int level)
{
	return address >> ACCEL_TABLE_SHIFT(level) & (ACCEL_TABLE_ENTRIES - 1);
}

static void accel_table_set(struct accel_table *table, unsigned int index, u64 entry)
{
	table->used++;
	/* The card must see the contents of a table before the entry that points to it. */
	dma_wmb();
	WRITE_ONCE(table->entries[index], cpu_to_le64(entry));
}

static void accel_table_clear(struct accel_table *table, unsigned int index)
{
	table->used--;
	WRITE_ONCE(table->entries[index], 0);
}

/**
 * accel_mmu_init() - make an MMU without page tables
 * @mmu: the MMU of a context
 * @adev: the card
 * @lock: lock of the context
 */
void accel_mmu_init(struct accel_mmu *mmu, struct accel_device *adev, struct mutex *lock)
{
	mmu->adev = adev;
	mmu->lock = lock;
	mmu->context = -1;
	mmu->root = NULL;
	INIT_LIST_HEAD(&mmu->zombies);
}

/**
 * accel_mmu_start() - allocate the root table
 * @mmu: the MMU
 * @context: id of the context on the card
 *
 * Return: 0 or -ENOMEM.
 */
int accel_mmu_start(struct accel_mmu *mmu, int context)
{
	lockdep_assert_held(mmu->lock);
	mmu->context = context;
	mmu->root = accel_table_alloc(mmu->adev, ACCEL_TABLE_LEVELS - 1);
	return mmu->root ? 0 : -ENOMEM;
}

/* The bus address of the root table. */
dma_addr_t accel_mmu_root(const struct accel_mmu *mmu)
{
	return mmu->root->dma;
}

static void accel_mmu_free_zombies(struct accel_mmu *mmu)
{
	struct accel_table *table, *next;

	list_for_each_entry_safe(table, next, &mmu->zombies, zombie) {
		list_del(&table->zombie);
		accel_table_free(mmu->adev, table);
	}
}

static void accel_mmu_free_tree(struct accel_mmu *mmu, struct accel_table *table, int level)
{
	int i;

	for (i = 0; level > 0 && i < ACCEL_TABLE_ENTRIES; i++)
		if (table->children[i])
			accel_mmu_free_tree(mmu, table->children[i], level - 1);
	accel_table_free(mmu->adev, table);
	cond_resched();
}

/**
 * accel_mmu_stop() - free the tables
 * @mmu: the MMU of a context that does not exist on the card any more
 */
void accel_mmu_stop(struct accel_mmu *mmu)
{
	accel_mmu_free_zombies(mmu);
	if (mmu->root)
		accel_mmu_free_tree(mmu, mmu->root, ACCEL_TABLE_LEVELS - 1);
	mmu->root = NULL;
}

/* Writes one leaf, and allocates the tables above it. */
static int accel_mmu_set(struct accel_mmu *mmu, u64 address, u64 leaf, int level)
{
	struct accel_table *table = mmu->root, *child;
	int at;

	for (at = ACCEL_TABLE_LEVELS - 1; at > level; at--) {
		unsigned int index = accel_table_index(address, at);

		child = table->children[index];
		if (!child) {
			child = accel_table_alloc(mmu->adev, at - 1);
			if (!child)
				return -ENOMEM;
			table->children[index] = child;
			accel_table_set(table, index, child->dma | ACCEL_PTE_VALID);
		}
		table = child;
	}
	accel_table_set(table, accel_table_index(address, level), leaf);
	return 0;
}

/* Clears the leaf at an address, and unlinks every table that becomes empty. */
static u64 accel_mmu_unset(struct accel_mmu *mmu, u64 address)
{
	struct accel_table *path[ACCEL_TABLE_LEVELS];
	struct accel_table *table = mmu->root;
	int level = ACCEL_TABLE_LEVELS - 1;
	u64 bytes;

	for (;;) {
		unsigned int index = accel_table_index(address, level);

		path[level] = table;
		if (!level || !table->children[index])
			break;
		table = table->children[index];
		level--;
	}
	bytes = 1ULL << ACCEL_TABLE_SHIFT(level);
	if (!table->entries[accel_table_index(address, level)])
		return bytes;	/* the mapping had failed half-way */

	accel_table_clear(table, accel_table_index(address, level));
	while (!table->used && level < ACCEL_TABLE_LEVELS - 1) {
		list_add(&table->zombie, &mmu->zombies);
		table = path[++level];
		table->children[accel_table_index(address, level)] = NULL;
		accel_table_clear(table, accel_table_index(address, level));
	}
	return bytes;
}

static int accel_mmu_map_range(struct accel_mmu *mmu, u64 address, u64 target, u64 bytes,
			       u64 flags)
{
	int ret;

	while (bytes) {
		bool large = bytes >= ACCEL_LARGE_SIZE &&
			     IS_ALIGNED(address | target, ACCEL_LARGE_SIZE);
		u64 step = large ? ACCEL_LARGE_SIZE : ACCEL_PAGE_SIZE;

		ret = accel_mmu_set(mmu, address, target | flags, large);
		if (ret)
			return ret;
		address += step;
		target += step;
		bytes -= step;
		cond_resched();
	}
	return 0;
}

static int accel_mmu_invalidate(struct accel_mmu *mmu, u64 address, u64 bytes)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_INVALIDATE,
		.id = cpu_to_le32(mmu->context),
		.invalidate.address = cpu_to_le64(address),
		.invalidate.bytes = cpu_to_le64(bytes),
	};

	return accel_admin_run(mmu->adev, &command);
}

/**
 * accel_mmu_unmap() - end the card's access to a range of addresses
 * @mmu: the MMU; the caller holds its lock
 * @va: a range that was mapped, or partly mapped; or an empty one
 *
 * Return: 0, or -errno if the card did not answer; it then does no DMA.
 */
int accel_mmu_unmap(struct accel_mmu *mmu, const struct accel_va *va)
{
	u64 address = va->start;
	u64 end = address + va->bytes;
	int ret;

	lockdep_assert_held(mmu->lock);
	if (!va->bytes)
		return 0;
	while (address < end) {
		address += accel_mmu_unset(mmu, address);
		cond_resched();
	}
	ret = accel_mmu_invalidate(mmu, va->start, va->bytes);
	accel_mmu_free_zombies(mmu);
	return ret;
}

static u64 accel_mmu_flags(u32 prot)
{
	u64 flags = ACCEL_PTE_VALID | ACCEL_PTE_LEAF;

	if (prot & ACCEL_BUFFER_CARD_READ)
		flags |= ACCEL_PTE_READ;
	if (prot & ACCEL_BUFFER_CARD_WRITE)
		flags |= ACCEL_PTE_WRITE;
	return flags;
}

/**
 * accel_mmu_map_extents() - map device memory
 * @mmu: the MMU; the caller holds its lock
 * @va: the addresses
 * @prot: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 * @extents: the memory
 *
 * Return: 0, or -errno with nothing mapped.
 */
int accel_mmu_map_extents(struct accel_mmu *mmu, const struct accel_va *va, u32 prot,
			  const struct list_head *extents)
{
	u64 flags = accel_mmu_flags(prot) | ACCEL_PTE_MEMORY;
	u64 address = va->start;
	struct accel_extent *extent;
	int ret;

	lockdep_assert_held(mmu->lock);
	list_for_each_entry(extent, extents, list) {
		ret = accel_mmu_map_range(mmu, address, extent->offset, extent->bytes, flags);
		if (ret) {
			accel_mmu_unmap(mmu, va);
			return ret;
		}
		address += extent->bytes;
	}
	return 0;
}

/**
 * accel_mmu_map_sgtable() - map memory on the bus
 * @mmu: the MMU; the caller holds its lock
 * @va: the addresses
 * @prot: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 * @sgt: the memory, with its DMA mapping
 *
 * Return: 0, or -errno with nothing mapped.
 */
int accel_mmu_map_sgtable(struct accel_mmu *mmu, const struct accel_va *va, u32 prot,
			  struct sg_table *sgt)
{
	u64 flags = accel_mmu_flags(prot);
	u64 address = va->start;
	struct scatterlist *sg;
	int ret, i;

	lockdep_assert_held(mmu->lock);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		ret = accel_mmu_map_range(mmu, address, sg_dma_address(sg), sg_dma_len(sg), flags);
		if (ret) {
			accel_mmu_unmap(mmu, va);
			return ret;
		}
		address += sg_dma_len(sg);
	}
	return 0;
}

/**
 * accel_mmu_walk() - read the entries that translate an address
 * @mmu: the MMU; the caller holds its lock
 * @address: the address
 * @entries: ACCEL_TABLE_LEVELS values by level, filled in from the root on
 *
 * Return: the number of entries; the last one has no table below it.
 */
unsigned int accel_mmu_walk(struct accel_mmu *mmu, u64 address, u64 *entries)
{
	const struct accel_table *table = mmu->root;
	int level = ACCEL_TABLE_LEVELS - 1;
	unsigned int count = 0, index;

	lockdep_assert_held(mmu->lock);
	for (; table && address < BIT_ULL(ACCEL_VA_BITS); level--) {
		index = accel_table_index(address, level);
		entries[level] = le64_to_cpu(READ_ONCE(table->entries[index]));
		count++;
		table = level ? table->children[index] : NULL;
	}
	return count;
}

/* Finds the first run at or above @from in a table and the tables below it. */
static bool accel_mmu_find_run(const struct accel_table *table, int level, u64 base, u64 from,
			       struct accel_mmu_run *run)
{
	u64 step = 1ULL << ACCEL_TABLE_SHIFT(level), entry, next;
	unsigned int i = from > base ? (from - base) >> ACCEL_TABLE_SHIFT(level) : 0;

	for (; i < ACCEL_TABLE_ENTRIES; i++) {
		u64 start = base + i * step;

		entry = le64_to_cpu(READ_ONCE(table->entries[i]));
		if (level && table->children[i]) {
			if (accel_mmu_find_run(table->children[i], level - 1, start, from, run))
				return true;
		} else if (entry) {
			*run = (struct accel_mmu_run) {
				.start = start,
				.target = entry & ACCEL_PTE_ADDRESS,
				.flags = entry & ~ACCEL_PTE_ADDRESS,
				.large = level,
			};
			next = entry;
			do {
				run->bytes += step;
				next += step;
			} while (++i < ACCEL_TABLE_ENTRIES &&
				 le64_to_cpu(READ_ONCE(table->entries[i])) == next);
			return true;
		}
	}
	return false;
}

/**
 * accel_mmu_next_run() - iterate over the page tables
 * @mmu: the MMU; the caller holds its lock
 * @from: start of the search
 * @run: the next run, filled in
 *
 * A run ends with its table, so the work of a call is bounded.
 *
 * Return: false if there is no run at or above @from.
 */
bool accel_mmu_next_run(struct accel_mmu *mmu, u64 from, struct accel_mmu_run *run)
{
	lockdep_assert_held(mmu->lock);
	return mmu->root && from < BIT_ULL(ACCEL_VA_BITS) &&
	       accel_mmu_find_run(mmu->root, ACCEL_TABLE_LEVELS - 1, 0, from, run);
}
