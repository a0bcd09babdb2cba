// SPDX-License-Identifier: GPL-2.0
/*
 * accel_memory.c - who has which piece of device memory.
 *
 * A buffer gets as few pieces as there is room for, 2 MiB aligned where they
 * are that long, so that large pages fit. Memory is cleared by the card
 * before it is handed out: nobody reads what the last owner left.
 */
#include <linux/log2.h>

#include "accel.h"

/* gen_pool says "nothing" with an address of zero; device memory starts there. */
#define ACCEL_POOL_BASE		BIT_ULL(62)
/* The most that one admin command clears, so that others get their turn. */
#define ACCEL_CLEAR_BYTES	(16ULL << 20)

int accel_memory_init(struct accel_device *adev)
{
	int node = dev_to_node(&adev->pdev->dev);
	int ret;

	adev->memory_pool = gen_pool_create(PAGE_SHIFT, node);
	if (!adev->memory_pool)
		return -ENOMEM;
	ret = gen_pool_add(adev->memory_pool, ACCEL_POOL_BASE, adev->memory_size, node);
	if (ret) {
		gen_pool_destroy(adev->memory_pool);
		adev->memory_pool = NULL;
	}
	return ret;
}

/* Called when the last file is closed, so nothing of the pool is in use. */
void accel_memory_fini(struct accel_device *adev)
{
	if (adev->memory_pool)
		gen_pool_destroy(adev->memory_pool);
}

static int accel_memory_clear(struct accel_device *adev, u64 offset, u64 bytes)
{
	struct accel_admin_command command = { .opcode = ACCEL_ADMIN_CLEAR_MEMORY };
	u64 piece;
	int ret;

	for (; bytes; offset += piece, bytes -= piece) {
		if (fatal_signal_pending(current))
			return -EINTR;
		piece = min(bytes, ACCEL_CLEAR_BYTES);
		command.clear_memory.address = cpu_to_le64(offset);
		command.clear_memory.bytes = cpu_to_le64(piece);
		ret = accel_admin_run(adev, &command);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * accel_memory_alloc() - get cleared device memory
 * @adev: the card; the caller holds hw_lock
 * @bytes: whole pages
 * @extents: where the pieces are put
 *
 * Return: 0, -ENOSPC when the card is full, or another -errno.
 */
int accel_memory_alloc(struct accel_device *adev, u64 bytes, struct list_head *extents)
{
	u64 piece = bytes;
	int ret;

	if (bytes > gen_pool_avail(adev->memory_pool))
		return -ENOSPC;
	while (bytes) {
		struct genpool_data_align align = {
			.align = piece >= ACCEL_LARGE_SIZE ? ACCEL_LARGE_SIZE : PAGE_SIZE,
		};
		struct accel_extent *extent;
		unsigned long address;

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			goto err;
		}
		address = gen_pool_alloc_algo(adev->memory_pool, piece,
					      gen_pool_first_fit_align, &align);
		if (!address) {
			if (piece <= PAGE_SIZE) {
				ret = -ENOSPC;
				goto err;
			}
			/* The next power of two below, and in whole large pages while it can. */
			piece = rounddown_pow_of_two(piece - 1);
			continue;
		}
		extent = kmalloc(sizeof(*extent), GFP_KERNEL_ACCOUNT);
		if (!extent) {
			gen_pool_free(adev->memory_pool, address, piece);
			ret = -ENOMEM;
			goto err;
		}
		extent->offset = address - ACCEL_POOL_BASE;
		extent->bytes = piece;
		list_add_tail(&extent->list, extents);
		ret = accel_memory_clear(adev, extent->offset, piece);
		if (ret)
			goto err;
		bytes -= piece;
		piece = min(piece, bytes);
	}
	return 0;

err:
	accel_memory_free(adev, extents);
	return ret;
}

/**
 * accel_memory_free() - give device memory back
 * @adev: the card, there or not
 * @extents: from accel_memory_alloc(); empty afterwards
 */
void accel_memory_free(struct accel_device *adev, struct list_head *extents)
{
	struct accel_extent *extent, *next;

	list_for_each_entry_safe(extent, next, extents, list) {
		gen_pool_free(adev->memory_pool, ACCEL_POOL_BASE + extent->offset, extent->bytes);
		list_del(&extent->list);
		kfree(extent);
	}
}
