// SPDX-License-Identifier: GPL-2.0
/*
 * accel_usage.c - resources of a file, for fdinfo and debugfs: memory, buffers,
 * queues, and the busy time of the engines.
 *
 * Busy times are counters of the card for each queue. The driver queries them
 * when a reader asks, and keeps the sum when a queue ends.
 */
#include "accel_buffer.h"
#include "accel_queue.h"
#include "accel_usage.h"

static void accel_usage_add(struct accel_usage *usage, const struct accel_buffer *buffer)
{
	usage->bytes[buffer->ops->kind] += buffer->bytes;
}

/**
 * accel_usage_count() - count the buffers and queues of a file
 * @ctx: the context, entered
 * @usage: the result, filled in
 */
void accel_usage_count(struct accel_context *ctx, struct accel_usage *usage)
{
	struct accel_buffer *buffer;
	struct accel_queue *queue;
	unsigned long handle;

	accel_context_assert_entered(ctx);
	*usage = (struct accel_usage) {};
	xa_for_each(&ctx->queues, handle, queue) {
		accel_usage_add(usage, queue->memory);
		usage->queues++;
	}
	xa_for_each(&ctx->buffers, handle, buffer) {
		accel_usage_add(usage, buffer);
		usage->buffers++;
	}
}

/* Asks the card for busy time and progress of every queue. The context is entered. */
static void accel_usage_refresh(struct accel_context *ctx)
{
	struct accel_queue_stats stats;
	struct accel_queue *queue;
	unsigned long handle;

	accel_context_assert_entered(ctx);
	accel_usage_count(ctx, &ctx->usage);
	xa_for_each(&ctx->queues, handle, queue) {
		accel_queue_read_stats(queue, &stats);
		accel_queue_read_report(queue);
	}
}

/**
 * accel_usage_query() - the resources of a file, including busy time in its context
 * @ctx: the context
 * @usage: the result, filled in
 *
 * The caller never waits for a call of the file or for a reset. It gets the last
 * known values while one of them is in progress.
 */
void accel_usage_query(struct accel_context *ctx, struct accel_usage *usage)
{
	struct accel_device *adev = ctx->adev;
	int section = accel_section_begin(adev);
	bool locked = mutex_trylock(&ctx->lock);

	if (locked) {
		if (!accel_context_gone(ctx))
			accel_usage_refresh(ctx);
		*usage = ctx->usage;
		mutex_unlock(&ctx->lock);
	}
	accel_section_end(adev, section);
	if (locked)
		return;
	/* The copy may mix values of two updates; each value is valid. */
	*usage = data_race(ctx->usage);
}
