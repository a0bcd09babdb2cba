/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_queue.h - struct accel_queue: a queue of a context and its card half.
 */
#ifndef ACCEL_QUEUE_H
#define ACCEL_QUEUE_H

#include <linux/rbtree.h>

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
	struct rb_node node;
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
 * @time_limit: longest device time of a command in ticks, or 0
 * @stopped: the driver stopped the queue: it does not exist on the card until its
 *	owner resets it; under the context's lock
 * @doorbell_lock: protects @doorbell and the insertion of the doorbell at faults; held
 *	briefly, so that a fault never waits for the card or for another process
 * @doorbell: the owner may map the doorbell
 * @last: counters of the queue at that time
 * @report: progress of the queue at the last query; under the context's lock
 * @memory: status page and ring
 * @status: the driver's view of the status page; its owner can write it, so only
 *	wake-ups of the owner depend on it
 * @lock: protects @waiters, @notify, @notified, @eventfd, @limits, @error and the arm word
 * @waiters: waiters of all kinds: threads, an eventfd, commands of io_uring; the
 *	first one is due first: ordered by epoch, then by sequence number
 * @notify: sequence number for poll() and the eventfd, 0 if none
 * @notified: poll() was woken for @notify
 * @eventfd: eventfd to signal, or NULL
 * @event: waiter of @eventfd
 * @limits: those @waiters that have a time limit, by its end
 * @limit_timer: expires when the first of @limits ends, or earlier
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
	u64 time_limit;
	bool stopped;
	struct mutex doorbell_lock;
	bool doorbell;
	struct accel_queue_stats last;
	struct accel_queue_report report;
	struct accel_buffer *memory;
	struct accel_queue_status *status;
	spinlock_t lock;
	struct rb_root_cached waiters;
	u64 notify;
	bool notified;
	struct eventfd_ctx *eventfd;
	struct accel_waiter event;
	struct rb_root_cached limits;
	struct timer_list limit_timer;
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

/* The same for a caller that holds the queue's lock, which excludes the end of a grace period. */
static inline u64 accel_queue_completed_locked(struct accel_queue *queue)
{
	u64 completed;

	lockdep_assert_held(&queue->lock);
	completed = le64_to_cpu(READ_ONCE(READ_ONCE(queue->status)->completed));
	dma_rmb();
	return completed;
}

/* The errno of a wait that the error of a queue ends, or 0. */
static inline int accel_queue_errno(const struct accel_queue *queue)
{
	switch (READ_ONCE(queue->error.status)) {
	case ACCEL_OK:
		return 0;
	case ACCEL_TIME_LIMIT:
	case ACCEL_NO_PROGRESS:
		return -ETIME;
	default:
		return -EIO;
	}
}

struct accel_queue *accel_queue_get(struct accel_context *ctx, u32 handle);
void accel_queue_put(struct accel_queue *queue);
struct accel_queue *accel_queue_find(struct accel_device *adev, u32 id);
void accel_queue_found_put(struct accel_queue *queue);
bool accel_queue_owned(struct accel_context *ctx, unsigned long id);
vm_fault_t accel_queue_doorbell_fault(struct accel_context *ctx, u32 id, struct vm_fault *vmf);
void accel_queue_allow_doorbell(struct accel_queue *queue);
void accel_queue_revoke_doorbell(struct accel_queue *queue);
int accel_queue_command(struct accel_queue *queue, u8 opcode);
int accel_queue_read_stats(struct accel_queue *queue, struct accel_queue_stats *stats);
int accel_queue_read_report(struct accel_queue *queue);
int accel_queue_end(struct accel_queue *queue);
int accel_queue_start(struct accel_queue *queue);
int accel_queue_restart(struct accel_queue *queue);
void accel_queue_forget(struct accel_queue *queue);

#endif /* ACCEL_QUEUE_H */
