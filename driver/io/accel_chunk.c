// SPDX-License-Identifier: GPL-2.0
/*
 * accel_chunk.c - one part of a transfer: from the caller's pages to the card and
 * back.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "accel_chunk.h"
#include "accel_vram.h"

/**
 * accel_chunk_alloc() - allocate a chunk
 * @bytes: remaining bytes of the transfer
 *
 * The chunk is as small as possible: a kernel that clears allocations would spend
 * more time on a large chunk than the card on a small transfer.
 *
 * Return: the chunk, to be freed by kvfree(), or NULL.
 */
struct accel_chunk *accel_chunk_alloc(u64 bytes)
{
	/* One more page, since neither end needs to be at a page boundary. */
	u64 capacity = min_t(u64, DIV_ROUND_UP_ULL(bytes, PAGE_SIZE) + 1, ACCEL_CHUNK_PAGES);
	struct accel_chunk *chunk;

	chunk = kvmalloc(struct_size(chunk, pages, capacity) + capacity * sizeof(*chunk->target),
			 GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;
	chunk->capacity = capacity;
	chunk->page_count = 0;
	chunk->target = (struct accel_segment *)(chunk->pages + capacity);
	return chunk;
}

/**
 * accel_chunk_pin() - pin the next pages of the caller
 * @move: the transfer
 * @chunk: a new or released chunk
 * @iter: memory of the caller; advanced
 * @offset: offset in the buffer
 * @max: remaining bytes of the transfer
 *
 * Return: 0 or -errno.
 */
int accel_chunk_pin(const struct accel_move *move, struct accel_chunk *chunk,
		    struct iov_iter *iter, u64 offset, u64 max)
{
	bool write = move->direction == DMA_FROM_DEVICE;
	enum accel_pin pin;
	size_t first;
	ssize_t got;

	got = accel_compat_pin(iter, chunk->pages, max, chunk->capacity, write, &chunk->first,
			       &chunk->pin);
	if (got <= 0)
		return got ? got : -EFAULT;
	chunk->bytes = got;
	chunk->done = 0;
	chunk->offset = offset;
	chunk->page_count = DIV_ROUND_UP(chunk->first + got, PAGE_SIZE);

	/* An iterator may return its pages one by one. Contiguous pages join the chunk. */
	while (chunk->bytes < max && chunk->page_count < chunk->capacity &&
	       !offset_in_page(chunk->first + chunk->bytes)) {
		struct page **pages = chunk->pages + chunk->page_count;

		got = accel_compat_pin(iter, pages, max - chunk->bytes,
				       chunk->capacity - chunk->page_count, write, &first, &pin);
		if (got <= 0)
			break;	/* the next chunk returns the error */
		if (first || pin != chunk->pin) {
			accel_compat_unpin(pages, DIV_ROUND_UP(first + got, PAGE_SIZE), pin, false);
			iov_iter_revert(iter, got);
			break;
		}
		chunk->bytes += got;
		chunk->page_count += DIV_ROUND_UP(got, PAGE_SIZE);
	}
	return 0;
}

void accel_chunk_release(const struct accel_move *move, struct accel_chunk *chunk)
{
	accel_compat_unpin(chunk->pages, chunk->page_count, chunk->pin,
			   move->direction == DMA_FROM_DEVICE);
	chunk->page_count = 0;
}

/* Appends a range of the buffer's memory. Return: false if the list is full. */
static bool accel_chunk_append(struct accel_chunk *chunk, u64 address, u64 bytes)
{
	struct accel_segment *segment = &chunk->target[chunk->job.target_count];

	if (chunk->job.target_count == chunk->capacity)
		return false;
	segment->address = cpu_to_le64(address);
	segment->bytes = cpu_to_le64(bytes);
	chunk->job.target_count++;
	chunk->job.bytes += bytes;
	return true;
}

/*
 * Lists the buffer's memory for the rest of the chunk, as far as the list permits. The context is
 * entered, so the memory stays.
 */
static void accel_chunk_build_sg(const struct accel_move *move, struct accel_chunk *chunk)
{
	u64 skip = chunk->offset + chunk->done, left = chunk->bytes - chunk->done, length, bytes;
	struct accel_buffer *buffer = move->buffer;
	struct accel_extent *extent;
	struct scatterlist *sg;
	int i;

	accel_context_assert_entered(move->ctx);
	chunk->job.target = chunk->target;
	chunk->job.target_count = 0;
	chunk->job.bytes = 0;
	if (buffer->source) {
		list_for_each_entry(extent, &buffer->source->extents, list) {
			length = extent->bytes;
			if (skip < length) {
				bytes = min(length - skip, left);
				if (!bytes ||
				    !accel_chunk_append(chunk, ACCEL_BYPASS_MEMORY |
							(extent->offset + skip), bytes))
					return;
				left -= bytes;
			}
			skip -= min(skip, length);
		}
		return;
	}
	for_each_sgtable_dma_sg(&buffer->sgt, sg, i) {
		length = sg_dma_len(sg);
		if (skip < length) {
			bytes = min(length - skip, left);
			if (!bytes || !accel_chunk_append(chunk, sg_dma_address(sg) + skip, bytes))
				return;
			left -= bytes;
		}
		skip -= min(skip, length);
	}
}

/**
 * accel_chunk_submit() - submit the rest of a chunk to the copy queue
 * @move: the transfer
 * @chunk: a pinned chunk that is not in flight
 *
 * Return: 0, or -errno with the chunk not in flight.
 */
int accel_chunk_submit(const struct accel_move *move, struct accel_chunk *chunk)
{
	size_t first = chunk->first + chunk->done;
	unsigned int skip = first >> PAGE_SHIFT;
	struct accel_buffer *buffer = move->buffer;
	struct accel_context *ctx = move->ctx;
	struct accel_copy_job *job = &chunk->job;
	int ret;

	*job = (struct accel_copy_job) { .direction = move->direction };
	ret = sg_alloc_table_from_pages(&job->sgt, chunk->pages + skip, chunk->page_count - skip,
					offset_in_page(first), chunk->bytes - chunk->done,
					GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	ret = accel_context_enter(ctx);
	if (ret)
		goto err_table;
	/* The buffer was destroyed or revoked: the card must not use its memory any more. */
	if (RB_EMPTY_NODE(&buffer->va.node) || buffer->revoked) {
		ret = -ENXIO;
		goto err_leave;
	}
	accel_chunk_build_sg(move, chunk);
	ret = job->bytes ? accel_copy_job_submit(ctx->adev, job) : -ENXIO;
	if (ret)
		goto err_leave;
	buffer->transfers++;
	accel_context_leave(ctx);
	return 0;

err_leave:
	accel_context_leave(ctx);
err_table:
	sg_free_table(&job->sgt);
	return ret;
}

static int accel_chunk_wait(const struct accel_move *move, struct accel_chunk *chunk)
{
	int ret;

	ret = accel_copy_job_finish(move->ctx->adev, &chunk->job);
	sg_free_table(&chunk->job.sgt);
	mutex_lock(&move->ctx->lock);
	move->buffer->transfers--;
	mutex_unlock(&move->ctx->lock);
	if (!ret)
		chunk->done += chunk->job.bytes;
	return ret;
}

/**
 * accel_chunk_finish() - wait for the end of a chunk
 * @move: the transfer
 * @chunk: a chunk in flight
 *
 * Return: 0 or -errno. In both cases the chunk is not in flight any more, and its
 * @done is the number of bytes moved.
 */
int accel_chunk_finish(const struct accel_move *move, struct accel_chunk *chunk)
{
	int ret;

	for (;;) {
		ret = accel_chunk_wait(move, chunk);
		/* -EAGAIN: another job failed, and the reset of the queue ended this one. */
		if (ret && ret != -EAGAIN)
			return ret;
		/* Submit the rest if the segment list was too short. */
		if (chunk->done == chunk->bytes)
			return 0;
		ret = accel_chunk_submit(move, chunk);
		if (ret)
			return ret;
	}
}
