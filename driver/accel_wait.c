// SPDX-License-Identifier: GPL-2.0
/*
 * accel_wait.c - sleeping until the card has finished a command.
 *
 * Whoever waits is a struct accel_waiter on the queue's list: a thread in the
 * ioctl, an eventfd, a command of io_uring. It is fired once, by whoever sees
 * that it is due: the interrupt handler, or somebody who comes to wait.
 *
 * The arm word of the status page is one, waiters are many: it holds the lowest
 * sequence number that somebody waits for. It is written, ordered by a full
 * barrier against the next read of what is completed, and the card does the
 * same the other way round (docs/hardware.md, 4.3), so one of the two always
 * sees the other. The card interrupts only as it passes the word: whoever
 * writes it looks again, and serves those whose turn has come meanwhile.
 */
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "accel.h"
#include "accel_trace.h"

/* Targets that may pass while the arm word is set, before the card is given up on. */
#define ACCEL_ARM_ROUNDS	64

/**
 * accel_wait_completed() - how far a queue is
 * @queue: the queue
 *
 * Return: the newest sequence number that is finished.
 */
u64 accel_wait_completed(struct accel_queue *queue)
{
	u64 completed = le64_to_cpu(READ_ONCE(queue->status->completed));

	/* What the command wrote is read after the number that says it did. */
	dma_rmb();
	return completed;
}

/**
 * accel_wait_look() - what became of a command
 * @queue: the queue
 * @sequence: of the command
 * @epoch: of the queue when the waiter began
 *
 * Return: 1 finished, 0 not yet, -errno never.
 */
int accel_wait_look(struct accel_queue *queue, u64 sequence, u32 epoch)
{
	/* U32_MAX: it was destroyed before the waiter began. */
	if (epoch == U32_MAX || READ_ONCE(queue->epoch) != epoch)
		return -ECANCELED;
	if (accel_wait_completed(queue) >= sequence)
		return 1;
	if (READ_ONCE(queue->ctx->dead))
		return READ_ONCE(queue->ctx->dead);
	if (READ_ONCE(queue->error.status))
		return -EIO;
	return 0;
}

/**
 * accel_wait_reached() - how far a queue is, for who has waited
 * @queue: the queue
 * @sequence: of the command that was waited for
 * @result: of the wait
 *
 * The figure lies in memory of the queue's owner, and a reset of the queue by
 * another thread takes it back. A wait that ended well has seen @sequence reached:
 * it never reports less, whatever stands there by now.
 *
 * Return: the figure for the caller.
 */
u64 accel_wait_reached(struct accel_queue *queue, u64 sequence, int result)
{
	u64 completed = accel_wait_completed(queue);

	return result < 0 ? completed : max(completed, sequence);
}

/* Fire who is due. Holds the lock. Return: the lowest target of the others, or U64_MAX. */
static u64 accel_wait_fire(struct accel_queue *queue)
{
	struct accel_waiter *waiter, *next;
	u64 lowest = U64_MAX;
	int ret;

	list_for_each_entry_safe(waiter, next, &queue->waiters, node) {
		ret = accel_wait_look(queue, waiter->sequence, waiter->epoch);
		if (ret) {
			list_del_init(&waiter->node);
			trace_accel_wait_end(queue, waiter->sequence, min(ret, 0));
			waiter->fire(waiter, min(ret, 0));
		} else {
			lowest = min(lowest, waiter->sequence);
		}
	}
	return lowest;
}

/*
 * Serve all who wait: fire who is due, and have the card interrupt for the first
 * of the others. Holds the lock; when it returns, the card is still to pass the
 * arm word, or nobody waits.
 */
static void accel_wait_serve(struct accel_queue *queue)
{
	unsigned int rounds = ACCEL_ARM_ROUNDS;
	u64 completed, lowest;

	for (;;) {
		lowest = accel_wait_fire(queue);
		completed = accel_wait_completed(queue);
		/* Those in poll() look for themselves, and have us look on behalf of them. */
		if (queue->notify > completed)
			lowest = min(lowest, queue->notify);
		if (lowest == U64_MAX)
			return;
		if (lowest <= completed)
			continue;	/* since we looked */
		trace_accel_queue_arm(queue, lowest);
		WRITE_ONCE(queue->status->arm, cpu_to_le64(lowest));
		/* Pairs with the card's write of completed before its read of arm. */
		mb();
		if (accel_wait_completed(queue) < lowest)
			return;
		/*
		 * Each round leaves a target behind, whatever the owner scribbles. The owner of so
		 * many waiters serves them himself, by what he has the card do next.
		 */
		if (!--rounds)
			return;
	}
}

/**
 * accel_wait_wake() - let all who wait for a queue look whether they are due
 * @queue: the queue; any context
 */
void accel_wait_wake(struct accel_queue *queue)
{
	unsigned long irq;

	trace_accel_queue_wake(queue);
	if (READ_ONCE(queue->notify))
		wake_up_interruptible_poll(&queue->ctx->poll_wait, EPOLLIN | EPOLLERR);
	spin_lock_irqsave(&queue->lock, irq);
	accel_wait_serve(queue);
	spin_unlock_irqrestore(&queue->lock, irq);
}

/**
 * accel_wait_begin() - begin to wait
 * @queue: the queue; the caller holds a reference until the waiter is off it
 * @waiter: its sequence number, epoch and callback are set
 *
 * The waiter may be fired, and gone, before this returns.
 */
void accel_wait_begin(struct accel_queue *queue, struct accel_waiter *waiter)
{
	unsigned long irq;

	spin_lock_irqsave(&queue->lock, irq);
	list_add(&waiter->node, &queue->waiters);
	accel_wait_serve(queue);
	spin_unlock_irqrestore(&queue->lock, irq);
}

/**
 * accel_wait_remove() - wait no more
 * @queue: the queue
 * @waiter: added, and fired or not
 *
 * Return: true if it was still waiting; then it is not fired any more.
 */
bool accel_wait_remove(struct accel_queue *queue, struct accel_waiter *waiter)
{
	unsigned long irq;
	bool waited;

	spin_lock_irqsave(&queue->lock, irq);
	waited = !list_empty(&waiter->node);
	list_del_init(&waiter->node);
	spin_unlock_irqrestore(&queue->lock, irq);
	return waited;
}

/* A thread in the ioctl. */
struct accel_sleeper {
	struct accel_waiter waiter;
	struct task_struct *task;
	bool fired;
	int result;
};

static void accel_wait_fire_thread(struct accel_waiter *waiter, int result)
{
	struct accel_sleeper *sleeper = container_of(waiter, struct accel_sleeper, waiter);

	/* The sleeper takes the lock that is held here before its stack goes. */
	sleeper->result = result;
	WRITE_ONCE(sleeper->fired, true);
	wake_up_process(sleeper->task);
}

static int accel_wait_sleep(struct accel_queue *queue, struct accel_sleeper *sleeper,
			    ktime_t deadline)
{
	bool late = false;
	int ret;

	accel_wait_begin(queue, &sleeper->waiter);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (READ_ONCE(sleeper->fired) || signal_pending(current) || late)
			break;
		if (deadline == KTIME_MAX)
			schedule();
		else
			late = !schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
							 HRTIMER_MODE_ABS);
	}
	__set_current_state(TASK_RUNNING);
	if (!accel_wait_remove(queue, &sleeper->waiter))
		return sleeper->result;
	/* The deadline is absolute: starting again is the same call. */
	if (!late)
		ret = -ERESTARTSYS;
	else
		ret = accel_wait_look(queue, sleeper->waiter.sequence, sleeper->waiter.epoch) ?:
		      -ETIMEDOUT;
	trace_accel_wait_end(queue, sleeper->waiter.sequence, min(ret, 0));
	return ret;
}

int accel_ioctl_queue_wait(struct accel_context *ctx, void *arg)
{
	struct accel_queue_wait *args = arg;
	struct accel_sleeper sleeper = {
		.waiter = { .sequence = args->sequence, .fire = accel_wait_fire_thread },
		.task = current,
	};
	struct accel_queue *queue;
	int ret;

	queue = accel_queue_get(ctx, args->handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	sleeper.waiter.epoch = READ_ONCE(queue->epoch);
	trace_accel_wait_begin(queue, args->sequence);
	ret = accel_wait_look(queue, args->sequence, sleeper.waiter.epoch);
	if (ret)
		trace_accel_wait_end(queue, args->sequence, min(ret, 0));
	else
		ret = accel_wait_sleep(queue, &sleeper,
				       ns_to_ktime(max_t(s64, args->deadline, 0)));
	args->completed = accel_wait_reached(queue, args->sequence, ret);
	accel_queue_put(queue);
	return min(ret, 0);
}

int accel_ioctl_queue_notify(struct accel_context *ctx, void *arg)
{
	struct accel_queue_notify *args = arg;
	struct accel_queue *queue;
	int dead = READ_ONCE(ctx->dead);

	/* Whoever takes the card away from now on wakes the pollers himself. */
	if (dead)
		return dead;
	queue = accel_queue_get(ctx, args->handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	spin_lock_irq(&queue->lock);
	queue->notify = args->sequence;
	spin_unlock_irq(&queue->lock);
	accel_eventfd_notify(queue);
	/* Who polls already looks again, and arms. */
	accel_wait_wake(queue);
	accel_queue_put(queue);
	return 0;
}

/**
 * accel_wait_poll() - poll() on the file
 * @ctx: the context
 * @file: the file
 * @table: of the caller
 *
 * Return: what is ready.
 */
__poll_t accel_wait_poll(struct accel_context *ctx, struct file *file, poll_table *table)
{
	struct accel_queue *queue;
	unsigned long handle;
	__poll_t ready = 0;
	u64 sequence;
	int due;

	poll_wait(file, &ctx->poll_wait, table);
	mutex_lock(&ctx->lock);
	if (ctx->dead)
		ready = EPOLLHUP | EPOLLERR;
	xa_for_each(&ctx->queues, handle, queue) {
		sequence = READ_ONCE(queue->notify);
		if (!sequence)
			continue;
		due = accel_wait_look(queue, sequence, READ_ONCE(queue->epoch));
		if (!due) {
			spin_lock_irq(&queue->lock);
			accel_wait_serve(queue);
			spin_unlock_irq(&queue->lock);
			due = accel_wait_look(queue, sequence, READ_ONCE(queue->epoch));
		}
		if (due > 0)
			ready |= EPOLLIN | EPOLLRDNORM;
		else if (due < 0)
			ready |= EPOLLERR;
	}
	mutex_unlock(&ctx->lock);
	return ready;
}
