/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_chunk.h - a part of a read() or write() that one command of the copy queue
 * moves.
 *
 * A chunk has four steps:
 *
 *   pin      pins the caller's pages; may fault, so no lock is held
 *   submit   maps the pages for DMA, lists the buffer's memory, submits the job
 *   done     called when the card does not access the pages any more
 *   release  unpins the pages
 *
 * The buffer of a chunk in flight cannot be destroyed. If the card stops, the stop
 * ends the chunk.
 */
#ifndef ACCEL_CHUNK_H
#define ACCEL_CHUNK_H

#include "accel_buffer.h"
#include "accel_compat.h"
#include "accel_copy_job.h"

/**
 * struct accel_move - the transfer that a chunk is part of
 * @ctx: context of the file
 * @buffer: a reference
 * @direction: from the card's view: DMA_FROM_DEVICE writes the caller's pages
 * @nowait: the caller must not sleep
 */
struct accel_move {
	struct accel_context *ctx;
	struct accel_buffer *buffer;
	enum dma_data_direction direction;
	bool nowait;
};

/**
 * struct accel_chunk - a part of a transfer
 * @job: job of the copy queue
 * @move: the transfer
 * @capacity: length of @pages
 * @page_count: number of pinned pages
 * @first: offset in the first page
 * @bytes: pinned bytes
 * @offset: offset in the buffer
 * @pin: how the pages are pinned
 * @result: 0 or -errno, valid when @done is called
 * @done: called once for a submitted chunk, as accel_copy_job.done
 * @private: for the owner of the chunk
 * @target: segments of the buffer's memory, stored behind @pages
 * @pages: pages of the caller
 */
struct accel_chunk {
	struct accel_copy_job job;
	const struct accel_move *move;
	unsigned int capacity;
	unsigned int page_count;
	size_t first;
	size_t bytes;
	u64 offset;
	enum accel_pin pin;
	int result;
	void (*done)(struct accel_chunk *chunk);
	void *private;
	struct accel_segment *target;
	struct page *pages[];
};

struct accel_chunk *accel_chunk_alloc(const struct accel_move *move, u64 bytes,
				      void (*done)(struct accel_chunk *chunk));
void accel_chunk_free(struct accel_chunk *chunk);
int accel_chunk_pin(struct accel_chunk *chunk, struct iov_iter *iter, u64 offset, u64 max);
int accel_chunk_dirty(struct accel_chunk *chunk, bool nowait);
int accel_chunk_submit(struct accel_chunk *chunk);
bool accel_chunk_cancel(struct accel_chunk *chunk);
void accel_chunk_release(struct accel_chunk *chunk);
bool accel_chunk_try_release(struct accel_chunk *chunk);

#endif /* ACCEL_CHUNK_H */
