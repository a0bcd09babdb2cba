// SPDX-License-Identifier: GPL-2.0
/*
 * accel_uring.c - waits through io_uring: IORING_OP_URING_CMD with
 * ACCEL_URING_WAIT.
 *
 * A command in flight keeps its ring and the file alive, and some kernels cannot
 * cancel it. So each command has a time limit, and the commands of a process end
 * when it closes the file, which includes its exit.
 *
 * The commands of a queue share one timer, set for the earliest limit. Most waits
 * end long before their limit, and those do not touch the timer.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "accel_compat.h"
#include "accel_trace.h"
#include "accel_uring.h"
#include "accel_wait.h"

/* Waits that one hold of the queue's lock ends. */
#define ACCEL_URING_BATCH	64

/**
 * struct accel_uring_waiter - one command in flight
 * @waiter: on the queue
 * @limit: in accel_queue.limits, exactly while @waiter is in accel_queue.waiters
 * @rcu: a cancellation looks at the waiter without a lock
 * @ctx: context of the file
 * @queue: a reference
 * @cmd: the command
 * @owner: file table of the process that issued it; only compared
 * @expires: time limit, in jiffies
 * @result: 0 or -errno
 */
struct accel_uring_waiter {
	struct accel_waiter waiter;
	struct rb_node limit;
	struct rcu_head rcu;
	struct accel_context *ctx;
	struct accel_queue *queue;
	struct io_uring_cmd *cmd;
	const void *owner;
	unsigned long expires;
	int result;
};

static struct accel_uring_waiter **accel_uring_waiter_of(struct io_uring_cmd *cmd)
{
	BUILD_BUG_ON(sizeof(struct accel_uring_waiter *) > sizeof(cmd->pdu));
	return (struct accel_uring_waiter **)cmd->pdu;
}

/* Runs once, in the task that issued the command. The waiter is off the queue. */
static void accel_uring_done(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct accel_uring_waiter *wait = *accel_uring_waiter_of(cmd);
	int result = wait->result;
	u64 completed = accel_wait_reached(wait->queue, wait->waiter.sequence, result);

	/* A cancellation that begins now finds nothing. */
	WRITE_ONCE(*accel_uring_waiter_of(cmd), NULL);
	atomic_dec(&wait->ctx->urings);
	accel_queue_put(wait->queue);
	accel_compat_uring_free(wait, rcu);
	accel_compat_uring_done(cmd, result, completed, issue_flags);
}

ACCEL_COMPAT_URING_TASK_WORK(accel_uring_task_work, accel_uring_done)

static void accel_uring_fire(struct accel_waiter *waiter, int result)
{
	struct accel_uring_waiter *wait = container_of(waiter, struct accel_uring_waiter, waiter);

	lockdep_assert_held(&wait->queue->lock);
	rb_erase_cached(&wait->limit, &wait->queue->limits);
	wait->result = result;
	io_uring_cmd_complete_in_task(wait->cmd, accel_uring_task_work);
}

/* Ends a wait early. The caller holds the queue's lock, and the wait has not fired. */
static void accel_uring_end(struct accel_uring_waiter *wait, int result)
{
	accel_wait_erase(wait->queue, &wait->waiter);
	trace_accel_wait_end(wait->queue, wait->waiter.sequence, result);
	accel_uring_fire(&wait->waiter, result);
}

static bool accel_uring_less(struct rb_node *node, const struct rb_node *other)
{
	return time_before(rb_entry(node, struct accel_uring_waiter, limit)->expires,
			   rb_entry(other, struct accel_uring_waiter, limit)->expires);
}

static struct accel_uring_waiter *accel_uring_first(struct accel_queue *queue)
{
	return rb_entry_safe(rb_first_cached(&queue->limits), struct accel_uring_waiter, limit);
}

/* The timer runs once for each time that a wait set it, and only looks at waits that are due. */
static void accel_uring_timeout(struct timer_list *timer)
{
	struct accel_queue *queue = container_of(timer, struct accel_queue, limit_timer);
	struct accel_uring_waiter *wait;
	unsigned int budget = ACCEL_URING_BATCH;
	unsigned long irq;

	spin_lock_irqsave(&queue->lock, irq);
	while ((wait = accel_uring_first(queue)) && budget-- &&
	       time_after_eq(jiffies, wait->expires))
		accel_uring_end(wait, -ETIMEDOUT);
	if (wait)
		mod_timer(&queue->limit_timer, wait->expires);
	spin_unlock_irqrestore(&queue->lock, irq);
}

/* Prepares a new queue for waits. accel_queue_put() ends the timer. */
void accel_uring_init(struct accel_queue *queue)
{
	queue->limits = RB_ROOT_CACHED;
	timer_setup(&queue->limit_timer, accel_uring_timeout, 0);
}

/* Ends waits of a process. Return: true if some may be left. */
static bool accel_uring_flush_some(struct accel_queue *queue, const void *owner)
{
	unsigned int budget = ACCEL_URING_BATCH;
	struct accel_uring_waiter *wait;
	struct rb_node *node, *next;

	spin_lock_irq(&queue->lock);
	for (node = rb_first_cached(&queue->limits); node && budget; node = next) {
		next = rb_next(node);
		wait = rb_entry(node, struct accel_uring_waiter, limit);
		if (wait->owner != owner)
			continue;
		accel_uring_end(wait, -ECANCELED);
		budget--;
	}
	spin_unlock_irq(&queue->lock);
	return !budget;
}

/**
 * accel_uring_flush() - end the waits of a process that closes the file
 * @ctx: context of the file
 * @owner: file table of the process
 */
void accel_uring_flush(struct accel_context *ctx, const void *owner)
{
	struct accel_queue *queue;
	unsigned long handle;

	if (!atomic_read(&ctx->urings))
		return;
	rcu_read_lock();
	xa_for_each(&ctx->queues, handle, queue) {
		if (!kref_get_unless_zero(&queue->ref))
			continue;
		rcu_read_unlock();
		while (accel_uring_flush_some(queue, owner))
			cond_resched();
		accel_queue_put(queue);
		rcu_read_lock();
	}
	rcu_read_unlock();
}

/*
 * The process of a command ends. The wait may fire at the same time, and its data may be freed: it
 * stays in memory until the end of this RCU section, and so does its queue.
 */
static int accel_uring_cancel(struct io_uring_cmd *cmd)
{
	struct accel_uring_waiter *wait;

	rcu_read_lock();
	wait = READ_ONCE(*accel_uring_waiter_of(cmd));
	if (wait) {
		spin_lock_irq(&wait->queue->lock);
		if (!RB_EMPTY_NODE(&wait->waiter.node))
			accel_uring_end(wait, -ECANCELED);
		spin_unlock_irq(&wait->queue->lock);
	}
	rcu_read_unlock();
	return 0;
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

/* Allocates a wait that owns a reference of the queue. Return: it, or ERR_PTR(-errno). */
static struct accel_uring_waiter *accel_uring_alloc(struct io_uring_cmd *cmd,
						    struct accel_queue *queue,
						    const struct accel_uring_wait *args, u32 epoch)
{
	struct accel_context *ctx = queue->ctx;
	struct accel_uring_waiter *wait;

	if (atomic_inc_return(&ctx->urings) > ACCEL_URING_WAITS_MAX) {
		atomic_dec(&ctx->urings);
		return ERR_PTR(-EBUSY);
	}
	wait = kzalloc(sizeof(*wait), GFP_KERNEL_ACCOUNT);
	if (!wait) {
		atomic_dec(&ctx->urings);
		return ERR_PTR(-ENOMEM);
	}
	kref_get(&queue->ref);
	wait->queue = queue;
	wait->ctx = ctx;
	wait->cmd = cmd;
	wait->owner = current->files;
	wait->waiter.sequence = args->sequence;
	wait->waiter.epoch = epoch;
	wait->waiter.fire = accel_uring_fire;
	wait->expires = jiffies + msecs_to_jiffies(args->timeout_ms);
	RB_CLEAR_NODE(&wait->waiter.node);
	return wait;
}

/* Begins a wait of a queue. The command owns the waiter and its reference of the queue. */
static int accel_uring_begin(struct io_uring_cmd *cmd, struct accel_queue *queue,
			     const struct accel_uring_wait *args, u32 epoch,
			     unsigned int issue_flags)
{
	struct accel_uring_waiter *wait = accel_uring_alloc(cmd, queue, args, epoch);
	bool complete;

	if (IS_ERR(wait))
		return PTR_ERR(wait);
	WRITE_ONCE(*accel_uring_waiter_of(cmd), wait);
	accel_compat_uring_mark(cmd, issue_flags);
	trace_accel_wait_begin(queue, args->sequence);
	spin_lock_irq(&queue->lock);
	rb_add_cached(&wait->limit, &queue->limits, accel_uring_less);
	if (!timer_pending(&queue->limit_timer) ||
	    time_before(wait->expires, queue->limit_timer.expires))
		mod_timer(&queue->limit_timer, wait->expires);
	complete = accel_wait_start(queue, &wait->waiter);
	spin_unlock_irq(&queue->lock);
	/* From here on the wait may be freed. */
	if (!complete)
		accel_wait_fire_and_arm(queue);
	return -EIOCBQUEUED;
}

int accel_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct accel_context *ctx = cmd->file->private_data;
	struct accel_uring_wait args;
	struct accel_queue *queue;
	u32 epoch;
	int ret;

	if (accel_compat_uring_cancels(issue_flags))
		return accel_uring_cancel(cmd);
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
	ret = accel_uring_begin(cmd, queue, &args, epoch, issue_flags);
	accel_queue_put(queue);
	return ret;
}
