// SPDX-License-Identifier: GPL-2.0
/*
 * accel_queue_stop.c - the driver stops a queue until its owner resets it.
 *
 * For the owner it is an error of the queue like any other: unfinished jobs fail,
 * and QUEUE_RESET starts the queue again. The queue does not exist on the card
 * meanwhile, so none of its commands runs. The owner keeps its id, and its doorbell
 * has no effect.
 */
#include "accel_mapping.h"
#include "accel_queue_stop.h"
#include "accel_trace.h"
#include "accel_wait.h"

/* Writes the status page in the card's order, because the card does not write it any more. */
static void accel_queue_stop_tell(struct accel_queue *queue, const struct accel_queue_error *error)
{
	struct accel_queue_status *status = queue->status;

	WRITE_ONCE(status->error, cpu_to_le32(error->status));
	WRITE_ONCE(status->error_sequence, cpu_to_le64(error->sequence));
	WRITE_ONCE(status->error_address, 0);
	WRITE_ONCE(status->error_list_index, cpu_to_le32(error->list_index));
	WRITE_ONCE(status->error_opcode, cpu_to_le32(error->opcode));
	/* A reader that sees the state also sees the error block. */
	smp_store_release(&status->state, cpu_to_le32(ACCEL_QUEUE_ERROR));
}

/* The context is entered, and its queue runs. */
static int accel_queue_stop_entered(struct accel_context *ctx, struct accel_queue *queue,
				    enum accel_status status, enum accel_reason reason)
{
	struct accel_queue_error error = {
		.status = status,
		.reason = reason,
		.list_index = ACCEL_NO_LIST_INDEX,
	};
	int ret;

	accel_context_assert_entered(ctx);
	ret = accel_queue_read_stats(queue, &queue->last);
	if (!ret)
		ret = accel_queue_read_report(queue);
	if (ret)
		return ret;
	queue->stopped = true;
	/* First, so that the card sees no doorbell write without a queue. */
	accel_queue_revoke_doorbell(queue);
	/* An earlier error of the queue must not replace this one: accel_queue_end() handles it. */
	ret = accel_queue_end(queue);
	if (ret) {
		/* The card does not answer; the queue stays as it is. */
		queue->stopped = false;
		accel_queue_allow_doorbell(queue);
		return ret;
	}
	error.sequence = accel_queue_completed(queue) + 1;
	/* Zero, a NOP, if the card has no reports, or the queue ran no command. */
	error.opcode = le32_to_cpu(queue->report.opcode);
	spin_lock_irq(&queue->lock);
	queue->error = error;
	spin_unlock_irq(&queue->lock);
	accel_queue_stop_tell(queue, &error);
	trace_accel_queue_error(queue, &error);
	accel_wait_wake(queue);
	return 0;
}

/**
 * accel_queue_stop() - stop a queue until its owner resets it
 * @queue: a queue of accel_queue_find(); the caller is in no section
 * @id: the id that the caller found it by
 * @status: error for the owner, in the status page and in queries
 * @reason: why the driver stops the queue
 *
 * Return: 0; -ENOENT if the queue has ended; -EALREADY if it is already stopped;
 * another -errno if the card does not answer, is gone or resets.
 */
int accel_queue_stop(struct accel_queue *queue, u32 id, enum accel_status status,
		     enum accel_reason reason)
{
	struct accel_context *ctx = queue->ctx;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	if (queue->id != (int)id)
		ret = -ENOENT;
	else if (queue->stopped)
		ret = -EALREADY;
	else
		ret = accel_queue_stop_entered(ctx, queue, status, reason);
	accel_context_leave(ctx);
	return ret;
}
