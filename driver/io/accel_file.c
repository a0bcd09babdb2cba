// SPDX-License-Identifier: GPL-2.0
/*
 * accel_file.c - the life of an open file: its context, and the buffers and queues
 * in it. They end in one order: queues, then the context on the card, then the
 * memory that the card could access.
 */
#include <linux/poll.h>

#include "accel_buffer.h"
#include "accel_file.h"
#include "accel_queue_control.h"

/* The longest wait of open() for a card that resets. */
#define ACCEL_OPEN_TIMEOUT	(10 * HZ)

/**
 * accel_file_open() - open the card
 * @adev: the card
 * @nowait: fail with -EAGAIN instead of waiting for a card that resets
 *
 * Return: the context of the file, or ERR_PTR(-errno).
 */
struct accel_context *accel_file_open(struct accel_device *adev, bool nowait)
{
	long left = nowait ? 0 : ACCEL_OPEN_TIMEOUT;
	struct accel_context *ctx;
	int ret;

	do {
		ret = accel_context_await(adev, &left);
		if (ret)
			return ERR_PTR(ret);
		ctx = accel_context_create(adev);
		/* The card may reset again meanwhile. */
	} while (ctx == ERR_PTR(-ESTALE));
	return ctx;
}

/* The card does not access the memory of the context any more: frees the card half. */
static void accel_file_forget(struct accel_context *ctx)
{
	struct accel_buffer *buffer;
	unsigned long handle;

	xa_for_each(&ctx->buffers, handle, buffer)
		accel_buffer_dma_unmap(buffer);
	accel_context_forget(ctx);
}

/**
 * accel_file_detach() - drop the card half after the card has stopped
 * @ctx: context of the file
 *
 * The caller holds stop_lock, and no section uses the hardware: no call of the
 * file runs.
 */
void accel_file_detach(struct accel_context *ctx)
{
	struct accel_buffer *buffer;
	struct accel_queue *queue;
	unsigned long handle;

	accel_section_assert_stopped(ctx->adev);
	accel_context_end(ctx);
	xa_for_each(&ctx->queues, handle, queue)
		accel_queue_detach(queue);
	wake_up_interruptible_poll(&ctx->poll_wait, EPOLLHUP | EPOLLERR);
	xa_for_each(&ctx->buffers, handle, buffer)
		/* Exported memory ends with its last reference: an importer may still use it. */
		if (buffer->ops->stop && !buffer->end_exports)
			buffer->ops->stop(buffer);
	accel_file_forget(ctx);
}

/*
 * Excludes accel_card_stop(): with a section while the card runs, else with stop_lock, so that a
 * stop in progress has detached the context. Return: the section, or -1.
 */
static int accel_file_exclude_stop(struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;
	int section;

	if (!accel_section_enter(adev, &section))
		return section;
	mutex_lock(&adev->stop_lock);
	return -1;
}

static void accel_file_allow_stop(struct accel_context *ctx, int section)
{
	if (section < 0)
		mutex_unlock(&ctx->adev->stop_lock);
	else
		accel_section_end(ctx->adev, section);
}

/**
 * accel_file_release() - end everything in a context whose file is closed
 * @ctx: the context; it has no sleepers and no mappings
 */
void accel_file_release(struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;
	struct accel_buffer *buffer;
	struct accel_queue *queue;
	unsigned long handle;
	int section;

	xa_for_each(&ctx->buffers, handle, buffer)
		if (buffer->ops->end)
			buffer->ops->end(buffer);
	section = accel_file_exclude_stop(ctx);
	mutex_lock(&ctx->lock);
	xa_for_each(&ctx->queues, handle, queue)
		accel_queue_free(queue);
	if (!ctx->detach_errno && ctx->id >= 0) {
		accel_context_destroy(ctx);
		accel_file_forget(ctx);
	}
	/* A reader of debugfs that holds a reference must not use the context any more. */
	if (!ctx->detach_errno)
		WRITE_ONCE(ctx->detach_errno, -ENODEV);
	spin_lock_irq(&adev->lock);
	list_del(&ctx->node);
	spin_unlock_irq(&adev->lock);
	mutex_unlock(&ctx->lock);
	accel_file_allow_stop(ctx, section);

	/* Without locks, because the release of pages takes mmap_lock. */
	xa_for_each(&ctx->buffers, handle, buffer) {
		if (buffer->end_exports)
			buffer->end_exports(buffer, false);
		accel_buffer_put(buffer);
	}
	accel_context_close(ctx);
}
