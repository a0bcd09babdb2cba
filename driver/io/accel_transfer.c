// SPDX-License-Identifier: GPL-2.0
/*
 * accel_transfer.c - read(), write() and their variants at the offset of a buffer:
 * the card copies between pages of the caller and the buffer, the CPU nothing.
 *
 * A transfer consists of chunks (accel_chunk.h), each with as many pages as a
 * segment list holds. There are two ways:
 *
 *   The caller waits. Two chunks are in flight while the next one is pinned.
 *
 *   The caller continues: io_uring and aio, up to ACCEL_ASYNC_BYTES. The caller
 *   pins all pages and submits all chunks. The interrupt thread ends them, and
 *   with the last one the transfer.
 *
 * With IOCB_NOWAIT the caller must not sleep, not even for a page fault. It gets
 * -EAGAIN if that is not possible, and io_uring then repeats the call in a worker
 * that may wait.
 */
#include <linux/completion.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "accel_chunk.h"
#include "accel_transfer.h"

/* ---- Transfers whose caller waits ---------------------------------------- */

#define ACCEL_IN_FLIGHT	2U

/**
 * struct accel_sync - a transfer whose caller waits
 * @move: the transfer
 * @chunks: chunks, used in turn; one more than in flight, which is pinned meanwhile
 * @ended: completions of @chunks
 * @submitted: number of submitted chunks
 * @finished: number of finished chunks
 * @done: contiguous bytes moved from the start
 * @error: errno of the first chunk that failed, or 0
 */
struct accel_sync {
	struct accel_move move;
	struct accel_chunk *chunks[ACCEL_IN_FLIGHT + 1];
	struct completion ended[ACCEL_IN_FLIGHT + 1];
	unsigned int submitted;
	unsigned int finished;
	ssize_t done;
	int error;
};

static void accel_sync_chunk_done(struct accel_chunk *chunk)
{
	complete(chunk->private);
}

/*
 * Waits for the oldest chunk in flight. A fatal signal ends the wait for a slot of the ring. The
 * wait for the card goes on, because it accesses the pages; the copy queue bounds that wait.
 */
static void accel_sync_finish(struct accel_sync *sync)
{
	unsigned int slot = sync->finished % ARRAY_SIZE(sync->chunks);
	struct accel_chunk *chunk = sync->chunks[slot];
	struct completion *ended = &sync->ended[slot];

	if (wait_for_completion_killable(ended)) {
		if (accel_chunk_cancel(chunk))
			chunk->result = -EINTR;
		else
			wait_for_completion(ended);
	}
	/* Bytes behind a failed chunk do not count, even if the card moved them. */
	if (!sync->error) {
		sync->error = chunk->result;
		sync->done += chunk->result ? 0 : chunk->bytes;
	}
	accel_chunk_release(chunk);
	sync->finished++;
}

/* Submits the next pinned chunk; releases it on failure. */
static int accel_sync_submit(struct accel_sync *sync)
{
	unsigned int slot = sync->submitted % ARRAY_SIZE(sync->chunks);
	struct accel_chunk *chunk = sync->chunks[slot];
	int ret;

	if (sync->submitted - sync->finished == ACCEL_IN_FLIGHT)
		accel_sync_finish(sync);
	init_completion(&sync->ended[slot]);
	chunk->private = &sync->ended[slot];
	ret = sync->error ?: accel_context_enter(sync->move.ctx);
	if (!ret) {
		ret = accel_chunk_submit(chunk);
		accel_context_leave(sync->move.ctx);
	}
	if (ret)
		accel_chunk_release(chunk);
	else
		sync->submitted++;
	return ret;
}

static ssize_t accel_sync_end(struct accel_sync *sync, int ret)
{
	unsigned int i;

	while (sync->submitted != sync->finished)
		accel_sync_finish(sync);
	for (i = 0; i < ARRAY_SIZE(sync->chunks); i++)
		accel_chunk_free(sync->chunks[i]);
	if (sync->done)
		return sync->done;
	return sync->error ?: ret;
}

/* Transfers while the caller waits: pin, submit, pin, submit, finish, ... */
static ssize_t accel_transfer_sync(const struct accel_move *move, struct iov_iter *iter,
				   u64 offset, u64 left)
{
	struct accel_sync sync = { .move = *move };
	int ret = 0;

	while (left && !ret && !sync.error) {
		struct accel_chunk **slot = &sync.chunks[sync.submitted % ARRAY_SIZE(sync.chunks)];
		struct accel_chunk *chunk = *slot;

		if (task_sigpending(current)) {	/* task work is no reason to stop */
			ret = -EINTR;
			break;
		}
		if (!chunk) {
			chunk = accel_chunk_alloc(&sync.move, left, accel_sync_chunk_done);
			if (IS_ERR(chunk)) {
				ret = PTR_ERR(chunk);
				break;
			}
			*slot = chunk;
		}
		ret = accel_chunk_pin(chunk, iter, offset, left);
		if (ret)
			break;
		offset += chunk->bytes;
		left -= chunk->bytes;
		ret = accel_sync_submit(&sync);
	}
	return accel_sync_end(&sync, ret);
}

/* ---- Transfers whose caller continues ------------------------------------ */

/* The caller waits for a larger transfer: this bounds the pages and the work of one call. */
#define ACCEL_ASYNC_BYTES	SZ_32M
/* One more, since neither end needs to be at a page boundary. */
#define ACCEL_ASYNC_CHUNKS	(ACCEL_ASYNC_BYTES / (ACCEL_COPY_PAGES * PAGE_SIZE) + 2)

/**
 * struct accel_async - a transfer whose caller continues
 * @move: the transfer
 * @iocb: I/O control block, which holds the file
 * @pending: chunks in flight, and one for the caller while it submits
 * @count: number of @chunks
 * @chunks: all chunks of the transfer, in order
 */
struct accel_async {
	struct accel_move move;
	struct kiocb *iocb;
	atomic_t pending;
	unsigned int count;
	struct accel_chunk *chunks[ACCEL_ASYNC_CHUNKS];
};

/* May sleep, because it may free the buffer. */
static void accel_async_free(struct accel_async *async)
{
	unsigned int i;

	for (i = 0; i < async->count; i++)
		accel_chunk_free(async->chunks[i]);
	if (async->move.buffer)
		accel_buffer_put(async->move.buffer);
	kfree(async);
}

/* The contiguous bytes from the start, or the errno of the first chunk. */
static ssize_t accel_async_result(const struct accel_async *async)
{
	ssize_t done = 0;
	unsigned int i;

	for (i = 0; i < async->count; i++) {
		if (async->chunks[i]->result)
			return done ? done : async->chunks[i]->result;
		done += async->chunks[i]->bytes;
	}
	return done;
}

/* All chunks have ended. May sleep if the transfer still has its reference of the buffer. */
static void accel_async_complete(struct accel_async *async)
{
	ssize_t ret = accel_async_result(async);
	struct kiocb *iocb = async->iocb;

	accel_async_free(async);
	if (ret > 0)
		iocb->ki_pos += ret;
	/* The file may end now, and with it the context. */
	iocb->ki_complete(iocb, ret);
}

/* A part of the transfer has ended; the caller may sleep. */
static void accel_async_put(struct accel_async *async)
{
	if (atomic_dec_and_test(&async->pending))
		accel_async_complete(async);
}

static bool accel_async_deferred_complete(struct accel_copy_job *job)
{
	accel_async_complete(container_of(job, struct accel_chunk, job)->private);
	return true;
}

/*
 * Part of the pages was cleaned during the transfer, by writeback or swap. A process that serves a
 * file system can keep such a page locked for as long as it likes.
 */
static bool accel_async_deferred_release(struct accel_copy_job *job)
{
	struct accel_chunk *chunk = container_of(job, struct accel_chunk, job);

	if (accel_chunk_dirty(chunk, true) || !accel_chunk_try_release(chunk))
		return false;
	accel_async_put(chunk->private);
	return true;
}

/* Does not sleep: the end of a buffer may take locks whose holders wait for transfers. */
static void accel_async_chunk_done(struct accel_chunk *chunk)
{
	struct accel_device *adev = chunk->move->ctx->adev;
	struct accel_async *async = chunk->private;

	if (!accel_chunk_try_release(chunk)) {
		accel_copy_job_defer(adev, &chunk->job, accel_async_deferred_release);
		return;
	}
	if (!atomic_dec_and_test(&async->pending))
		return;
	if (accel_buffer_try_put(async->move.buffer)) {
		async->move.buffer = NULL;
		accel_async_complete(async);
	} else {
		accel_copy_job_defer(adev, &chunk->job, accel_async_deferred_complete);
	}
}

/* Unpins the chunks from @first on, which are not in flight. */
static void accel_async_release(struct accel_async *async, unsigned int first)
{
	unsigned int i;

	for (i = first; i < async->count; i++)
		accel_chunk_release(async->chunks[i]);
}

/* Pins the next chunk. */
static int accel_async_pin(struct accel_async *async, struct iov_iter *iter, u64 offset, u64 left)
{
	struct accel_chunk *chunk;
	int ret;

	chunk = accel_chunk_alloc(&async->move, left, accel_async_chunk_done);
	if (IS_ERR(chunk))
		return PTR_ERR(chunk);
	chunk->private = async;
	ret = accel_chunk_pin(chunk, iter, offset, left);
	if (ret) {
		accel_chunk_free(chunk);
		return ret;
	}
	async->chunks[async->count++] = chunk;
	return accel_chunk_dirty(chunk, async->move.nowait);
}

/*
 * Pins the whole transfer. Without @nowait, a page that cannot be pinned shortens it. Return: the
 * pinned bytes; -EAGAIN if these are too many pages at a time, or if the caller would have to
 * sleep.
 */
static ssize_t accel_async_pin_all(struct accel_async *async, struct iov_iter *iter, u64 offset,
				   u64 bytes)
{
	bool nofault = iter->nofault;
	u64 done = 0;
	int ret = 0;

	iter->nofault = nofault || async->move.nowait;
	while (done < bytes && !ret && async->count < ARRAY_SIZE(async->chunks)) {
		unsigned int count = async->count;

		ret = accel_async_pin(async, iter, offset + done, bytes - done);
		if (async->count > count)
			done += async->chunks[count]->bytes;
	}
	iter->nofault = nofault;
	if (done == bytes && !ret)
		return done;
	if (!ret || ret == -EDQUOT || async->move.nowait)
		ret = -EAGAIN;
	else if (done)
		return done;
	iov_iter_revert(iter, done);
	accel_async_release(async, 0);
	return ret;
}

/* Submits all chunks. Return: the number of chunks that are in flight. */
static unsigned int accel_async_submit_all(struct accel_async *async)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < async->count && !ret; i++) {
		atomic_inc(&async->pending);
		ret = accel_chunk_submit(async->chunks[i]);
		if (ret) {
			async->chunks[i]->result = ret;
			atomic_dec(&async->pending);
			return i;
		}
	}
	return i;
}

/* Return: -EIOCBQUEUED, or -EAGAIN as accel_async_pin_all(), or another -errno. */
static ssize_t accel_transfer_async(const struct accel_move *move, struct kiocb *iocb,
				    struct iov_iter *iter, u64 offset, u64 bytes)
{
	struct accel_async *async;
	unsigned int submitted;
	ssize_t ret;

	async = kzalloc(sizeof(*async), move->nowait ? GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT :
						       GFP_KERNEL_ACCOUNT);
	if (!async)
		return move->nowait ? -EAGAIN : -ENOMEM;
	async->iocb = iocb;
	async->move = *move;
	atomic_set(&async->pending, 1);
	kref_get(&move->buffer->ref);

	ret = accel_async_pin_all(async, iter, offset, bytes);
	if (ret < 0)
		goto err_free;
	bytes = ret;
	ret = move->nowait ? accel_context_try_enter(move->ctx) : accel_context_enter(move->ctx);
	if (ret)
		goto err_release;
	submitted = accel_async_submit_all(async);
	accel_context_leave(move->ctx);
	accel_async_release(async, submitted);
	accel_async_put(async);
	return -EIOCBQUEUED;

err_release:
	iov_iter_revert(iter, bytes);
	accel_async_release(async, 0);
err_free:
	accel_async_free(async);
	return ret;
}

/* ---- Calls ---------------------------------------------------------------- */

/* Gets the buffer at an offset of the file, and the offset in the buffer. */
static struct accel_buffer *accel_transfer_find(struct accel_context *ctx, u64 address,
						bool nowait, u64 *offset)
{
	struct accel_buffer *buffer;
	int ret;

	ret = nowait ? accel_context_try_enter(ctx) : accel_context_enter(ctx);
	if (ret)
		return ERR_PTR(ret);
	buffer = accel_buffer_find(ctx, address);
	if (buffer && !buffer->queue) {
		kref_get(&buffer->ref);
		*offset = address - buffer->va.start;
	} else {
		buffer = ERR_PTR(-ENXIO);
	}
	accel_context_leave(ctx);
	return buffer;
}

static ssize_t accel_transfer_begin(const struct accel_move *move, struct kiocb *iocb,
				    struct iov_iter *iter, u64 offset)
{
	u64 bytes = min_t(u64, iov_iter_count(iter), move->buffer->bytes - offset);
	ssize_t ret = -EAGAIN;

	if (move->direction == DMA_TO_DEVICE && !move->buffer->ops->driver_writes &&
	    !(move->buffer->prot & ACCEL_BUFFER_CARD_WRITE))
		return -EACCES;
	if (!is_sync_kiocb(iocb) && bytes <= ACCEL_ASYNC_BYTES)
		ret = accel_transfer_async(move, iocb, iter, offset, bytes);
	if (ret != -EAGAIN || move->nowait)
		return ret;
	ret = accel_transfer_sync(move, iter, offset, bytes);
	if (ret > 0)
		iocb->ki_pos += ret;
	return ret;
}

static ssize_t accel_transfer(struct kiocb *iocb, struct iov_iter *iter,
			      enum dma_data_direction direction)
{
	struct accel_move move = {
		.ctx = iocb->ki_filp->private_data,
		.direction = direction,
		.nowait = iocb->ki_flags & IOCB_NOWAIT,
	};
	ssize_t ret;
	u64 offset;

	if (!iov_iter_count(iter))
		return 0;
	/* Its caller expects the result, which takes the card some time. */
	if (move.nowait && is_sync_kiocb(iocb))
		return -EAGAIN;
	move.buffer = accel_transfer_find(move.ctx, iocb->ki_pos, move.nowait, &offset);
	if (IS_ERR(move.buffer))
		return PTR_ERR(move.buffer);
	ret = accel_transfer_begin(&move, iocb, iter, offset);
	accel_buffer_put(move.buffer);
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
