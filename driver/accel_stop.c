// SPDX-License-Identifier: GPL-2.0
/*
 * accel_stop.c - an administrator stops a queue that is somebody else's: the file
 * `stop_queue` of the node's device.
 *
 * To its owner it is an error of the queue like any other: jobs that are not
 * finished fail with EIO and status ACCEL_ABORTED, and QUEUE_RESET starts it
 * afresh. The card forgets the queue, so nothing of it runs; its id stays the
 * owner's, its doorbell leads nowhere meanwhile.
 */
#include "accel.h"
#include "accel_trace.h"

/* The card no longer writes the status page: we do, in the order in which it would. */
static void accel_stop_tell(struct accel_queue *queue, const struct accel_queue_error *error)
{
	struct accel_queue_status *status = queue->status;

	WRITE_ONCE(status->error, cpu_to_le32(error->status));
	WRITE_ONCE(status->error_sequence, cpu_to_le64(error->sequence));
	WRITE_ONCE(status->error_address, 0);
	WRITE_ONCE(status->error_list_index, cpu_to_le32(error->list_index));
	WRITE_ONCE(status->error_opcode, 0);
	/* Who sees the state sees what it is about. */
	smp_store_release(&status->state, cpu_to_le32(ACCEL_QUEUE_ERROR));
}

/* Called with the context entered; the queue is its own and runs. */
static int accel_stop_entered(struct accel_context *ctx, struct accel_queue *queue)
{
	struct accel_device *adev = ctx->adev;
	struct accel_queue_error error = {
		.status = ACCEL_ABORTED,
		.list_index = ACCEL_NO_LIST_INDEX,
	};
	int ret;

	ret = accel_queue_read_stats(queue, &queue->last);
	if (ret)
		return ret;
	queue->stopped = true;
	/* Before the card would wonder whose doorbell it is; a fault finds no owner now. */
	accel_mmap_revoke_doorbell(adev, queue->id);
	ret = accel_queue_command(queue, ACCEL_ADMIN_DESTROY_QUEUE);
	if (ret) {
		/* A card that does not answer is not helped by this. */
		queue->stopped = false;
		return ret;
	}
	/* An error of its own that came first is no news any more. */
	accel_events_drain(adev);
	error.sequence = accel_wait_completed(queue) + 1;
	spin_lock_irq(&queue->lock);
	queue->error = error;
	spin_unlock_irq(&queue->lock);
	accel_stop_tell(queue, &error);
	trace_accel_queue_error(queue, &error);
	accel_wait_wake(queue);
	return 0;
}

/**
 * accel_stop_queue() - stop a queue for good, until its owner resets it
 * @adev: the card
 * @id: of the queue on the card
 *
 * Return: 0; -ENOENT: no process has a queue of that id; -EALREADY: it was stopped;
 * other -errno: the card does not answer, is gone or is being reset.
 */
int accel_stop_queue(struct accel_device *adev, unsigned int id)
{
	struct accel_context *ctx = NULL;
	struct accel_queue *queue = NULL;
	int ret;

	spin_lock_irq(&adev->lock);
	if (id < adev->queue_count)
		queue = adev->queues[id];
	if (queue) {
		/* While it is in the table its context is there. */
		ctx = queue->ctx;
		kref_get(&queue->ref);
		kref_get(&ctx->ref);
	}
	spin_unlock_irq(&adev->lock);
	if (!queue)
		return -ENOENT;

	ret = accel_context_enter(ctx);
	if (!ret) {
		if (queue->id != (int)id)
			ret = -ENOENT;
		else if (queue->stopped)
			ret = -EALREADY;
		else
			ret = accel_stop_entered(ctx, queue);
		accel_context_leave(ctx);
	}
	if (!ret)
		accel_report(adev, "queue-stopped", "queue=%u client=%llu pid=%d", id, ctx->client,
			     pid_nr(ctx->owner));
	accel_queue_put(queue);
	accel_context_put(ctx);
	return ret;
}
