// SPDX-License-Identifier: GPL-2.0
/*
 * accel_transfer.c - read(), write() and their kin at a buffer's offset: the
 * card moves data between pages of the caller and the buffer. The CPU copies
 * nothing.
 *
 * A transfer is cut into chunks of as many pages as a list of segments holds.
 * Two are in flight, so that pinning the next overlaps with copying this one.
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
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "accel.h"
#include "accel_compat.h"

#define ACCEL_CHUNK_PAGES	ACCEL_DMA_SEGMENTS

/**
 * struct accel_chunk - a part of a transfer
 * @job: what the card is asked to do
 * @pages: of the caller
 * @page_count: how many
 * @first: offset in the first one
 * @bytes: pinned
 * @offset: in the buffer
 * @pin: how the pages are given back
 * @target: the buffer's memory
 */
struct accel_chunk {
	struct accel_dma_job job;
	struct page *pages[ACCEL_CHUNK_PAGES];
	unsigned int page_count;
	size_t first;
	size_t bytes;
	u64 offset;
	enum accel_pin pin;
	struct accel_segment target[ACCEL_DMA_SEGMENTS];
};

/**
 * struct accel_transfer_state - one read() or write()
 * @ctx: of the file
 * @buffer: a reference
 * @offset: in the buffer, of what is not submitted yet
 * @left: bytes not submitted yet
 * @iter: the caller's memory
 * @direction: as the card sees it
 * @chunks: two, used in turn
 * @submitted: chunks submitted
 * @finished: chunks finished
 * @done: bytes moved, all from the beginning on
 * @failed: errno of the first chunk that was not
 */
struct accel_transfer_state {
	struct accel_context *ctx;
	struct accel_buffer *buffer;
	u64 offset;
	u64 left;
	struct iov_iter *iter;
	enum dma_data_direction direction;
	struct accel_chunk *chunks[2];
	unsigned int submitted;
	unsigned int finished;
	ssize_t done;
	int failed;
};

static void accel_chunk_release(struct accel_transfer_state *state, struct accel_chunk *chunk)
{
	accel_compat_unpin(chunk->pages, chunk->page_count, chunk->pin,
			   state->direction == DMA_FROM_DEVICE);
	chunk->page_count = 0;
}

static int accel_chunk_pin(struct accel_transfer_state *state, struct accel_chunk *chunk)
{
	ssize_t got;

	got = accel_compat_pin(state->iter, chunk->pages, state->left, ACCEL_CHUNK_PAGES,
			       state->direction == DMA_FROM_DEVICE, &chunk->first, &chunk->pin);
	if (got <= 0)
		return got ? got : -EFAULT;
	chunk->bytes = got;
	chunk->page_count = DIV_ROUND_UP(chunk->first + got, PAGE_SIZE);
	chunk->offset = state->offset;
	return 0;
}

/* Append a piece of the buffer's memory. False: the list is full. */
static bool accel_chunk_append(struct accel_chunk *chunk, u64 address, u64 bytes)
{
	struct accel_segment *segment = &chunk->target[chunk->job.target_count];

	if (chunk->job.target_count == ACCEL_DMA_SEGMENTS)
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
	u64 skip = chunk->offset, left = chunk->bytes, length, bytes;
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

static int accel_chunk_submit(struct accel_transfer_state *state, struct accel_chunk *chunk)
{
	struct accel_buffer *buffer = state->buffer;
	struct accel_context *ctx = state->ctx;
	struct accel_dma_job *job = &chunk->job;
	int ret;

	*job = (struct accel_dma_job) { .direction = state->direction };
	ret = sg_alloc_table_from_pages(&job->sgt, chunk->pages, chunk->page_count, chunk->first,
					chunk->bytes, GFP_KERNEL_ACCOUNT);
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
	ret = accel_dma_submit(ctx->adev, job);
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

static int accel_chunk_finish(struct accel_transfer_state *state, struct accel_chunk *chunk)
{
	int ret;

	ret = accel_dma_finish(state->ctx->adev, &chunk->job);
	sg_free_table(&chunk->job.sgt);
	mutex_lock(&state->ctx->lock);
	state->buffer->transfers--;
	mutex_unlock(&state->ctx->lock);
	return ret;
}

/* Wait for the older of the chunks in flight. */
static void accel_transfer_finish(struct accel_transfer_state *state)
{
	struct accel_chunk *chunk = state->chunks[state->finished % 2];
	int ret;

	ret = accel_chunk_finish(state, chunk);
	/* A transfer of somebody else failed and took this one along. */
	while (ret == -EAGAIN) {
		ret = accel_chunk_submit(state, chunk);
		if (!ret)
			ret = accel_chunk_finish(state, chunk);
	}
	/* What comes after a failure does not count, even if it was moved. */
	if (ret)
		state->failed = state->failed ? state->failed : ret;
	else if (!state->failed)
		state->done += chunk->job.bytes;
	accel_chunk_release(state, chunk);
	state->finished++;
}

static int accel_transfer_start(struct accel_transfer_state *state)
{
	struct accel_chunk *chunk = state->chunks[state->submitted % 2];
	int ret;

	ret = accel_chunk_pin(state, chunk);
	if (ret)
		return ret;
	ret = accel_chunk_submit(state, chunk);
	if (ret) {
		accel_chunk_release(state, chunk);
		return ret;
	}
	/* What the list had no room for is pinned again with the next chunk. */
	iov_iter_revert(state->iter, chunk->bytes - chunk->job.bytes);
	state->submitted++;
	state->offset += chunk->job.bytes;
	state->left -= chunk->job.bytes;
	return 0;
}

static ssize_t accel_transfer_run(struct accel_transfer_state *state)
{
	int ret = 0;

	while (state->left && !ret && !state->failed) {
		if (state->submitted - state->finished == 2)
			accel_transfer_finish(state);
		else if (task_sigpending(current))	/* not what the kernel wants of the task */
			ret = -EINTR;
		else
			ret = accel_transfer_start(state);
	}
	while (state->submitted != state->finished)
		accel_transfer_finish(state);
	if (state->done)
		return state->done;
	return state->failed ? state->failed : ret;
}

/* The buffer at an offset of the file, and where in it that is. */
static struct accel_buffer *accel_transfer_find(struct accel_context *ctx, u64 address,
						u64 *offset)
{
	struct accel_buffer *buffer;
	struct accel_va *va;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ERR_PTR(ret);
	va = accel_va_find(ctx, address);
	buffer = va ? container_of(va, struct accel_buffer, va) : NULL;
	if (buffer && !buffer->queue)
		kref_get(&buffer->ref);
	else
		buffer = ERR_PTR(-ENXIO);
	accel_context_leave(ctx);
	if (va)
		*offset = address - va->start;
	return buffer;
}

static ssize_t accel_transfer(struct kiocb *iocb, struct iov_iter *iter,
			      enum dma_data_direction direction)
{
	struct accel_transfer_state state = {
		.ctx = iocb->ki_filp->private_data,
		.iter = iter,
		.direction = direction,
	};
	ssize_t ret;

	if (!iov_iter_count(iter))
		return 0;
	state.buffer = accel_transfer_find(state.ctx, iocb->ki_pos, &state.offset);
	if (IS_ERR(state.buffer))
		return PTR_ERR(state.buffer);
	if (direction == DMA_TO_DEVICE && state.buffer->kind != ACCEL_KIND_DEVICE &&
	    !(state.buffer->prot & ACCEL_BUFFER_CARD_WRITE)) {
		ret = -EACCES;
		goto out;
	}
	state.left = min_t(u64, iov_iter_count(iter), state.buffer->bytes - state.offset);
	state.chunks[0] = kvzalloc(sizeof(*state.chunks[0]), GFP_KERNEL_ACCOUNT);
	state.chunks[1] = kvzalloc(sizeof(*state.chunks[1]), GFP_KERNEL_ACCOUNT);
	if (state.chunks[0] && state.chunks[1])
		ret = accel_transfer_run(&state);
	else
		ret = -ENOMEM;
	if (ret > 0)
		iocb->ki_pos += ret;
out:
	kvfree(state.chunks[0]);
	kvfree(state.chunks[1]);
	accel_buffer_put(state.buffer);
	return ret;
}

ssize_t accel_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return accel_transfer(iocb, to, DMA_FROM_DEVICE);
}

ssize_t accel_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return accel_transfer(iocb, from, DMA_TO_DEVICE);
}
