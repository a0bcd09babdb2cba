// SPDX-License-Identifier: GPL-2.0
/*
 * accel_wait.c - the waiters of a queue.
 *
 * Each wait (a thread in an ioctl, an eventfd, an io_uring command) is a struct
 * accel_waiter in the queue's tree. poll() uses accel_queue.notify instead. A
 * waiter fires once. The interrupt handler fires it, or another thread that sees
 * that it is due.
 *
 * A process can have any number of waiters. So one hold of the queue's lock fires
 * ACCEL_WAIT_BATCH of them at most, and so does one hard interrupt.
 *
 * The status page has one arm word for all waiters and poll(): the lowest sequence
 * number that one of them waits for. The driver writes it, then a full barrier, then
 * reads the completed sequence number. The card does the reverse
 * (docs/reference/hardware.md, 4.3), so at least one side sees the write of the other. The
 * card interrupts only as it passes the word. So after each write the driver
 * checks again, and fires the waiters that became due meanwhile.
 */
#include <linux/poll.h>

#include "accel_irq.h"
#include "accel_trace.h"
#include "accel_wait.h"

#define ACCEL_WAIT_BATCH	64

/* The result of a command of a queue that has completed @completed. */
static int accel_wait_result(struct accel_queue *queue, u64 completed, u64 sequence, u32 epoch)
{
	int error;

	/* U32_MAX: the queue was destroyed before the wait began. */
	if (epoch == U32_MAX || READ_ONCE(queue->epoch) != epoch)
		return -ECANCELED;
	if (completed >= sequence)
		return 1;
	error = READ_ONCE(queue->ctx->detach_errno) ?: accel_queue_errno(queue);
	if (likely(!error))
		return 0;
	/* It may have finished after the read of @completed and before the error of a later one. */
	smp_rmb();
	return accel_queue_completed(queue) >= sequence ? 1 : error;
}

/**
 * accel_wait_check() - check the result of a command
 * @queue: the queue
 * @sequence: sequence number of the command
 * @epoch: epoch of the queue at the start of the wait
 *
 * Return: 1 if it is finished, 0 if not yet, -errno if it can never finish.
 */
int accel_wait_check(struct accel_queue *queue, u64 sequence, u32 epoch)
{
	/* The epoch is read last: a number of a later epoch never counts. */
	return accel_wait_result(queue, accel_queue_completed(queue), sequence, epoch);
}

/**
 * accel_wait_reached() - the completed sequence number, for the result of a wait
 * @queue: the queue
 * @sequence: sequence number of the command
 * @result: result of the wait
 *
 * The owner of the queue can write the status page, and a reset of the queue by
 * another thread clears it. A wait that succeeded has seen @sequence completed,
 * so it never reports less.
 *
 * Return: the sequence number.
 */
u64 accel_wait_reached(struct accel_queue *queue, u64 sequence, int result)
{
	u64 completed = accel_queue_completed(queue);

	return result < 0 ? completed : max(completed, sequence);
}

static bool accel_wait_less(struct rb_node *node, const struct rb_node *other)
{
	const struct accel_waiter *a = rb_entry(node, struct accel_waiter, node);
	const struct accel_waiter *b = rb_entry(other, struct accel_waiter, node);

	return a->epoch == b->epoch ? a->sequence < b->sequence : a->epoch < b->epoch;
}

/* Adds a waiter. The caller holds the queue's lock, and fires the waiters afterwards. */
void accel_wait_insert(struct accel_queue *queue, struct accel_waiter *waiter)
{
	lockdep_assert_held(&queue->lock);
	rb_add_cached(&waiter->node, &queue->waiters, accel_wait_less);
}

/* Removes a waiter under the queue's lock. Return: true if it had not fired. */
bool accel_wait_erase(struct accel_queue *queue, struct accel_waiter *waiter)
{
	lockdep_assert_held(&queue->lock);
	if (RB_EMPTY_NODE(&waiter->node))
		return false;
	rb_erase_cached(&waiter->node, &queue->waiters);
	RB_CLEAR_NODE(&waiter->node);
	return true;
}

/*
 * Fires the waiters that are due. A queue without an error completes commands in order, so all
 * others follow the first one that is not due.
 * Return: the lowest target of the others, or U64_MAX; 0 if @budget is used up.
 */
static u64 accel_wait_fire(struct accel_queue *queue, unsigned int *budget)
{
	u64 completed = accel_queue_completed_locked(queue);
	struct accel_waiter *waiter;
	struct rb_node *node;
	int ret;

	while ((node = rb_first_cached(&queue->waiters))) {
		waiter = rb_entry(node, struct accel_waiter, node);
		ret = accel_wait_result(queue, completed, waiter->sequence, waiter->epoch);
		if (!ret)
			return waiter->sequence;
		if (!*budget)
			return 0;
		--*budget;
		accel_wait_erase(queue, waiter);
		trace_accel_wait_end(queue, waiter->sequence, min(ret, 0));
		waiter->fire(waiter, min(ret, 0));
	}
	return U64_MAX;
}

/*
 * Wakes poll() once for each notification. Other queues can share the vector, and their interrupts
 * are none of its business.
 */
static void accel_wait_wake_poll(struct accel_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	if (!queue->notify || queue->notified ||
	    !accel_wait_result(queue, accel_queue_completed_locked(queue), queue->notify,
			       queue->epoch))
		return;
	queue->notified = true;
	wake_up_interruptible_poll(&queue->ctx->poll_wait, EPOLLIN | EPOLLERR);
}

/*
 * Fires the waiters that are due, and arms the interrupt for the next. On true the card has not
 * passed the arm word yet, or there is nothing to wait for, or the completed sequence number
 * decreased during the call. On false @budget is used up.
 */
static bool accel_wait_arm(struct accel_queue *queue, unsigned int *budget)
{
	u64 completed, lowest, passed = 0;

	for (;;) {
		lowest = accel_wait_fire(queue, budget);
		if (!lowest)
			return false;
		completed = accel_queue_completed_locked(queue);
		/* A sleeper in poll() is not in the tree. */
		if (queue->notify > completed)
			lowest = min(lowest, queue->notify);
		if (lowest == U64_MAX)
			return true;
		/*
		 * A sane card passes a higher target each round. An owner that scribbles in the
		 * status page could keep this loop busy, so the loop ends once a target that was
		 * passed is not due any more. The next interrupt or wait serves the rest.
		 */
		if (lowest <= passed)
			return true;
		passed = lowest;
		if (lowest <= completed)
			continue;	/* it finished since the check */
		trace_accel_queue_arm(queue, lowest);
		WRITE_ONCE(READ_ONCE(queue->status)->arm, cpu_to_le64(lowest));
		/* Pairs with the card's write of completed before its read of arm. */
		mb();
		if (accel_queue_completed_locked(queue) < lowest)
			return true;
	}
}

/* Return: false if @budget is used up: the caller must try again. */
static bool accel_wait_try(struct accel_queue *queue, unsigned int *budget)
{
	lockdep_assert_held(&queue->lock);
	if (!accel_wait_arm(queue, budget))
		return false;
	/* Last: a notification that is not due here is armed, or a waiter before it is. */
	accel_wait_wake_poll(queue);
	return true;
}

/**
 * accel_wait_fire_and_arm() - fire the waiters that are due, and arm the interrupt for the next
 * @queue: the queue
 *
 * Context: process. The caller holds no spinlock.
 */
void accel_wait_fire_and_arm(struct accel_queue *queue)
{
	unsigned int budget;
	bool complete;

	for (;;) {
		budget = ACCEL_WAIT_BATCH;
		spin_lock_irq(&queue->lock);
		complete = accel_wait_try(queue, &budget);
		spin_unlock_irq(&queue->lock);
		if (complete)
			return;
		cond_resched();
	}
}

static void accel_wait_trace(struct accel_queue *queue)
{
	if (trace_accel_queue_wake_enabled() &&
	    (READ_ONCE(queue->notify) || !RB_EMPTY_ROOT(&queue->waiters.rb_root)))
		trace_accel_queue_wake(queue);
}

/**
 * accel_wait_wake() - fire the waiters that are due, wake poll(), and arm the interrupt
 * @queue: the queue
 *
 * Context: process. The caller holds no spinlock.
 */
void accel_wait_wake(struct accel_queue *queue)
{
	accel_wait_trace(queue);
	accel_wait_fire_and_arm(queue);
}

/**
 * accel_wait_interrupt() - the hard interrupt of a vector of queues
 * @adev: the card
 * @vector: the vector
 *
 * Return: true if accel_wait_thread() must fire more waiters.
 */
bool accel_wait_interrupt(struct accel_device *adev, int vector)
{
	unsigned int budget = ACCEL_WAIT_BATCH;
	struct accel_queue *queue;
	bool complete = true;
	int id;

	accel_irq_for_each_queue(adev, vector, id) {
		if (!READ_ONCE(adev->queues[id]))
			continue;
		spin_lock(&adev->lock);
		queue = adev->queues[id];
		if (queue) {
			accel_wait_trace(queue);
			spin_lock(&queue->lock);
			complete &= accel_wait_try(queue, &budget);
			spin_unlock(&queue->lock);
		}
		spin_unlock(&adev->lock);
	}
	return !complete;
}

/* The thread of a vector of queues: fires the waiters that its hard interrupt did not. */
void accel_wait_thread(struct accel_device *adev, int vector)
{
	struct accel_queue *queue;
	int id;

	accel_irq_for_each_queue(adev, vector, id) {
		queue = accel_queue_find(adev, id);
		if (queue) {
			accel_wait_fire_and_arm(queue);
			accel_queue_found_put(queue);
		}
	}
}

/**
 * accel_wait_start() - begin to wait, with the queue's lock held
 * @queue: the queue; the caller holds a reference until the wait is over
 * @waiter: the waiter, with sequence number, epoch and callback
 *
 * The waiter may fire before this returns.
 *
 * Return: false if the caller must call accel_wait_fire_and_arm() without the lock.
 */
bool accel_wait_start(struct accel_queue *queue, struct accel_waiter *waiter)
{
	unsigned int budget = ACCEL_WAIT_BATCH;

	accel_wait_insert(queue, waiter);
	return accel_wait_try(queue, &budget);
}

/**
 * accel_wait_begin() - begin to wait
 * @queue: as for accel_wait_start()
 * @waiter: as for accel_wait_start(); it may fire, and be freed, before this returns
 */
void accel_wait_begin(struct accel_queue *queue, struct accel_waiter *waiter)
{
	bool complete;

	spin_lock_irq(&queue->lock);
	complete = accel_wait_start(queue, waiter);
	spin_unlock_irq(&queue->lock);
	if (!complete)
		accel_wait_fire_and_arm(queue);
}

/**
 * accel_wait_remove() - stop waiting
 * @queue: the queue
 * @waiter: a waiter of accel_wait_begin(), fired or not
 *
 * Return: true if the waiter has not fired; it does not fire any more.
 */
bool accel_wait_remove(struct accel_queue *queue, struct accel_waiter *waiter)
{
	bool pending;

	spin_lock_irq(&queue->lock);
	pending = accel_wait_erase(queue, waiter);
	spin_unlock_irq(&queue->lock);
	return pending;
}
