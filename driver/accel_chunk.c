// SPDX-License-Identifier: GPL-2.0
/*
 * accel_chunk.c - one part of a transfer, from the caller's pages to the card
 * and back.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "accel_chunk.h"

/**
 * accel_chunk_alloc() - make a chunk
 * @bytes: that are left of the transfer
 *
 * It is no larger than that needs: kernels that clear what they allocate spend
 * more on a large one than the card does on a small transfer.
 *
 * Return: it, or NULL. Freed by kvfree().
 */
struct accel_chunk *accel_chunk_alloc(u64 bytes)
{
	/* One more: neither end need be that of a page. */
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
 * accel_chunk_pin() - hold the next pages of the caller
 * @move: what it is part of
 * @chunk: released before
 * @iter: the caller's memory, advanced
 * @offset: in the buffer
 * @max: bytes that are left
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

	/* An iterator may give its pages one by one. What follows without a gap belongs to it. */
	while (chunk->bytes < max && chunk->page_count < chunk->capacity &&
	       !offset_in_page(chunk->first + chunk->bytes)) {
		struct page **pages = chunk->pages + chunk->page_count;

		got = accel_compat_pin(iter, pages, max - chunk->bytes,
				       chunk->capacity - chunk->page_count, write, &first, &pin);
		if (got <= 0)
			break;	/* the next chunk finds out why */
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

/* Append a piece of the buffer's memory. False: the list is full. */
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
 * Name the part of the buffer's memory that the chunk is for, or as much of it
 * as fits in the list. Called with the context entered: the memory stays.
 */
static void accel_chunk_name(struct accel_buffer *buffer, struct accel_chunk *chunk)
{
	u64 skip = chunk->offset + chunk->done, left = chunk->bytes - chunk->done, length, bytes;
	struct accel_extent *extent;
	struct scatterlist *sg;
	int i;

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
 * accel_chunk_submit() - have the card move what is not moved yet
 * @move: what it is part of
 * @chunk: pinned, not in flight
 *
 * Return: 0 or -errno; then it is not in flight.
 */
int accel_chunk_submit(const struct accel_move *move, struct accel_chunk *chunk)
{
	size_t first = chunk->first + chunk->done;
	unsigned int skip = first >> PAGE_SHIFT;
	struct accel_buffer *buffer = move->buffer;
	struct accel_context *ctx = move->ctx;
	struct accel_dma_job *job = &chunk->job;
	int ret;

	*job = (struct accel_dma_job) { .direction = move->direction };
	ret = sg_alloc_table_from_pages(&job->sgt, chunk->pages + skip, chunk->page_count - skip,
					offset_in_page(first), chunk->bytes - chunk->done,
					GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	ret = accel_context_enter(ctx);
	if (ret)
		goto err_table;
	/* Destroyed or revoked since: its memory is not the card's to use any more. */
	if (RB_EMPTY_NODE(&buffer->va.node) || buffer->revoked) {
		ret = -ENXIO;
		goto err_leave;
	}
	accel_chunk_name(buffer, chunk);
	ret = job->bytes ? accel_dma_submit(ctx->adev, job) : -ENXIO;
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

	ret = accel_dma_finish(move->ctx->adev, &chunk->job);
	sg_free_table(&chunk->job.sgt);
	mutex_lock(&move->ctx->lock);
	move->buffer->transfers--;
	mutex_unlock(&move->ctx->lock);
	if (!ret)
		chunk->done += chunk->job.bytes;
	return ret;
}

/**
 * accel_chunk_finish() - wait until all of it is moved, or cannot be
 * @move: what it is part of
 * @chunk: in flight
 *
 * Return: 0 or -errno. Either way it is not in flight, and @done says how much
 * was moved.
 */
int accel_chunk_finish(const struct accel_move *move, struct accel_chunk *chunk)
{
	int ret;

	for (;;) {
		ret = accel_chunk_wait(move, chunk);
		/* -EAGAIN: a transfer of somebody else failed and took this one along. */
		if (ret && ret != -EAGAIN)
			return ret;
		/* What the list of segments had no room for is still to come. */
		if (chunk->done == chunk->bytes)
			return 0;
		ret = accel_chunk_submit(move, chunk);
		if (ret)
			return ret;
	}
}
