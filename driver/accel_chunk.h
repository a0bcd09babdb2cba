/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_chunk.h - a part of a read() or write() that one command moves.
 *
 * A chunk goes through four steps:
 *
 *   pin      the caller's pages; may fault, so no lock is held
 *   submit   map for DMA, name the buffer's memory, ring the doorbell
 *   finish   wait, unmap
 *   release  give the pages back
 *
 * While a chunk is in flight its buffer cannot be destroyed, but the card can
 * go away: see accel_dma.c.
 */
#ifndef ACCEL_CHUNK_H
#define ACCEL_CHUNK_H

#include "accel.h"
#include "accel_compat.h"

#define ACCEL_CHUNK_PAGES	ACCEL_DMA_SEGMENTS

/**
 * struct accel_move - what a chunk is part of
 * @ctx: of the file
 * @buffer: a reference
 * @direction: as the card sees it: DMA_FROM_DEVICE writes the caller's pages
 */
struct accel_move {
	struct accel_context *ctx;
	struct accel_buffer *buffer;
	enum dma_data_direction direction;
};

/**
 * struct accel_chunk - a part of a transfer
 * @job: what the card is asked to do
 * @capacity: pages and segments there is room for
 * @page_count: pages that are held
 * @first: offset in the first one
 * @bytes: pinned
 * @offset: in the buffer
 * @done: bytes moved
 * @pin: how the pages are given back
 * @target: the buffer's memory, behind @pages
 * @pages: of the caller
 */
struct accel_chunk {
	struct accel_dma_job job;
	unsigned int capacity;
	unsigned int page_count;
	size_t first;
	size_t bytes;
	u64 offset;
	size_t done;
	enum accel_pin pin;
	struct accel_segment *target;
	struct page *pages[];
};

struct accel_chunk *accel_chunk_alloc(u64 bytes);
int accel_chunk_pin(const struct accel_move *move, struct accel_chunk *chunk,
		    struct iov_iter *iter, u64 offset, u64 max);
int accel_chunk_submit(const struct accel_move *move, struct accel_chunk *chunk);
int accel_chunk_finish(const struct accel_move *move, struct accel_chunk *chunk);
void accel_chunk_release(const struct accel_move *move, struct accel_chunk *chunk);

#endif /* ACCEL_CHUNK_H */
