/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_va.h - the allocator of addresses of a context.
 */
#ifndef ACCEL_VA_H
#define ACCEL_VA_H

#include <linux/bits.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>

#include "accel_hw.h"

/* Low addresses stay unmapped, so that a small number used as an address faults. */
#define ACCEL_VA_START		BIT_ULL(32)
#define ACCEL_VA_END		BIT_ULL(47)
/* mmap() of a 32-bit program counts pages in 32 bits. */
#define ACCEL_VA_END_COMPAT	BIT_ULL(32 + PAGE_SHIFT)

/**
 * struct accel_va - a range of addresses
 * @node: in accel_va_space.ranges
 * @start: first address
 * @bytes: length
 */
struct accel_va {
	struct rb_node node;
	u64 start;
	u64 bytes;
};

/**
 * struct accel_va_space - the addresses of a context
 * @lock: lock of the context, which protects the whole structure
 * @ranges: addresses in use
 * @end: end of the addresses
 * @cursor: start of the search for the next free address
 */
struct accel_va_space {
	struct mutex *lock;
	struct rb_root ranges;
	u64 end;
	u64 cursor;
};

void accel_va_init(struct accel_va_space *space, struct mutex *lock, u64 end);
int accel_va_alloc(struct accel_va_space *space, struct accel_va *va, u64 bytes);
void accel_va_free(struct accel_va_space *space, struct accel_va *va);
struct accel_va *accel_va_find(struct accel_va_space *space, u64 address);

#endif /* ACCEL_VA_H */
