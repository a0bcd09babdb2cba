// SPDX-License-Identifier: GPL-2.0
/*
 * accel_eventfd.c - waits through an eventfd, for event loops that know only file
 * descriptors.
 *
 * A queue has at most one eventfd. QUEUE_NOTIFY chooses the command. The driver
 * signals the eventfd once for it, even if the command can never finish.
 */
#include <linux/eventfd.h>

#include "accel_compat.h"
#include "accel_eventfd.h"
#include "accel_trace.h"
#include "accel_wait.h"

static void accel_eventfd_fire(struct accel_waiter *waiter, int result)
{
	struct accel_queue *queue = container_of(waiter, struct accel_queue, event);

	accel_compat_eventfd_signal(queue->eventfd);
}

/**
 * accel_eventfd_notify() - wait for the command of the notification
 * @queue: the queue; the caller calls accel_wait_wake() afterwards
 */
void accel_eventfd_notify(struct accel_queue *queue)
{
	spin_lock_irq(&queue->lock);
	accel_wait_erase(queue, &queue->event);
	if (queue->eventfd && queue->notify) {
		queue->event.sequence = queue->notify;
		queue->event.epoch = queue->epoch;
		queue->event.fire = accel_eventfd_fire;
		trace_accel_wait_begin(queue, queue->notify);
		accel_wait_insert(queue, &queue->event);
	}
	spin_unlock_irq(&queue->lock);
}

int accel_ioctl_queue_eventfd(struct accel_context *ctx, struct accel_queue_eventfd *args)
{
	struct eventfd_ctx *eventfd = NULL;
	struct accel_queue *queue;

	if (args->reserved)
		return -EINVAL;
	if (args->fd < -1)
		return -EBADF;
	if (READ_ONCE(ctx->detach_errno))
		return READ_ONCE(ctx->detach_errno);
	queue = accel_queue_get(ctx, args->handle);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	if (args->fd >= 0) {
		eventfd = eventfd_ctx_fdget(args->fd);
		if (IS_ERR(eventfd)) {
			accel_queue_put(queue);
			return PTR_ERR(eventfd);
		}
	}
	spin_lock_irq(&queue->lock);
	accel_wait_erase(queue, &queue->event);
	swap(queue->eventfd, eventfd);
	spin_unlock_irq(&queue->lock);
	if (eventfd)
		eventfd_ctx_put(eventfd);
	accel_eventfd_notify(queue);
	accel_wait_wake(queue);
	accel_queue_put(queue);
	return 0;
}
