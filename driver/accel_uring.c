// SPDX-License-Identifier: GPL-2.0
/*
 * accel_uring.c - waiting by io_uring: IORING_OP_URING_CMD with
 * ACCEL_URING_WAIT.
 *
 * A command in flight keeps its ring and our file alive, and this kernel may
 * have no way to cancel one. So each has a time limit, and those of a process
 * end when it closes the file, as it does when it dies.
 *
 * All of a file share one timer, set for the first of them: most waits end long
 * before their limit, and none of those touches it.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "accel.h"
#include "accel_compat.h"
#include "accel_trace.h"

/**
 * struct accel_uring_waiter - one command in flight
 * @waiter: on the queue
 * @node: in accel_context.urings
 * @ctx: of the file
 * @queue: a reference
 * @cmd: the command
 * @owner: the files of the process that issued it, only compared
 * @expires: in jiffies, its time limit
 * @result: 0 or -errno
 */
struct accel_uring_waiter {
	struct accel_waiter waiter;
	struct list_head node;
	struct accel_context *ctx;
	struct accel_queue *queue;
	struct io_uring_cmd *cmd;
	const void *owner;
	unsigned long expires;
	int result;
};

/* In the task that issued it. The waiter is off the queue: nobody else comes here for it. */
static void accel_uring_done(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct accel_uring_waiter *wait = *(struct accel_uring_waiter **)cmd->pdu;
	int result = wait->result;
	u64 completed = accel_wait_reached(wait->queue, wait->waiter.sequence, result);

	spin_lock_irq(&wait->ctx->urings_lock);
	wait->ctx->uring_count--;
	list_del(&wait->node);
	spin_unlock_irq(&wait->ctx->urings_lock);
	accel_queue_put(wait->queue);
	kfree(wait);
	accel_compat_uring_done(cmd, result, completed, issue_flags);
}
ACCEL_COMPAT_URING_TASK_WORK(accel_uring_task_work, accel_uring_done)

static void accel_uring_fire(struct accel_waiter *waiter, int result)
{
	struct accel_uring_waiter *wait = container_of(waiter, struct accel_uring_waiter, waiter);

	wait->result = result;
	io_uring_cmd_complete_in_task(wait->cmd, accel_uring_task_work);
}

/* End it before it is due, unless it has just been fired. */
static void accel_uring_end(struct accel_uring_waiter *wait, int result)
{
	if (accel_wait_remove(wait->queue, &wait->waiter)) {
		trace_accel_wait_end(wait->queue, wait->waiter.sequence, result);
		accel_uring_fire(&wait->waiter, result);
	}
}

static void accel_uring_timeout(struct timer_list *timer)
{
	struct accel_context *ctx = container_of(timer, struct accel_context, urings_timer);
	unsigned long now = jiffies, next = 0, irq;
	struct accel_uring_waiter *wait;

	spin_lock_irqsave(&ctx->urings_lock, irq);
	list_for_each_entry(wait, &ctx->urings, node) {
		unsigned long due = wait->expires;

		if (time_after_eq(now, due)) {
			accel_uring_end(wait, -ETIMEDOUT);
			/* It may not be on its queue yet: look again until it is off the list. */
			due = now + 1;
		}
		if (list_is_first(&wait->node, &ctx->urings) || time_before(due, next))
			next = due;
	}
	if (!list_empty(&ctx->urings))
		mod_timer(&ctx->urings_timer, next);
	spin_unlock_irqrestore(&ctx->urings_lock, irq);
}

void accel_uring_init(struct accel_context *ctx)
{
	spin_lock_init(&ctx->urings_lock);
	INIT_LIST_HEAD(&ctx->urings);
	timer_setup(&ctx->urings_timer, accel_uring_timeout, 0);
}

/* A command in flight keeps the file: there is none any more. */
void accel_uring_fini(struct accel_context *ctx)
{
	timer_delete_sync(&ctx->urings_timer);
}

/**
 * accel_uring_flush() - a process closes the file: end what it waits for
 * @ctx: of the file
 * @owner: its files
 */
void accel_uring_flush(struct accel_context *ctx, const void *owner)
{
	struct accel_uring_waiter *wait;

	spin_lock_irq(&ctx->urings_lock);
	list_for_each_entry(wait, &ctx->urings, node)
		if (wait->owner == owner)
			accel_uring_end(wait, -ECANCELED);
	spin_unlock_irq(&ctx->urings_lock);
}

int accel_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct accel_context *ctx = cmd->file->private_data;
	const struct accel_uring_wait *sqe = accel_compat_uring_payload(cmd);
	struct accel_uring_wait args;
	struct accel_queue *queue;
	struct accel_uring_waiter *wait;
	u64 completed;
	bool full;
	u32 epoch;
	int ret;

	BUILD_BUG_ON(sizeof(args) != 16);
	BUILD_BUG_ON(sizeof(wait) > sizeof(cmd->pdu));
	if (cmd->cmd_op != ACCEL_URING_WAIT)
		return -ENOTTY;
	/* The entry is memory that the caller shares: each field is read once. */
	args.handle = READ_ONCE(sqe->handle);
	args.timeout_ms = READ_ONCE(sqe->timeout_ms);
	args.sequence = READ_ONCE(sqe->sequence);
	if (args.timeout_ms > ACCEL_URING_TIMEOUT_MAX)
		return -EINVAL;

	queue = accel_queue_get(ctx, args.handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	epoch = READ_ONCE(queue->epoch);
	ret = accel_wait_look(queue, args.sequence, epoch);
	if (ret) {	/* there is nothing to wait for */
		trace_accel_wait_begin(queue, args.sequence);
		trace_accel_wait_end(queue, args.sequence, min(ret, 0));
		completed = accel_wait_reached(queue, args.sequence, ret);
		accel_queue_put(queue);
		accel_compat_uring_done(cmd, min(ret, 0), completed, issue_flags);
		return -EIOCBQUEUED;
	}
	wait = kzalloc(sizeof(*wait), GFP_KERNEL_ACCOUNT);
	if (!wait) {
		accel_queue_put(queue);
		return -ENOMEM;
	}
	kref_get(&queue->ref);
	wait->queue = queue;
	wait->ctx = ctx;
	wait->cmd = cmd;
	wait->owner = current->files;
	wait->waiter.sequence = args.sequence;
	wait->waiter.epoch = epoch;
	wait->waiter.fire = accel_uring_fire;
	wait->expires = jiffies + msecs_to_jiffies(args.timeout_ms);
	INIT_LIST_HEAD(&wait->waiter.node);
	*(struct accel_uring_waiter **)cmd->pdu = wait;

	spin_lock_irq(&ctx->urings_lock);
	full = ctx->uring_count == ACCEL_URING_WAITS_MAX;
	if (!full) {
		ctx->uring_count++;
		list_add(&wait->node, &ctx->urings);
		if (!timer_pending(&ctx->urings_timer) ||
		    time_before(wait->expires, ctx->urings_timer.expires))
			mod_timer(&ctx->urings_timer, wait->expires);
	}
	spin_unlock_irq(&ctx->urings_lock);
	if (full) {
		accel_queue_put(queue);
		accel_queue_put(queue);
		kfree(wait);
		return -EBUSY;
	}
	trace_accel_wait_begin(queue, args.sequence);
	accel_wait_begin(queue, &wait->waiter);
	accel_queue_put(queue);
	return -EIOCBQUEUED;
}
