// SPDX-License-Identifier: GPL-2.0
/*
 * accel_chunk.c - one part of a transfer: from the caller's pages to the card and
 * back.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "accel_chunk.h"
#include "accel_vram.h"

static gfp_t accel_chunk_gfp(const struct accel_move *move)
{
	return move->nowait ? GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT : GFP_KERNEL_ACCOUNT;
}

/**
 * accel_chunk_alloc() - allocate a chunk
 * @move: the transfer, which outlives the chunk
 * @bytes: remaining bytes of the transfer
 * @done: see struct accel_chunk
 *
 * The chunk is as small as possible: a kernel that clears allocations would spend
 * more time on a large chunk than the card on a small transfer. The user of the
 * file is charged for the pages that the chunk can pin.
 *
 * Return: the chunk, or ERR_PTR(-errno).
 */
struct accel_chunk *accel_chunk_alloc(const struct accel_move *move, u64 bytes,
				      void (*done)(struct accel_chunk *chunk))
{
	/* One more page, since neither end needs to be at a page boundary. */
	u64 capacity = min_t(u64, DIV_ROUND_UP_ULL(bytes, PAGE_SIZE) + 1, ACCEL_COPY_PAGES);
	/* The range in the buffer may touch one more page than the range in memory. */
	size_t targets = (capacity + 1) * sizeof(struct accel_segment);
	struct accel_context *ctx = move->ctx;
	struct accel_chunk *chunk;
	int ret;

	ret = accel_quota_charge(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_HOST_MEMORY,
				 capacity << PAGE_SHIFT);
	if (ret)
		return ERR_PTR(ret);
	chunk = kmalloc(struct_size(chunk, pages, capacity) + targets, accel_chunk_gfp(move));
	if (!chunk) {
		accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_HOST_MEMORY,
				     capacity << PAGE_SHIFT);
		return ERR_PTR(-ENOMEM);
	}
	chunk->move = move;
	chunk->done = done;
	chunk->capacity = capacity;
	chunk->target = (struct accel_segment *)(chunk->pages + capacity);
	return chunk;
}

/* Frees a chunk that is not pinned; NULL is ignored. */
void accel_chunk_free(struct accel_chunk *chunk)
{
	if (chunk)
		accel_quota_uncharge(chunk->move->ctx->quota, ACCEL_RESOURCE_HOST_MEMORY,
				     (u64)chunk->capacity << PAGE_SHIFT);
	kfree(chunk);
}

static void accel_chunk_job_done(struct accel_copy_job *job, int error)
{
	struct accel_chunk *chunk = container_of(job, struct accel_chunk, job);
	const struct accel_move *move = chunk->move;

	chunk->result = error;
	accel_copy_users_end(move->ctx->adev, &move->buffer->transfers);
	chunk->done(chunk);
}

/* An iterator may return its pages one by one. Contiguous pages join the chunk. */
static void accel_chunk_pin_more(struct accel_chunk *chunk, struct iov_iter *iter, u64 max)
{
	bool write = chunk->move->direction == DMA_FROM_DEVICE;
	enum accel_pin pin;
	size_t first;
	ssize_t got;

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
}

/* The longest segment: a bounce buffer is shorter than a huge page. */
static unsigned int accel_chunk_segment(struct accel_device *adev)
{
	size_t max = min_t(size_t, UINT_MAX, dma_max_mapping_size(&adev->pdev->dev));

	return ALIGN_DOWN(max, PAGE_SIZE);
}

/**
 * accel_chunk_pin() - pin the next pages of the caller
 * @chunk: a new or released chunk
 * @iter: memory of the caller; advanced
 * @offset: offset in the buffer
 * @max: remaining bytes of the transfer
 *
 * Return: 0 or -errno.
 */
int accel_chunk_pin(struct accel_chunk *chunk, struct iov_iter *iter, u64 offset, u64 max)
{
	const struct accel_move *move = chunk->move;
	struct accel_copy_job *job = &chunk->job;
	ssize_t got;
	int ret;

	got = accel_compat_pin(iter, chunk->pages, max, chunk->capacity,
			       move->direction == DMA_FROM_DEVICE, &chunk->first, &chunk->pin);
	if (got <= 0)
		return got ? got : -EFAULT;
	chunk->bytes = got;
	chunk->offset = offset;
	chunk->page_count = DIV_ROUND_UP(chunk->first + got, PAGE_SIZE);
	accel_chunk_pin_more(chunk, iter, max);

	*job = (struct accel_copy_job) {
		.direction = move->direction,
		.target = chunk->target,
		.bytes = chunk->bytes,
		.done = accel_chunk_job_done,
	};
	ret = sg_alloc_table_from_pages_segment(&job->sgt, chunk->pages, chunk->page_count,
						chunk->first, chunk->bytes,
						accel_chunk_segment(move->ctx->adev),
						accel_chunk_gfp(move));
	if (ret) {
		iov_iter_revert(iter, chunk->bytes);
		accel_compat_unpin(chunk->pages, chunk->page_count, chunk->pin, false);
	}
	return ret;
}

/**
 * accel_chunk_dirty() - mark the pages dirty that the card is about to write
 * @chunk: a pinned chunk
 * @nowait: do not wait for the lock of a page
 *
 * The thread that ends the chunk does not sleep, so it unpins only pages that are
 * still dirty.
 *
 * Return: 0, or -EAGAIN if the call would sleep and must not.
 */
int accel_chunk_dirty(struct accel_chunk *chunk, bool nowait)
{
	if (chunk->move->direction != DMA_FROM_DEVICE)
		return 0;
	return accel_compat_dirty(chunk->pages, chunk->page_count, chunk->pin, nowait) ?
	       0 : -EAGAIN;
}

/* Unpins the pages; may sleep. */
void accel_chunk_release(struct accel_chunk *chunk)
{
	sg_free_table(&chunk->job.sgt);
	accel_compat_unpin(chunk->pages, chunk->page_count, chunk->pin,
			   chunk->move->direction == DMA_FROM_DEVICE);
}

/* Unpins the pages without sleeping. Return: false if a page must be marked dirty again. */
bool accel_chunk_try_release(struct accel_chunk *chunk)
{
	if (chunk->move->direction == DMA_FROM_DEVICE &&
	    !accel_compat_is_dirty(chunk->pages, chunk->page_count, chunk->pin))
		return false;
	sg_free_table(&chunk->job.sgt);
	accel_compat_unpin(chunk->pages, chunk->page_count, chunk->pin, false);
	return true;
}

static void accel_chunk_append(struct accel_chunk *chunk, u64 address, u64 bytes)
{
	struct accel_segment *segment = &chunk->target[chunk->job.target_count++];

	segment->address = cpu_to_le64(address);
	segment->bytes = cpu_to_le64(bytes);
}

/*
 * Lists the buffer's memory of the chunk. The context is entered, so the memory stays. All segments
 * but the first and the last one are whole pages, so the list is long enough. Return: false if the
 * memory is shorter than the chunk.
 */
static bool accel_chunk_list_target(struct accel_chunk *chunk)
{
	struct accel_buffer *buffer = chunk->move->buffer;
	u64 skip = chunk->offset, left = chunk->bytes, length, bytes;
	struct accel_extent *extent;
	struct scatterlist *sg;
	int i;

	accel_context_assert_entered(chunk->move->ctx);
	chunk->job.target_count = 0;
	if (buffer->source) {
		list_for_each_entry(extent, &buffer->source->extents, list) {
			length = extent->bytes;
			if (skip < length) {
				bytes = min(length - skip, left);
				accel_chunk_append(chunk, ACCEL_BYPASS_MEMORY |
						   (extent->offset + skip), bytes);
				left -= bytes;
			}
			if (!left)
				break;
			skip -= min(skip, length);
		}
		return !left;
	}
	for_each_sgtable_dma_sg(&buffer->sgt, sg, i) {
		length = sg_dma_len(sg);
		if (skip < length) {
			bytes = min(length - skip, left);
			accel_chunk_append(chunk, sg_dma_address(sg) + skip, bytes);
			left -= bytes;
		}
		if (!left)
			break;
		skip -= min(skip, length);
	}
	return !left;
}

/**
 * accel_chunk_submit() - submit a chunk to the copy queue
 * @chunk: a pinned chunk; its context is entered
 *
 * The call does not sleep.
 *
 * Return: 0, or -errno with the chunk still pinned.
 */
int accel_chunk_submit(struct accel_chunk *chunk)
{
	const struct accel_move *move = chunk->move;
	struct accel_buffer *buffer = move->buffer;
	struct accel_context *ctx = move->ctx;
	int ret;

	accel_context_assert_entered(ctx);
	/* The buffer was destroyed or revoked: the card must not use its memory any more. */
	if (RB_EMPTY_NODE(&buffer->va.node) || buffer->revoked || !accel_chunk_list_target(chunk))
		return -ENXIO;
	atomic_inc(&buffer->transfers);
	ret = accel_copy_job_submit(ctx->adev, &ctx->transfers, &chunk->job);
	if (ret)
		accel_copy_users_end(ctx->adev, &buffer->transfers);
	return ret;
}

/**
 * accel_chunk_cancel() - take back a chunk that the copy queue has not begun
 * @chunk: a submitted chunk that the caller keeps alive
 *
 * Return: true if done() will not be called; the chunk is still pinned.
 */
bool accel_chunk_cancel(struct accel_chunk *chunk)
{
	const struct accel_move *move = chunk->move;

	if (!accel_copy_job_cancel(move->ctx->adev, &chunk->job))
		return false;
	accel_copy_users_end(move->ctx->adev, &move->buffer->transfers);
	return true;
}
