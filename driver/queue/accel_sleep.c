// SPDX-License-Identifier: GPL-2.0
/*
 * accel_sleep.c - waits of threads: the bounded ioctl, and poll() on the file.
 */
#include <linux/hrtimer.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "accel_eventfd.h"
#include "accel_sleep.h"
#include "accel_trace.h"
#include "accel_wait.h"

/**
 * struct accel_sleeper - a thread in ACCEL_IOCTL_QUEUE_WAIT
 * @waiter: on the queue
 * @task: the thread
 * @fired: the wait is over
 * @result: 0 or -errno
 */
struct accel_sleeper {
	struct accel_waiter waiter;
	struct task_struct *task;
	bool fired;
	int result;
};

static void accel_sleep_fire(struct accel_waiter *waiter, int result)
{
	struct accel_sleeper *sleeper = container_of(waiter, struct accel_sleeper, waiter);

	/* The sleeper takes accel_queue.lock, which is held here, before its stack ends. */
	sleeper->result = result;
	WRITE_ONCE(sleeper->fired, true);
	wake_up_process(sleeper->task);
}

static int accel_sleep(struct accel_queue *queue, struct accel_sleeper *sleeper,
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
	/* The deadline is absolute, so a restarted call has the same arguments. */
	if (!late)
		ret = -ERESTARTSYS;
	else
		ret = accel_wait_check(queue, sleeper->waiter.sequence, sleeper->waiter.epoch) ?:
		      -ETIMEDOUT;
	trace_accel_wait_end(queue, sleeper->waiter.sequence, min(ret, 0));
	return ret;
}

int accel_ioctl_queue_wait(struct accel_context *ctx, struct accel_queue_wait *args)
{
	struct accel_sleeper sleeper = {
		.waiter = { .sequence = args->sequence, .fire = accel_sleep_fire },
		.task = current,
	};
	struct accel_queue *queue;
	int ret;

	queue = accel_queue_get(ctx, args->handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	sleeper.waiter.epoch = READ_ONCE(queue->epoch);
	trace_accel_wait_begin(queue, args->sequence);
	ret = accel_wait_check(queue, args->sequence, sleeper.waiter.epoch);
	if (ret)
		trace_accel_wait_end(queue, args->sequence, min(ret, 0));
	else
		ret = accel_sleep(queue, &sleeper, ns_to_ktime(max_t(s64, args->deadline, 0)));
	args->completed = accel_wait_reached(queue, args->sequence, ret);
	accel_queue_put(queue);
	return min(ret, 0);
}

int accel_ioctl_queue_notify(struct accel_context *ctx, struct accel_queue_notify *args)
{
	int error = READ_ONCE(ctx->detach_errno);
	struct accel_queue *queue;

	/* accel_file_detach() wakes the pollers if the card stops from now on. */
	if (error)
		return error;
	queue = accel_queue_get(ctx, args->handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	spin_lock_irq(&queue->lock);
	queue->notify = args->sequence;
	queue->notified = false;
	spin_unlock_irq(&queue->lock);
	accel_eventfd_notify(queue);
	/* A thread that is in poll() already checks again and arms the interrupt. */
	accel_wait_wake(queue);
	accel_queue_put(queue);
	return 0;
}

/* Checks the notification of a queue. Arms the interrupt if it is not due. */
static int accel_sleep_poll_queue(struct accel_queue *queue, u64 sequence)
{
	int due = accel_wait_check(queue, sequence, READ_ONCE(queue->epoch));

	if (due)
		return due;
	accel_wait_fire_and_arm(queue);
	return accel_wait_check(queue, sequence, READ_ONCE(queue->epoch));
}

/**
 * accel_sleep_poll() - poll() on the file
 * @ctx: the context
 * @file: the file
 * @table: poll table of the caller
 *
 * The call takes no lock that another call of the file holds while it waits.
 * A transfer can always begin, and io_uring asks poll() before it repeats one with
 * a worker.
 *
 * Return: the events that are ready.
 */
__poll_t accel_sleep_poll(struct accel_context *ctx, struct file *file, poll_table *table)
{
	struct accel_queue *queue;
	unsigned long handle;
	__poll_t ready = EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
	u64 sequence;
	int due;

	poll_wait(file, &ctx->poll_wait, table);
	if (READ_ONCE(ctx->detach_errno))
		ready |= EPOLLHUP | EPOLLERR;
	rcu_read_lock();
	xa_for_each(&ctx->queues, handle, queue) {
		sequence = READ_ONCE(queue->notify);
		if (!sequence || !kref_get_unless_zero(&queue->ref))
			continue;
		rcu_read_unlock();
		due = accel_sleep_poll_queue(queue, sequence);
		accel_queue_put(queue);
		if (due > 0)
			ready |= EPOLLIN;
		else if (due < 0 && due != -ECANCELED)	/* a queue that ends has no notification */
			ready |= EPOLLERR;
		rcu_read_lock();
	}
	rcu_read_unlock();
	return ready;
}
