// SPDX-License-Identifier: GPL-2.0
/*
 * accel_transfer.c - read(), write() and their variants at the offset of a buffer:
 * the card moves data between pages of the caller and the buffer. The CPU copies
 * nothing.
 *
 * A transfer consists of chunks (accel_chunk.h), each with as many pages as a
 * segment list holds. Two chunks are in flight, so that pinning overlaps with
 * copying.
 *
 * io_uring and aio do not wait. The caller pins all pages and continues, and a
 * worker does the rest.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "accel_chunk.h"
#include "accel_transfer.h"

#define ACCEL_IN_FLIGHT	2U
/* The caller waits for a larger transfer, to limit the pages that are pinned at a time. */
#define ACCEL_ASYNC_CHUNKS	32U
#define ACCEL_ASYNC_BYTES	((u64)(ACCEL_ASYNC_CHUNKS - 1) * ACCEL_CHUNK_PAGES * PAGE_SIZE)

/* The driver's own, so that unloading waits for workers, which may close the last file. */
static struct workqueue_struct *accel_transfer_workers;

/**
 * struct accel_transfer_state - one read() or write()
 * @move: the transfer
 * @chunks: chunks, used in turn
 * @slots: length of @chunks
 * @submitted: number of submitted chunks
 * @finished: number of finished chunks
 * @done: contiguous bytes moved from the start
 * @first_errno: errno of the first chunk that failed, or 0
 */
struct accel_transfer_state {
	struct accel_move move;
	struct accel_chunk **chunks;
	unsigned int slots;
	unsigned int submitted;
	unsigned int finished;
	ssize_t done;
	int first_errno;
};

/**
 * struct accel_async - a transfer that completes in a worker
 * @work: the worker
 * @iocb: I/O control block, which holds the file
 * @transfer: state of the transfer; all its chunks are pinned
 * @chunks: chunks of @transfer
 */
struct accel_async {
	struct work_struct work;
	struct kiocb *iocb;
	struct accel_transfer_state transfer;
	struct accel_chunk *chunks[ACCEL_ASYNC_CHUNKS];
};

/* Waits for the oldest chunk in flight. */
static void accel_transfer_finish(struct accel_transfer_state *transfer)
{
	struct accel_chunk *chunk = transfer->chunks[transfer->finished % transfer->slots];
	int ret = accel_chunk_finish(&transfer->move, chunk);

	/* Bytes behind a failed chunk do not count, even if the card moved them. */
	if (!transfer->first_errno) {
		transfer->done += chunk->done;
		transfer->first_errno = ret;
	}
	accel_chunk_release(&transfer->move, chunk);
	transfer->finished++;
}

/* Submits the next pinned chunk; releases it on failure. */
static int accel_transfer_submit(struct accel_transfer_state *transfer)
{
	struct accel_chunk *chunk = transfer->chunks[transfer->submitted % transfer->slots];
	int ret;

	if (transfer->submitted - transfer->finished == ACCEL_IN_FLIGHT)
		accel_transfer_finish(transfer);
	ret = transfer->first_errno ?: accel_chunk_submit(&transfer->move, chunk);
	if (ret)
		accel_chunk_release(&transfer->move, chunk);
	else
		transfer->submitted++;
	return ret;
}

static ssize_t accel_transfer_end(struct accel_transfer_state *transfer, int ret)
{
	while (transfer->submitted != transfer->finished)
		accel_transfer_finish(transfer);
	if (transfer->done)
		return transfer->done;
	return transfer->first_errno ? transfer->first_errno : ret;
}

/* Transfers while the caller waits: pin, submit, pin, submit, finish, ... */
static ssize_t accel_transfer_sync(const struct accel_move *move, struct iov_iter *iter,
				   u64 offset, u64 left)
{
	/* One more than in flight, which is pinned meanwhile. */
	struct accel_chunk *chunks[ACCEL_IN_FLIGHT + 1] = {};
	struct accel_transfer_state transfer = {
		.move = *move, .chunks = chunks, .slots = ARRAY_SIZE(chunks),
	};
	unsigned int i;
	int ret = 0;

	while (left && !ret && !transfer.first_errno) {
		struct accel_chunk **slot = &chunks[transfer.submitted % transfer.slots];
		struct accel_chunk *chunk;

		if (task_sigpending(current)) {	/* task work is no reason to stop */
			ret = -EINTR;
			break;
		}
		if (!*slot)
			*slot = accel_chunk_alloc(left);
		chunk = *slot;
		if (!chunk) {
			ret = -ENOMEM;
			break;
		}
		ret = accel_chunk_pin(move, chunk, iter, offset, left);
		if (ret)
			break;
		offset += chunk->bytes;
		left -= chunk->bytes;
		ret = accel_transfer_submit(&transfer);
	}
	ret = accel_transfer_end(&transfer, ret);
	for (i = 0; i < ARRAY_SIZE(chunks); i++)
		kvfree(chunks[i]);
	return ret;
}

static void accel_async_free(struct accel_async *async)
{
	unsigned int i;

	for (i = 0; i < async->transfer.slots; i++)
		kvfree(async->chunks[i]);
	accel_buffer_put(async->transfer.move.buffer);
	kfree(async);
}

static void accel_async_work(struct work_struct *work)
{
	struct accel_async *async = container_of(work, struct accel_async, work);
	struct accel_transfer_state *transfer = &async->transfer;
	struct kiocb *iocb = async->iocb;
	unsigned int i;
	ssize_t ret = 0;

	for (i = 0; i < transfer->slots && !ret; i++)
		ret = accel_transfer_submit(transfer);
	for (; i < transfer->slots; i++)
		accel_chunk_release(&transfer->move, async->chunks[i]);
	ret = accel_transfer_end(transfer, ret);
	accel_async_free(async);
	if (ret > 0)
		iocb->ki_pos += ret;
	/* This may drop the last reference of the file and end the context. */
	iocb->ki_complete(iocb, ret);
}

/* Pins everything and returns. A page that cannot be pinned shortens the transfer. */
static ssize_t accel_transfer_async(const struct accel_move *move, struct kiocb *iocb,
				    struct iov_iter *iter, u64 offset, u64 left)
{
	struct accel_async *async;
	int ret = 0;

	async = kzalloc(sizeof(*async), GFP_KERNEL_ACCOUNT);
	if (!async)
		return -ENOMEM;
	async->iocb = iocb;
	async->transfer.move = *move;
	async->transfer.chunks = async->chunks;
	kref_get(&move->buffer->ref);
	while (left && async->transfer.slots < ACCEL_ASYNC_CHUNKS) {
		struct accel_chunk *chunk = accel_chunk_alloc(left);

		ret = chunk ? accel_chunk_pin(move, chunk, iter, offset, left) : -ENOMEM;
		if (ret) {
			kvfree(chunk);
			break;
		}
		async->chunks[async->transfer.slots++] = chunk;
		offset += chunk->bytes;
		left -= chunk->bytes;
	}
	if (!async->transfer.slots) {
		accel_async_free(async);
		return ret;
	}
	INIT_WORK(&async->work, accel_async_work);
	queue_work(accel_transfer_workers, &async->work);
	return -EIOCBQUEUED;
}

/* Gets the buffer at an offset of the file, and the offset in the buffer. */
static struct accel_buffer *accel_transfer_find(struct accel_context *ctx, u64 address,
						u64 *offset)
{
	struct accel_buffer *buffer;
	int ret;

	ret = accel_context_enter(ctx);
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

static ssize_t accel_transfer(struct kiocb *iocb, struct iov_iter *iter,
			      enum dma_data_direction direction)
{
	struct accel_move move = {
		.ctx = iocb->ki_filp->private_data,
		.direction = direction,
	};
	u64 offset, bytes;
	ssize_t ret;

	if (!iov_iter_count(iter))
		return 0;
	move.buffer = accel_transfer_find(move.ctx, iocb->ki_pos, &offset);
	if (IS_ERR(move.buffer))
		return PTR_ERR(move.buffer);
	bytes = min_t(u64, iov_iter_count(iter), move.buffer->bytes - offset);
	if (direction == DMA_TO_DEVICE && !move.buffer->ops->driver_writes &&
	    !(move.buffer->prot & ACCEL_BUFFER_CARD_WRITE)) {
		ret = -EACCES;
	} else if (!is_sync_kiocb(iocb) && bytes <= ACCEL_ASYNC_BYTES) {
		ret = accel_transfer_async(&move, iocb, iter, offset, bytes);
	} else {
		ret = accel_transfer_sync(&move, iter, offset, bytes);
		if (ret > 0)
			iocb->ki_pos += ret;
	}
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

int accel_transfer_init(void)
{
	accel_transfer_workers = alloc_workqueue("accel-transfer", WQ_UNBOUND, 0);
	return accel_transfer_workers ? 0 : -ENOMEM;
}

void accel_transfer_fini(void)
{
	destroy_workqueue(accel_transfer_workers);
}
