// SPDX-License-Identifier: GPL-2.0
/*
 * accel_queue_control.c - the life of a queue: creation, errors, reset, end, and
 * the ioctls for them.
 */
#include <linux/slab.h>

#include "accel_event_log.h"
#include "accel_mapping.h"
#include "accel_queue_control.h"
#include "accel_queue_memory.h"
#include "accel_trace.h"
#include "accel_uring.h"
#include "accel_wait.h"

/**
 * accel_queue_event() - handle an error of a queue of a context
 * @adev: the card
 * @event: an event of ACCEL_EVENT_QUEUE_ERROR that is not for the copy queue
 *
 * Return: true; an event for a queue that does not exist any more is dropped.
 */
bool accel_queue_event(struct accel_device *adev, const struct accel_event *event)
{
	struct accel_queue_error error = accel_event_queue_error(event);
	u32 id = le32_to_cpu(event->queue);
	struct accel_queue *queue;
	bool known;

	accel_section_assert(adev);
	lockdep_assert_held(&adev->events->lock);
	queue = accel_queue_find(adev, id);
	if (!queue)
		return true;
	spin_lock_irq(&queue->lock);
	/* After a loss of events the driver may get this error from a report and from the event. */
	known = queue->error.status;
	if (!known)
		queue->error = error;
	spin_unlock_irq(&queue->lock);
	if (!known) {
		trace_accel_queue_error(queue, &error);
		accel_event_log_queue(adev, queue->ctx->owner, "queue-error",
				      "queue=%u client=%llu status=%u opcode=%#x", id,
				      queue->ctx->client, error.status, error.opcode);
		dev_dbg(&adev->dev, "queue %u stopped: status %u at command %llu, address %#llx\n",
			id, error.status, error.sequence, error.address);
	}
	accel_wait_wake(queue);
	accel_queue_found_put(queue);
	return true;
}

/**
 * accel_queue_detach() - drop the card half after the card has stopped
 * @queue: the queue; its handle stays until the file is closed
 *
 * The caller holds stop_lock.
 */
void accel_queue_detach(struct accel_queue *queue)
{
	accel_section_assert_stopped(queue->ctx->adev);
	/* An earlier reset may have detached it. */
	if (queue->id < 0)
		return;
	accel_queue_forget(queue);
	accel_buffer_dma_unmap(queue->memory);
	accel_wait_wake(queue);
}

/**
 * accel_queue_free() - end a queue and drop its handle
 * @queue: a queue of a context that is locked, and may be detached
 */
void accel_queue_free(struct accel_queue *queue)
{
	struct accel_context *ctx = queue->ctx;
	struct accel_queue_stats stats;

	accel_context_assert_entered(ctx);
	trace_accel_queue_destroy(queue, ctx->detach_errno);
	xa_erase(&ctx->queues, queue->handle);
	if (queue->id >= 0) {
		/* First, so that the card sees no doorbell write without a queue. */
		accel_queue_revoke_doorbell(queue);
		/* The query keeps its busy time in the sum of the file. */
		if (!queue->stopped) {
			accel_queue_read_stats(queue, &stats);
			accel_queue_end(queue);
		}
		accel_queue_forget(queue);
		accel_buffer_detach(ctx, queue->memory);
	}
	WRITE_ONCE(queue->epoch, U32_MAX);
	accel_wait_wake(queue);
	accel_queue_put(queue);
}

/**
 * accel_queue_destroy() - end the queue of a handle
 * @ctx: the context
 * @handle: the handle
 *
 * Return: 0 or -errno.
 */
int accel_queue_destroy(struct accel_context *ctx, u32 handle)
{
	struct accel_queue *queue;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	queue = xa_load(&ctx->queues, handle);
	if (queue)
		accel_queue_free(queue);
	accel_context_leave(ctx);
	return queue ? 0 : -ENOENT;
}

/* Checks what the caller asks for. The capability is only asked for if the caller needs it. */
static int accel_queue_check(struct accel_context *ctx, const struct accel_queue_create *args)
{
	u32 limit = READ_ONCE(ctx->adev->time_limit_ms);

	if (args->flags)
		return -EOPNOTSUPP;
	if (args->reserved || args->reserved2 || args->priority >= ACCEL_PRIORITIES ||
	    !is_power_of_2(args->entries) || args->entries < ACCEL_RING_ENTRIES_MIN ||
	    args->entries > ctx->adev->ring_entries)
		return -EINVAL;
	if (limit && args->time_limit_ms > limit)
		return -EINVAL;
	if (args->priority > accel_quota_priority_max(ctx->adev))
		return -EPERM;
	return 0;
}

/* Allocates a queue with ring and status page, without a card half. */
static struct accel_queue *accel_queue_alloc(struct accel_context *ctx,
					     const struct accel_queue_create *args)
{
	u32 entries = args->entries;
	u64 bytes = ACCEL_QUEUE_RING_OFFSET + ALIGN((u64)entries * ACCEL_COMMAND_SIZE, PAGE_SIZE);
	struct accel_queue *queue;

	BUILD_BUG_ON(sizeof(struct accel_queue_status) > ACCEL_QUEUE_RING_OFFSET);
	BUILD_BUG_ON(sizeof(struct accel_command) != ACCEL_COMMAND_SIZE);
	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return ERR_PTR(-ENOMEM);
	kref_init(&queue->ref);
	queue->ctx = ctx;
	queue->id = -1;
	queue->entries = entries;
	queue->priority = args->priority;
	queue->time_limit = accel_time_limit_ticks(ctx->adev, args->time_limit_ms);
	mutex_init(&queue->doorbell_lock);
	spin_lock_init(&queue->lock);
	queue->waiters = RB_ROOT_CACHED;
	RB_CLEAR_NODE(&queue->event.node);
	accel_uring_init(queue);

	queue->memory = accel_queue_memory_alloc(ctx, bytes, &queue->status);
	if (IS_ERR(queue->memory)) {
		int ret = PTR_ERR(queue->memory);

		kfree(queue);
		return ERR_PTR(ret);
	}
	return queue;
}

/* Starts a queue and gives it a handle; the context is entered. */
static int accel_queue_attach(struct accel_context *ctx, struct accel_queue *queue)
{
	int ret;

	accel_context_assert_entered(ctx);
	ret = accel_buffer_attach(ctx, queue->memory);
	if (ret)
		return ret;
	ret = accel_queue_start(queue);
	if (ret)
		goto err_detach;
	ret = xa_alloc(&ctx->queues, &queue->handle, queue, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_destroy;
	accel_queue_allow_doorbell(queue);
	return 0;

err_destroy:
	accel_queue_end(queue);
	accel_queue_forget(queue);
err_detach:
	accel_buffer_detach(ctx, queue->memory);
	return ret;
}

int accel_ioctl_queue_create(struct accel_context *ctx, struct accel_queue_create *args)
{
	struct accel_queue *queue;
	int ret;

	ret = accel_queue_check(ctx, args);
	if (ret)
		return ret;
	queue = accel_queue_alloc(ctx, args);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	ret = accel_context_enter(ctx);
	if (ret)
		goto err_put;
	ret = accel_queue_attach(ctx, queue);
	if (ret)
		goto err_leave;
	args->handle = queue->handle;
	args->address = queue->memory->va.start;
	args->bytes = queue->memory->bytes;
	args->doorbell = accel_mapping_doorbell(queue->id);
	trace_accel_queue_create(queue, args->priority);
	accel_context_leave(ctx);
	return 0;

err_leave:
	accel_context_leave(ctx);
err_put:
	accel_queue_put(queue);
	return ret;
}

int accel_ioctl_queue_destroy(struct accel_context *ctx, struct accel_queue_destroy *args)
{
	return accel_queue_destroy(ctx, args->handle);
}

int accel_ioctl_queue_reset(struct accel_context *ctx, struct accel_queue_reset *args)
{
	struct accel_queue *queue;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	queue = xa_load(&ctx->queues, args->handle);
	if (!queue) {
		ret = -ENOENT;
		goto out;
	}
	ret = accel_queue_restart(queue);
	trace_accel_queue_reset(queue, ret);
	/* After a failed reset the queue keeps its error, for its waiters and for queries. */
	if (ret)
		goto out;
	/* An error before the reset must not stop the queue after it. */
	accel_events_drain(ctx->adev);
	spin_lock_irq(&queue->lock);
	queue->epoch++;
	queue->notify = 0;
	memset(&queue->error, 0, sizeof(queue->error));
	spin_unlock_irq(&queue->lock);
	/* The owner may submit before this call returns; that error may be dropped by now. */
	if (!accel_queue_read_report(queue) && queue->report.error)
		accel_events_restore_queue(ctx->adev, queue->id, &queue->report);
	accel_wait_wake(queue);
out:
	accel_context_leave(ctx);
	return ret;
}

static void accel_queue_query_stats(struct accel_queue_query *args,
				    const struct accel_queue_stats *stats)
{
	args->commands = le64_to_cpu(stats->commands);
	args->doorbells = le64_to_cpu(stats->doorbells);
	args->interrupts = le64_to_cpu(stats->interrupts);
	args->dma_busy = le64_to_cpu(stats->dma_busy);
	args->compute_busy = le64_to_cpu(stats->compute_busy);
	args->host_read = le64_to_cpu(stats->host_read);
	args->host_written = le64_to_cpu(stats->host_written);
	args->memory_read = le64_to_cpu(stats->memory_read);
	args->memory_written = le64_to_cpu(stats->memory_written);
}

int accel_ioctl_queue_query(struct accel_context *ctx, struct accel_queue_query *args)
{
	struct accel_queue_stats stats;
	struct accel_queue *queue;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	queue = xa_load(&ctx->queues, args->handle);
	ret = queue ? accel_queue_read_stats(queue, &stats) : -ENOENT;
	if (!ret)
		ret = accel_queue_read_report(queue);
	if (ret)
		goto out;
	/* The thread of the interrupt may not have handled the error yet. */
	if (queue->report.error && !READ_ONCE(queue->error.status))
		accel_events_drain(ctx->adev);

	spin_lock_irq(&queue->lock);
	args->error = queue->error.status;
	args->reason = queue->error.reason;
	args->error_sequence = queue->error.sequence;
	args->error_address = queue->error.address;
	args->error_list_index = queue->error.list_index;
	args->error_opcode = queue->error.opcode;
	spin_unlock_irq(&queue->lock);
	args->state = args->error ? ACCEL_QUEUE_ERROR : ACCEL_QUEUE_RUNNING;
	args->completed = le64_to_cpu(READ_ONCE(queue->status->completed));
	accel_queue_query_stats(args, &stats);
	args->activity = le32_to_cpu(queue->report.activity);
	args->pieces = le64_to_cpu(queue->report.pieces);
out:
	accel_context_leave(ctx);
	return ret;
}
