/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_chunk.h - a part of a read() or write() that one command of the copy queue
 * moves.
 *
 * A chunk has four steps:
 *
 *   pin      pins the caller's pages; may fault, so no lock is held
 *   submit   maps the pages for DMA, lists the buffer's memory, rings the doorbell
 *   finish   waits and unmaps
 *   release  unpins the pages
 *
 * The buffer of a chunk in flight cannot be destroyed, but the card may stop: see
 * accel_copy_job.c.
 */
#ifndef ACCEL_CHUNK_H
#define ACCEL_CHUNK_H

#include "accel_buffer.h"
#include "accel_compat.h"
#include "accel_copy_job.h"

#define ACCEL_CHUNK_PAGES	ACCEL_COPY_SEGMENTS

/**
 * struct accel_move - the transfer that a chunk is part of
 * @ctx: context of the file
 * @buffer: a reference
 * @direction: from the card's view: DMA_FROM_DEVICE writes the caller's pages
 */
struct accel_move {
	struct accel_context *ctx;
	struct accel_buffer *buffer;
	enum dma_data_direction direction;
};

/**
 * struct accel_chunk - a part of a transfer
 * @job: job of the copy queue
 * @capacity: length of @pages and @target
 * @page_count: number of pinned pages
 * @first: offset in the first page
 * @bytes: pinned bytes
 * @offset: offset in the buffer
 * @done: bytes moved so far
 * @pin: how the pages are pinned
 * @target: segments of the buffer's memory, stored behind @pages
 * @pages: pages of the caller
 */
struct accel_chunk {
	struct accel_copy_job job;
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
