// SPDX-License-Identifier: GPL-2.0
/*
 * accel_admin_stop.c - an administrator stops a queue of any process: the file
 * `stop_queue` of the node's device.
 *
 * For the owner it is an error of the queue like any other: unfinished jobs fail
 * with EIO and status ACCEL_ABORTED, and QUEUE_RESET starts the queue again. The
 * queue does not exist on the card meanwhile, so none of its commands runs. The
 * owner keeps its id, and its doorbell has no effect.
 */
#include <linux/pid.h>

#include "accel_admin_stop.h"
#include "accel_event_log.h"
#include "accel_mapping.h"
#include "accel_trace.h"
#include "accel_wait.h"

/* Writes the status page in the card's order, because the card does not write it any more. */
static void accel_admin_stop_tell(struct accel_queue *queue, const struct accel_queue_error *error)
{
	struct accel_queue_status *status = queue->status;

	WRITE_ONCE(status->error, cpu_to_le32(error->status));
	WRITE_ONCE(status->error_sequence, cpu_to_le64(error->sequence));
	WRITE_ONCE(status->error_address, 0);
	WRITE_ONCE(status->error_list_index, cpu_to_le32(error->list_index));
	WRITE_ONCE(status->error_opcode, 0);
	/* A reader that sees the state also sees the error block. */
	smp_store_release(&status->state, cpu_to_le32(ACCEL_QUEUE_ERROR));
}

/* The context is entered, and its queue runs. */
static int accel_admin_stop_entered(struct accel_context *ctx, struct accel_queue *queue)
{
	struct accel_device *adev = ctx->adev;
	struct accel_queue_error error = {
		.status = ACCEL_ABORTED,
		.list_index = ACCEL_NO_LIST_INDEX,
	};
	int ret;

	accel_context_assert_entered(ctx);
	ret = accel_queue_read_stats(queue, &queue->last);
	if (ret)
		return ret;
	queue->stopped = true;
	/* First, so that the card sees no doorbell write without a queue. */
	accel_mapping_revoke_doorbell(adev, queue->id);
	ret = accel_queue_command(queue, ACCEL_ADMIN_DESTROY_QUEUE);
	if (ret) {
		/* The card does not answer; the queue stays as it is. */
		queue->stopped = false;
		return ret;
	}
	/* An earlier error of the queue must not replace this one. */
	accel_events_drain(adev);
	error.sequence = accel_queue_completed(queue) + 1;
	spin_lock_irq(&queue->lock);
	queue->error = error;
	spin_unlock_irq(&queue->lock);
	accel_admin_stop_tell(queue, &error);
	trace_accel_queue_error(queue, &error);
	accel_wait_wake(queue);
	return 0;
}

/**
 * accel_admin_stop_queue() - stop a queue until its owner resets it
 * @adev: the card
 * @id: id of the queue on the card
 *
 * Return: 0; -ENOENT if no process has a queue of that id; -EALREADY if it is
 * already stopped; another -errno if the card does not answer, is gone or resets.
 */
int accel_admin_stop_queue(struct accel_device *adev, unsigned int id)
{
	struct accel_context *ctx = NULL;
	struct accel_queue *queue = NULL;
	int ret;

	spin_lock_irq(&adev->lock);
	if (id < adev->queue_count)
		queue = adev->queues[id];
	if (queue) {
		/* The context of a queue in the table is alive. */
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
			ret = accel_admin_stop_entered(ctx, queue);
		accel_context_leave(ctx);
	}
	if (!ret)
		accel_event_log_card(adev, "queue-stopped", "queue=%u client=%llu pid=%d", id,
				     ctx->client, pid_nr(ctx->owner));
	accel_queue_put(queue);
	accel_context_put(ctx);
	return ret;
}
