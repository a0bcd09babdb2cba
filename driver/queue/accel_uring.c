// SPDX-License-Identifier: GPL-2.0
/*
 * accel_uring.c - waits through io_uring: IORING_OP_URING_CMD with
 * ACCEL_URING_WAIT.
 *
 * A command in flight keeps its ring and the file alive, and some kernels cannot
 * cancel it. So each command has a time limit, and the commands of a process end
 * when it closes the file, which includes its exit.
 *
 * All commands of a file share one timer, set for the earliest limit. Most waits
 * end long before their limit, and those do not touch the timer.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "accel_compat.h"
#include "accel_trace.h"
#include "accel_uring.h"
#include "accel_wait.h"

/**
 * struct accel_uring_waiter - one command in flight
 * @waiter: on the queue
 * @node: in accel_context.urings
 * @ctx: context of the file
 * @queue: a reference
 * @cmd: the command
 * @owner: file table of the process that issued it; only compared
 * @expires: time limit, in jiffies
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

/* Runs once, in the task that issued the command. The waiter is off the queue. */
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

/* Ends a wait early, unless it has just fired. */
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
			/* It may not be on its queue yet: check again until it is off the list. */
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
	timer_setup(&ctx->urings_timer, accel_uring_timeout, 0);
}

/* The file is closed. Every command in flight holds the file, so there is none. */
void accel_uring_fini(struct accel_context *ctx)
{
	timer_delete_sync(&ctx->urings_timer);
}

/**
 * accel_uring_flush() - end the waits of a process that closes the file
 * @ctx: context of the file
 * @owner: file table of the process
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

/* Reads the arguments of a command. Another thread can write them: each is read once. */
static int accel_uring_read_args(struct io_uring_cmd *cmd, struct accel_uring_wait *args)
{
	const struct accel_uring_wait *sqe = accel_compat_uring_payload(cmd);

	BUILD_BUG_ON(sizeof(*args) != 16);
	args->handle = READ_ONCE(sqe->handle);
	args->timeout_ms = READ_ONCE(sqe->timeout_ms);
	args->sequence = READ_ONCE(sqe->sequence);
	return args->timeout_ms > ACCEL_URING_TIMEOUT_MAX ? -EINVAL : 0;
}

/* Completes a command whose wait is over before it began. Drops the reference of the queue. */
static void accel_uring_complete_now(struct io_uring_cmd *cmd, struct accel_queue *queue,
				     u64 sequence, int result, unsigned int issue_flags)
{
	u64 completed = accel_wait_reached(queue, sequence, result);

	trace_accel_wait_begin(queue, sequence);
	trace_accel_wait_end(queue, sequence, min(result, 0));
	accel_queue_put(queue);
	/* The command may hold the last reference of the file. */
	accel_compat_uring_done(cmd, min(result, 0), completed, issue_flags);
}

/* Adds a command to those in flight. Return: 0, or -EBUSY if there are too many. */
static int accel_uring_add(struct accel_context *ctx, struct accel_uring_waiter *wait)
{
	int ret = 0;

	spin_lock_irq(&ctx->urings_lock);
	if (ctx->uring_count == ACCEL_URING_WAITS_MAX) {
		ret = -EBUSY;
	} else {
		ctx->uring_count++;
		list_add(&wait->node, &ctx->urings);
		if (!timer_pending(&ctx->urings_timer) ||
		    time_before(wait->expires, ctx->urings_timer.expires))
			mod_timer(&ctx->urings_timer, wait->expires);
	}
	spin_unlock_irq(&ctx->urings_lock);
	return ret;
}

/* Begins a wait of a queue. The command owns the waiter and its reference of the queue. */
static int accel_uring_begin(struct io_uring_cmd *cmd, struct accel_queue *queue,
			     const struct accel_uring_wait *args, u32 epoch)
{
	struct accel_uring_waiter *wait;
	int ret;

	BUILD_BUG_ON(sizeof(wait) > sizeof(cmd->pdu));
	wait = kzalloc(sizeof(*wait), GFP_KERNEL_ACCOUNT);
	if (!wait)
		return -ENOMEM;
	kref_get(&queue->ref);
	wait->queue = queue;
	wait->ctx = queue->ctx;
	wait->cmd = cmd;
	wait->owner = current->files;
	wait->waiter.sequence = args->sequence;
	wait->waiter.epoch = epoch;
	wait->waiter.fire = accel_uring_fire;
	wait->expires = jiffies + msecs_to_jiffies(args->timeout_ms);
	INIT_LIST_HEAD(&wait->waiter.node);
	*(struct accel_uring_waiter **)cmd->pdu = wait;

	ret = accel_uring_add(queue->ctx, wait);
	if (ret) {
		accel_queue_put(queue);
		kfree(wait);
		return ret;
	}
	trace_accel_wait_begin(queue, args->sequence);
	accel_wait_begin(queue, &wait->waiter);
	return -EIOCBQUEUED;
}

int accel_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct accel_context *ctx = cmd->file->private_data;
	struct accel_uring_wait args;
	struct accel_queue *queue;
	u32 epoch;
	int ret;

	if (cmd->cmd_op != ACCEL_URING_WAIT)
		return -ENOTTY;
	ret = accel_uring_read_args(cmd, &args);
	if (ret)
		return ret;
	queue = accel_queue_get(ctx, args.handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	epoch = READ_ONCE(queue->epoch);
	ret = accel_wait_check(queue, args.sequence, epoch);
	if (ret) {
		accel_uring_complete_now(cmd, queue, args.sequence, ret, issue_flags);
		return -EIOCBQUEUED;
	}
	ret = accel_uring_begin(cmd, queue, &args, epoch);
	accel_queue_put(queue);
	return ret;
}
