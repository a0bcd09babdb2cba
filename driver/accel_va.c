// SPDX-License-Identifier: GPL-2.0
/*
 * accel_va.c - which addresses of a context are in use.
 *
 * An address is also an offset in the file, so it stays below 2^47 and is
 * positive as a loff_t; below 2^44 in files of 32-bit programs, which cannot
 * map what lies beyond. Addresses are handed out upwards and are used again
 * only after all others were: a stale address faults for as long as it can.
 */
#include "accel.h"

static struct accel_va *accel_va_entry(struct rb_node *node)
{
	return rb_entry(node, struct accel_va, node);
}

/* The first range that ends after an address, or NULL. */
static struct accel_va *accel_va_after(struct accel_context *ctx, u64 address)
{
	struct rb_node *node = ctx->ranges.rb_node;
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

static void accel_va_insert(struct accel_context *ctx, struct accel_va *new)
{
	struct rb_node **link = &ctx->ranges.rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (new->start < accel_va_entry(parent)->start)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, &ctx->ranges);
}

/**
 * accel_va_alloc() - find a free range of addresses
 * @ctx: the context; the caller holds its lock
 * @va: filled in
 * @bytes: length, whole pages
 *
 * A page is left free behind each range, so that an overrun faults.
 *
 * Return: 0 or -ENOMEM.
 */
int accel_va_alloc(struct accel_context *ctx, struct accel_va *va, u64 bytes)
{
	u64 align = bytes >= ACCEL_LARGE_SIZE ? ACCEL_LARGE_SIZE : ACCEL_PAGE_SIZE;
	u64 room = bytes + ACCEL_PAGE_SIZE;
	struct accel_va *next;
	bool wrapped = false;
	u64 start;

	if (bytes > ctx->va_end - ACCEL_VA_START - ACCEL_LARGE_SIZE)
		return -ENOMEM;
	start = ALIGN(max(ctx->cursor, ACCEL_VA_START), align);
	for (;;) {
		if (start + room > ctx->va_end) {
			if (wrapped)
				return -ENOMEM;
			wrapped = true;
			start = ALIGN(ACCEL_VA_START, align);
		}
		next = accel_va_after(ctx, start);
		if (!next || next->start >= start + room)
			break;
		start = ALIGN(next->start + next->bytes + ACCEL_PAGE_SIZE, align);
	}
	va->start = start;
	va->bytes = bytes;
	accel_va_insert(ctx, va);
	ctx->cursor = start + room;
	return 0;
}

void accel_va_free(struct accel_context *ctx, struct accel_va *va)
{
	rb_erase(&va->node, &ctx->ranges);
	RB_CLEAR_NODE(&va->node);
}

/**
 * accel_va_find() - the range that holds an address
 * @ctx: the context; the caller holds its lock
 * @address: the address
 *
 * Return: the range or NULL.
 */
struct accel_va *accel_va_find(struct accel_context *ctx, u64 address)
{
	struct accel_va *va = accel_va_after(ctx, address);

	return va && va->start <= address ? va : NULL;
}
