// SPDX-License-Identifier: GPL-2.0
/*
 * accel_wait.c - the waiters of a queue.
 *
 * Each wait (a thread in an ioctl, an eventfd, an io_uring command) is a struct
 * accel_waiter on the queue's list. poll() uses accel_queue.notify instead. A
 * waiter fires once. The interrupt handler fires it, or another thread that sees
 * that it is due.
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
	/* U32_MAX: the queue was destroyed before the wait began. */
	if (epoch == U32_MAX || READ_ONCE(queue->epoch) != epoch)
		return -ECANCELED;
	if (accel_queue_completed(queue) >= sequence)
		return 1;
	if (READ_ONCE(queue->ctx->detach_errno))
		return READ_ONCE(queue->ctx->detach_errno);
	if (READ_ONCE(queue->error.status))
		return -EIO;
	return 0;
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

/* Fires the waiters that are due. Return: the lowest target of the others, or U64_MAX. */
static u64 accel_wait_fire(struct accel_queue *queue)
{
	struct accel_waiter *waiter, *next;
	u64 lowest = U64_MAX;
	int ret;

	lockdep_assert_held(&queue->lock);
	list_for_each_entry_safe(waiter, next, &queue->waiters, node) {
		ret = accel_wait_check(queue, waiter->sequence, waiter->epoch);
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

/**
 * accel_wait_fire_and_arm() - fire the waiters that are due, and arm the interrupt for the next
 * @queue: the queue; the caller holds its lock
 *
 * On return the card has not passed the arm word yet, or there is nothing to wait
 * for, or the completed sequence number decreased during the call.
 */
void accel_wait_fire_and_arm(struct accel_queue *queue)
{
	u64 completed, lowest, passed = 0;

	lockdep_assert_held(&queue->lock);
	for (;;) {
		lowest = accel_wait_fire(queue);
		completed = accel_queue_completed(queue);
		/* A sleeper in poll() is not on the list; it checks on its own after a wake-up. */
		if (queue->notify > completed)
			lowest = min(lowest, queue->notify);
		if (lowest == U64_MAX)
			return;
		/*
		 * A sane card passes a higher target each round. An owner that scribbles in the
		 * status page could keep this loop busy, so the loop ends once a target that was
		 * passed is not due any more. The next interrupt or wait serves the rest.
		 */
		if (lowest <= passed)
			return;
		passed = lowest;
		if (lowest <= completed)
			continue;	/* it finished since the check */
		trace_accel_queue_arm(queue, lowest);
		rcu_read_lock();
		WRITE_ONCE(READ_ONCE(queue->status)->arm, cpu_to_le64(lowest));
		rcu_read_unlock();
		/* Pairs with the card's write of completed before its read of arm. */
		mb();
		if (accel_queue_completed(queue) < lowest)
			return;
	}
}

/**
 * accel_wait_wake() - fire the waiters that are due, and wake poll()
 * @queue: the queue
 *
 * Context: any.
 */
void accel_wait_wake(struct accel_queue *queue)
{
	unsigned long irq;

	if (trace_accel_queue_wake_enabled() &&
	    (READ_ONCE(queue->notify) || !list_empty_careful(&queue->waiters)))
		trace_accel_queue_wake(queue);
	if (READ_ONCE(queue->notify))
		wake_up_interruptible_poll(&queue->ctx->poll_wait, EPOLLIN | EPOLLERR);
	spin_lock_irqsave(&queue->lock, irq);
	accel_wait_fire_and_arm(queue);
	spin_unlock_irqrestore(&queue->lock, irq);
}

/* The interrupt of a vector of queues. */
void accel_wait_interrupt(struct accel_device *adev, int vector)
{
	int id;

	spin_lock(&adev->lock);
	accel_irq_for_each_queue(adev, vector, id)
		if (adev->queues[id])
			accel_wait_wake(adev->queues[id]);
	spin_unlock(&adev->lock);
}

/**
 * accel_wait_begin() - begin to wait
 * @queue: the queue; the caller holds a reference until the wait is over
 * @waiter: the waiter, with sequence number, epoch and callback
 *
 * The waiter may fire, and be freed, before this returns.
 */
void accel_wait_begin(struct accel_queue *queue, struct accel_waiter *waiter)
{
	unsigned long irq;

	spin_lock_irqsave(&queue->lock, irq);
	list_add(&waiter->node, &queue->waiters);
	accel_wait_fire_and_arm(queue);
	spin_unlock_irqrestore(&queue->lock, irq);
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
	unsigned long irq;
	bool pending;

	spin_lock_irqsave(&queue->lock, irq);
	pending = !list_empty(&waiter->node);
	list_del_init(&waiter->node);
	spin_unlock_irqrestore(&queue->lock, irq);
	return pending;
}
