// SPDX-License-Identifier: GPL-2.0
/*
 * accel_wait.c - sleeping until the card has finished a command.
 *
 * A sleeper writes the sequence number it wants into the arm word of the
 * status page, orders that against its next read with a full barrier, and
 * looks once more at what is completed. The card does the same the other way
 * round (docs/hardware.md, 4.3), so one of the two always sees the other.
 *
 * The arm word is one, sleepers are many: it holds the lowest target that is
 * not reached. An interrupt wakes all; who is not due arms again. The card
 * interrupts for a target only as it passes it: one that it has passed already
 * when the word is set is as good as none, and so is one that was replaced
 * before the card looked. accel_wait_arm() leaves neither behind.
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

/* The lowest target that is not reached, or U64_MAX. Holds the lock. */
static u64 accel_wait_lowest(struct accel_queue *queue, u64 completed)
{
	struct accel_waiter *waiter;
	u64 lowest = U64_MAX;

	list_for_each_entry(waiter, &queue->waiters, node)
		if (waiter->sequence > completed)
			lowest = min(lowest, waiter->sequence);
	if (queue->notify > completed)
		lowest = min(lowest, queue->notify);
	return lowest;
}

/*
 * Set the arm word to the lowest target that is not reached; when this returns,
 * the card is still to pass it.
 *
 * Return: true if the card may not interrupt for a target that was reached.
 */
static bool accel_wait_arm(struct accel_queue *queue)
{
	unsigned int rounds = ACCEL_ARM_ROUNDS;
	bool missed = false;
	u64 completed, arm;
	unsigned long irq;

	spin_lock_irqsave(&queue->lock, irq);
	completed = accel_wait_completed(queue);
	for (;;) {
		arm = accel_wait_lowest(queue, completed);
		if (arm == U64_MAX)
			break;
		/* The card may have been about to look at the one that is replaced. */
		missed |= queue->armed && queue->armed <= completed;
		trace_accel_queue_arm(queue, arm);
		queue->armed = arm;
		WRITE_ONCE(queue->status->arm, cpu_to_le64(arm));
		/* Pairs with the card's write of completed before its read of arm. */
		mb();
		completed = accel_wait_completed(queue);
		if (completed < arm)
			break;
		/* Each round leaves a target behind, whatever the owner scribbles. */
		missed = true;
		/* The owner of so many sleepers wakes them himself, by what he has the card do next. */
		if (!--rounds)
			break;
	}
	spin_unlock_irqrestore(&queue->lock, irq);
	return missed;
}

/* Return: 1 finished, 0 not yet, -errno never. */
static int accel_wait_look(struct accel_queue *queue, u64 sequence, u32 epoch)
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

/* Fire who is due among those that have no thread asleep. Return: how many are not due. */
static unsigned int accel_wait_fire(struct accel_queue *queue)
{
	struct accel_waiter *waiter, *next;
	unsigned int left = 0;
	unsigned long irq;
	int ret;

	spin_lock_irqsave(&queue->lock, irq);
	list_for_each_entry_safe(waiter, next, &queue->waiters, node) {
		if (!waiter->fire)
			continue;
		ret = accel_wait_look(queue, waiter->sequence, waiter->epoch);
		if (ret) {
			list_del_init(&waiter->node);
			trace_accel_wait_end(queue, waiter->sequence, min(ret, 0));
			waiter->fire(waiter, min(ret, 0));
		} else {
			left++;
		}
	}
	spin_unlock_irqrestore(&queue->lock, irq);
	return left;
}

/* Wake who has a thread; they look for themselves. */
static void accel_wait_wake_threads(struct accel_queue *queue)
{
	wake_up_all(&queue->wait);
	if (READ_ONCE(queue->notify))
		wake_up_interruptible_poll(&queue->ctx->poll_wait, EPOLLIN | EPOLLERR);
}

/**
 * accel_wait_wake() - let all who wait for a queue look whether they are due
 * @queue: the queue; any context
 */
void accel_wait_wake(struct accel_queue *queue)
{
	u64 completed = accel_wait_completed(queue);
	unsigned long irq;

	trace_accel_queue_wake(queue);
	accel_wait_wake_threads(queue);
	spin_lock_irqsave(&queue->lock, irq);
	if (queue->armed <= completed)
		queue->armed = 0;
	spin_unlock_irqrestore(&queue->lock, irq);
	/* Nobody else arms for those without a thread; and what came meanwhile fires now. */
	if (accel_wait_fire(queue)) {
		if (accel_wait_arm(queue))
			accel_wait_wake_threads(queue);
		accel_wait_fire(queue);
	}
}

/**
 * accel_wait_add() - begin to wait
 * @queue: the queue; the caller holds a reference until the waiter is off it
 * @waiter: its sequence number, epoch and callback are set
 */
void accel_wait_add(struct accel_queue *queue, struct accel_waiter *waiter)
{
	spin_lock_irq(&queue->lock);
	list_add(&waiter->node, &queue->waiters);
	spin_unlock_irq(&queue->lock);
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

static int accel_wait_due(struct accel_queue *queue, u64 sequence, u32 epoch)
{
	int ret = accel_wait_look(queue, sequence, epoch);

	if (ret)
		return ret;
	if (accel_wait_arm(queue)) {
		accel_wait_wake_threads(queue);
		accel_wait_fire(queue);
	}
	return accel_wait_look(queue, sequence, epoch);
}

static int accel_wait_sleep(struct accel_queue *queue, struct accel_waiter *waiter,
			    ktime_t deadline)
{
	DEFINE_WAIT(wait);
	int ret;

	for (;;) {
		prepare_to_wait(&queue->wait, &wait, TASK_INTERRUPTIBLE);
		ret = accel_wait_due(queue, waiter->sequence, waiter->epoch);
		if (ret)
			break;
		if (signal_pending(current)) {
			/* The deadline is absolute: starting again is the same call. */
			ret = -ERESTARTSYS;
			break;
		}
		if (!schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
					      HRTIMER_MODE_ABS)) {
			ret = accel_wait_look(queue, waiter->sequence, waiter->epoch);
			if (!ret)
				ret = -ETIMEDOUT;
			break;
		}
	}
	finish_wait(&queue->wait, &wait);
	return ret;
}

int accel_ioctl_queue_wait(struct accel_context *ctx, void *arg)
{
	struct accel_queue_wait *args = arg;
	struct accel_waiter waiter = { .sequence = args->sequence };
	struct accel_queue *queue;
	int ret;

	queue = accel_queue_get(ctx, args->handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	waiter.epoch = READ_ONCE(queue->epoch);

	trace_accel_wait_begin(queue, args->sequence);
	accel_wait_add(queue, &waiter);
	ret = accel_wait_sleep(queue, &waiter, ns_to_ktime(max_t(s64, args->deadline, 0)));
	accel_wait_remove(queue, &waiter);
	trace_accel_wait_end(queue, args->sequence, min(ret, 0));

	args->completed = accel_wait_completed(queue);
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
		due = accel_wait_due(queue, sequence, READ_ONCE(queue->epoch));
		if (due > 0)
			ready |= EPOLLIN | EPOLLRDNORM;
		else if (due < 0)
			ready |= EPOLLERR;
	}
	mutex_unlock(&ctx->lock);
	return ready;
}
