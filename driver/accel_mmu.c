// SPDX-License-Identifier: GPL-2.0
/*
 * accel_mmu.c - the page tables of a context.
 *
 * The card caches valid translations only, so a new mapping is seen at once.
 * Taking one away ends with an INVALIDATE; when the card has answered it,
 * nothing reaches the pages, or the tables that were emptied, any more.
 *
 * All functions are called with the context's lock held.
 */
#include <linux/dma-mapping.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "accel.h"

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
	/* What a table holds is there before the card can find the table. */
	dma_wmb();
	WRITE_ONCE(table->entries[index], cpu_to_le64(entry));
}

static void accel_table_clear(struct accel_table *table, unsigned int index)
{
	table->used--;
	WRITE_ONCE(table->entries[index], 0);
}

int accel_mmu_init(struct accel_context *ctx)
{
	ctx->root = accel_table_alloc(ctx->adev, ACCEL_TABLE_LEVELS - 1);
	return ctx->root ? 0 : -ENOMEM;
}

static void accel_mmu_free_zombies(struct accel_context *ctx)
{
	struct accel_table *table, *next;

	list_for_each_entry_safe(table, next, &ctx->zombies, zombie) {
		list_del(&table->zombie);
		accel_table_free(ctx->adev, table);
	}
}

static void accel_mmu_free_tree(struct accel_context *ctx, struct accel_table *table, int level)
{
	int i;

	for (i = 0; level > 0 && i < ACCEL_TABLE_ENTRIES; i++)
		if (table->children[i])
			accel_mmu_free_tree(ctx, table->children[i], level - 1);
	accel_table_free(ctx->adev, table);
}

/**
 * accel_mmu_fini() - free the tables
 * @ctx: the context; the card has forgotten it
 */
void accel_mmu_fini(struct accel_context *ctx)
{
	accel_mmu_free_zombies(ctx);
	if (ctx->root)
		accel_mmu_free_tree(ctx, ctx->root, ACCEL_TABLE_LEVELS - 1);
	ctx->root = NULL;
}

/* Write one leaf, making the tables above it. */
static int accel_mmu_set(struct accel_context *ctx, u64 address, u64 leaf, int level)
{
	struct accel_table *table = ctx->root, *child;
	int at;

	for (at = ACCEL_TABLE_LEVELS - 1; at > level; at--) {
		unsigned int index = accel_table_index(address, at);

		child = table->children[index];
		if (!child) {
			child = accel_table_alloc(ctx->adev, at - 1);
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

/* Clear the leaf at an address, and every table that this empties. */
static u64 accel_mmu_unset(struct accel_context *ctx, u64 address)
{
	struct accel_table *path[ACCEL_TABLE_LEVELS];
	struct accel_table *table = ctx->root;
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
		return bytes;	/* mapping it had failed half-way */

	accel_table_clear(table, accel_table_index(address, level));
	while (!table->used && level < ACCEL_TABLE_LEVELS - 1) {
		list_add(&table->zombie, &ctx->zombies);
		table = path[++level];
		table->children[accel_table_index(address, level)] = NULL;
		accel_table_clear(table, accel_table_index(address, level));
	}
	return bytes;
}

static int accel_mmu_map_range(struct accel_context *ctx, u64 address, u64 target, u64 bytes,
			       u64 flags)
{
	int ret;

	while (bytes) {
		bool large = bytes >= ACCEL_LARGE_SIZE &&
			     IS_ALIGNED(address | target, ACCEL_LARGE_SIZE);
		u64 step = large ? ACCEL_LARGE_SIZE : ACCEL_PAGE_SIZE;

		ret = accel_mmu_set(ctx, address, target | flags, large);
		if (ret)
			return ret;
		address += step;
		target += step;
		bytes -= step;
		cond_resched();
	}
	return 0;
}

static int accel_mmu_invalidate(struct accel_context *ctx, u64 address, u64 bytes)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_INVALIDATE,
		.id = cpu_to_le32(ctx->id),
		.invalidate.address = cpu_to_le64(address),
		.invalidate.bytes = cpu_to_le64(bytes),
	};

	return accel_admin_run(ctx->adev, &command);
}

/**
 * accel_mmu_unmap() - take a buffer out of the page tables and off the card
 * @ctx: the context
 * @buffer: what accel_mmu_map() mapped, or began to map
 *
 * Return: 0, or -errno when the card did not answer; it then does no DMA.
 */
int accel_mmu_unmap(struct accel_context *ctx, struct accel_buffer *buffer)
{
	u64 address = buffer->va.start;
	u64 end = address + buffer->va.bytes;
	int ret;

	while (address < end) {
		address += accel_mmu_unset(ctx, address);
		cond_resched();
	}
	ret = accel_mmu_invalidate(ctx, buffer->va.start, buffer->va.bytes);
	accel_mmu_free_zombies(ctx);
	return ret;
}

/**
 * accel_mmu_map() - enter a buffer into the page tables
 * @ctx: the context
 * @buffer: it has its addresses and, if in host memory, its DMA mapping
 *
 * Return: 0 or -errno; then nothing of it is mapped.
 */
int accel_mmu_map(struct accel_context *ctx, struct accel_buffer *buffer)
{
	u64 flags = ACCEL_PTE_VALID | ACCEL_PTE_LEAF;
	u64 address = buffer->va.start;
	struct accel_extent *extent;
	struct scatterlist *sg;
	int ret = 0, i;

	if (buffer->prot & ACCEL_BUFFER_CARD_READ)
		flags |= ACCEL_PTE_READ;
	if (buffer->prot & ACCEL_BUFFER_CARD_WRITE)
		flags |= ACCEL_PTE_WRITE;

	if (buffer->source) {
		list_for_each_entry(extent, &buffer->source->extents, list) {
			ret = accel_mmu_map_range(ctx, address, extent->offset, extent->bytes,
						  flags | ACCEL_PTE_MEMORY);
			if (ret)
				goto err;
			address += extent->bytes;
		}
	} else {
		for_each_sgtable_dma_sg(&buffer->sgt, sg, i) {
			ret = accel_mmu_map_range(ctx, address, sg_dma_address(sg),
						  sg_dma_len(sg), flags);
			if (ret)
				goto err;
			address += sg_dma_len(sg);
		}
	}
	return 0;

err:
	accel_mmu_unmap(ctx, buffer);
	return ret;
}

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
 * accel_mmu_next_run() - look at the page tables
 * @ctx: the context
 * @from: address to go on from
 * @run: filled in
 *
 * The work is bounded: a run ends with the table that it is in.
 *
 * Return: false if there is nothing any more.
 */
bool accel_mmu_next_run(struct accel_context *ctx, u64 from, struct accel_mmu_run *run)
{
	return ctx->root && from < BIT_ULL(ACCEL_VA_BITS) &&
	       accel_mmu_find_run(ctx->root, ACCEL_TABLE_LEVELS - 1, 0, from, run);
}
