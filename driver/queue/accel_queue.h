/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_queue.h - struct accel_queue: a queue of a context and its card half.
 */
#ifndef ACCEL_QUEUE_H
#define ACCEL_QUEUE_H

#include "accel_context.h"
#include "accel_event.h"

struct accel_buffer;
struct eventfd_ctx;

/**
 * struct accel_waiter - a wait for a command
 * @node: in accel_queue.waiters, or empty
 * @sequence: sequence number of the command
 * @epoch: epoch of the queue at the start of the wait
 * @fire: called once with 0 or -errno when the wait is over; under
 *	accel_queue.lock, in any context
 */
struct accel_waiter {
	struct list_head node;
	u64 sequence;
	u32 epoch;
	void (*fire)(struct accel_waiter *waiter, int result);
};

/**
 * struct accel_queue - one queue
 * @ref: see accel.h
 * @rcu: lookups of a queue take no lock
 * @ctx: the context; valid while the queue is in accel_device.queues
 * @id: id on the card; -1 once the card half is gone
 * @handle: handle in the context
 * @entries: length of the ring
 * @vector: interrupt vector
 * @priority: priority at creation
 * @stopped: an administrator stopped the queue: it does not exist on the card
 *	until its owner resets it; under the context's lock
 * @last: counters of the queue at that time
 * @memory: status page and ring
 * @status: the driver's view of the status page; its owner can write it, so only
 *	wake-ups of the owner depend on it
 * @lock: protects @waiters, @notify, @eventfd, @error and the arm word
 * @waiters: waiters of all kinds: threads, an eventfd, commands of io_uring
 * @notify: sequence number for poll() and the eventfd, 0 if none
 * @eventfd: eventfd to signal, or NULL
 * @event: waiter of @eventfd
 * @epoch: number of resets of the queue; U32_MAX once it is destroyed
 * @error: the error that stopped the queue
 * @busy: share of the queue in accel_context.busy
 */
struct accel_queue {
	struct kref ref;
	struct rcu_head rcu;
	struct accel_context *ctx;
	int id;
	u32 handle;
	u32 entries;
	int vector;
	u32 priority;
	bool stopped;
	struct accel_queue_stats last;
	struct accel_buffer *memory;
	struct accel_queue_status *status;
	spinlock_t lock;
	struct list_head waiters;
	u64 notify;
	struct eventfd_ctx *eventfd;
	struct accel_waiter event;
	u32 epoch;
	struct accel_queue_error error;
	struct accel_busy busy;
};

/* The newest completed sequence number of a queue. */
static inline u64 accel_queue_completed(struct accel_queue *queue)
{
	u64 completed;

	/* The page of a queue that ends is freed after a grace period. */
	rcu_read_lock();
	completed = le64_to_cpu(READ_ONCE(READ_ONCE(queue->status)->completed));
	rcu_read_unlock();
	/* Order reads of the command's results after the read of the sequence number. */
	dma_rmb();
	return completed;
}

struct accel_queue *accel_queue_get(struct accel_context *ctx, u32 handle);
void accel_queue_put(struct accel_queue *queue);
bool accel_queue_owned(struct accel_context *ctx, unsigned long id);
int accel_queue_command(struct accel_queue *queue, u8 opcode);
int accel_queue_read_stats(struct accel_queue *queue, struct accel_queue_stats *stats);
int accel_queue_start(struct accel_queue *queue);
int accel_queue_restart(struct accel_queue *queue);
void accel_queue_forget(struct accel_queue *queue);

#endif /* ACCEL_QUEUE_H */
