// SPDX-License-Identifier: GPL-2.0
/*
 * accel_va.c - the allocator of addresses of a context.
 *
 * An address is also an offset in the file, so it stays below 2^47 and is
 * positive as a loff_t. In files of 32-bit programs it stays below 2^44, because
 * these cannot map higher offsets. The allocator hands addresses out upwards and
 * reuses an address only after all others, so that a stale address faults for
 * as long as possible.
 */
#include <linux/align.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>

#include "accel_va.h"

/**
 * accel_va_init() - make an empty allocator
 * @space: the allocator
 * @lock: lock of the context
 * @end: end of the addresses
 */
void accel_va_init(struct accel_va_space *space, struct mutex *lock, u64 end)
{
	space->lock = lock;
	space->ranges = RB_ROOT;
	space->end = end;
	space->cursor = 0;
}

static struct accel_va *accel_va_entry(struct rb_node *node)
{
	return rb_entry(node, struct accel_va, node);
}

/* The first range that ends after an address, or NULL. */
static struct accel_va *accel_va_after(struct accel_va_space *space, u64 address)
{
	struct rb_node *node = space->ranges.rb_node;
	struct accel_va *best = NULL;

	while (node) {
		struct accel_va *va = accel_va_entry(node);

		if (va->start + va->bytes > address) {
			best = va;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return best;
}

static void accel_va_insert(struct accel_va_space *space, struct accel_va *new)
{
	struct rb_node **link = &space->ranges.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (new->start < accel_va_entry(parent)->start)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, &space->ranges);
}

/**
 * accel_va_alloc() - allocate a range of addresses
 * @space: the allocator; the caller holds its lock
 * @va: the range, filled in
 * @bytes: length, whole pages
 *
 * A page stays free behind each range, so that an overrun faults.
 *
 * Return: 0 or -ENOMEM.
 */
int accel_va_alloc(struct accel_va_space *space, struct accel_va *va, u64 bytes)
{
	u64 align = bytes >= ACCEL_LARGE_SIZE ? ACCEL_LARGE_SIZE : ACCEL_PAGE_SIZE;
	u64 room = bytes + ACCEL_PAGE_SIZE;
	struct accel_va *next;
	bool wrapped = false;
	u64 start;

	lockdep_assert_held(space->lock);
	if (bytes > space->end - ACCEL_VA_START - ACCEL_LARGE_SIZE)
		return -ENOMEM;
	start = ALIGN(max(space->cursor, ACCEL_VA_START), align);
	for (;;) {
		if (start + room > space->end) {
			if (wrapped)
				return -ENOMEM;
			wrapped = true;
			start = ALIGN(ACCEL_VA_START, align);
		}
		next = accel_va_after(space, start);
		if (!next || next->start >= start + room)
			break;
		start = ALIGN(next->start + next->bytes + ACCEL_PAGE_SIZE, align);
	}
	va->start = start;
	va->bytes = bytes;
	accel_va_insert(space, va);
	space->cursor = start + room;
	return 0;
}

void accel_va_free(struct accel_va_space *space, struct accel_va *va)
{
	lockdep_assert_held(space->lock);
	rb_erase(&va->node, &space->ranges);
	RB_CLEAR_NODE(&va->node);
}

/**
 * accel_va_find() - the range that contains an address
 * @space: the allocator; the caller holds its lock
 * @address: the address
 *
 * Return: the range or NULL.
 */
struct accel_va *accel_va_find(struct accel_va_space *space, u64 address)
{
	struct accel_va *va;

	lockdep_assert_held(space->lock);
	va = accel_va_after(space, address);
	return va && va->start <= address ? va : NULL;
}
