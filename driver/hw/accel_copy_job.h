/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_copy_job.h - the copy queue, which is the driver's own queue, and its
 * jobs: transfers between pages of the host and buffers.
 */
#ifndef ACCEL_COPY_JOB_H
#define ACCEL_COPY_JOB_H

#include <linux/atomic.h>
#include <linux/scatterlist.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "accel_device.h"

/**
 * struct accel_copy_flow - jobs of one context that wait for a slot of the ring
 * @node: in accel_copy_queue.flows while @jobs is not empty
 * @jobs: the jobs, in order
 *
 * Flows get free slots in turn, so a context with many jobs delays the jobs of
 * another context by one job, and not by all of them.
 */
struct accel_copy_flow {
	struct list_head node;
	struct list_head jobs;
};

/**
 * struct accel_copy_queue - the driver's own queue
 * @adev: the card
 * @lock: protects the lists, the ring and the members behind @tail
 * @jobs: jobs in the ring, in order
 * @again: jobs that a reset of the queue removed from the ring, in order; they
 *	are enqueued before the jobs of @flows
 * @flows: flows with jobs
 * @deferred: jobs that @release ends
 * @wait: woken when a counter of accel_copy_users_end() becomes zero
 * @work: finds lost interrupts and hangs, and resets the queue
 * @release: calls accel_copy_job.deferred of the jobs in @deferred
 * @status: status page; only the card and the driver access it
 * @status_dma: bus address of @status
 * @memory: ring and segment lists
 * @memory_dma: bus address of @memory
 * @context: id of the bypass context, or -1
 * @queue: id of the queue on the card, or -1
 * @tail: sequence number of the newest command
 * @epoch: number of resets of the queue
 * @broken: the queue has stopped or hangs; @work resets it
 * @resetting: a reset of the queue is in progress: no job enters the ring
 * @error: errno of every job, because a reset of the queue failed; else 0
 * @hung: the last reset ended a hang, and no job has finished since
 * @progress: jiffies of the last change of @jobs that shows progress
 */
struct accel_copy_queue {
	struct accel_device *adev;
	spinlock_t lock;
	struct list_head jobs;
	struct list_head again;
	struct list_head flows;
	struct list_head deferred;
	wait_queue_head_t wait;
	struct delayed_work work;
	struct delayed_work release;
	struct accel_queue_status *status;
	dma_addr_t status_dma;
	void *memory;
	dma_addr_t memory_dma;
	int context;
	int queue;
	u64 tail;
	u32 epoch;
	bool broken;
	bool resetting;
	int error;
	bool hung;
	unsigned long progress;
};

/* The longest segment list of a job, on either side. */
#define ACCEL_COPY_SEGMENTS	(PAGE_SIZE / sizeof(struct accel_segment))
/*
 * The most pages of a job. Any range of so many bytes fits in a segment list, whose entries are
 * whole pages except the first and the last one.
 */
#define ACCEL_COPY_PAGES	(ACCEL_COPY_SEGMENTS - 2)

/**
 * struct accel_copy_job - one command of the copy queue
 * @node: in a list of the copy queue or of a flow
 * @flow: flow that the job waits in for a slot, or NULL
 * @sgt: pages of the host; at most ACCEL_COPY_PAGES
 * @direction: DMA_TO_DEVICE: the card reads the pages; DMA_FROM_DEVICE: it
 *	writes them
 * @mapped: @sgt has its DMA mapping
 * @target: the other side
 * @target_count: length of @target
 * @bytes: length of the transfer
 * @sequence: sequence number of the command
 * @epoch: epoch of the queue when the command was enqueued
 * @done: called once for a submitted job, when the card does not access its pages
 *	any more; the caller may hold stop_lock or be in a section, but holds no
 *	lock below. The function does not sleep, and may free the job.
 * @deferred: set by accel_copy_job_defer()
 */
struct accel_copy_job {
	struct list_head node;
	struct accel_copy_flow *flow;
	struct sg_table sgt;
	enum dma_data_direction direction;
	bool mapped;
	struct accel_segment *target;
	u32 target_count;
	u64 bytes;
	u64 sequence;
	u32 epoch;
	void (*done)(struct accel_copy_job *job, int error);
	bool (*deferred)(struct accel_copy_job *job);
};

#define ACCEL_COPY_SLOTS	32U

/* The ring, and two segment lists for each slot, in one coherent allocation. */
#define ACCEL_COPY_LISTS	PAGE_SIZE
#define ACCEL_COPY_LIST_BYTES	(ACCEL_COPY_SEGMENTS * sizeof(struct accel_segment))
#define ACCEL_COPY_BYTES	(ACCEL_COPY_LISTS + 2 * ACCEL_COPY_SLOTS * ACCEL_COPY_LIST_BYTES)

/* The newest completed sequence number. */
static inline u64 accel_copy_completed(struct accel_copy_queue *copy)
{
	u64 completed = le64_to_cpu(READ_ONCE(copy->status->completed));

	/* Order reads of the copied data after the read of the sequence number. */
	dma_rmb();
	return completed;
}

/* The error that stopped the queue on the card, or 0. */
static inline u32 accel_copy_stopped(struct accel_copy_queue *copy)
{
	if (le32_to_cpu(READ_ONCE(copy->status->state)) != ACCEL_QUEUE_ERROR)
		return 0;
	/* The card writes the error block before the state. */
	dma_rmb();
	return le32_to_cpu(READ_ONCE(copy->status->error));
}

static inline void accel_copy_flow_init(struct accel_copy_flow *flow)
{
	INIT_LIST_HEAD(&flow->node);
	INIT_LIST_HEAD(&flow->jobs);
}

int accel_copy_job_submit(struct accel_device *adev, struct accel_copy_flow *flow,
			  struct accel_copy_job *job);
bool accel_copy_job_cancel(struct accel_device *adev, struct accel_copy_job *job);
void accel_copy_job_defer(struct accel_device *adev, struct accel_copy_job *job,
			  bool (*deferred)(struct accel_copy_job *job));
void accel_copy_jobs_collect(struct accel_copy_queue *copy, struct list_head *over);
void accel_copy_jobs_fill(struct accel_copy_queue *copy);
void accel_copy_jobs_end(struct accel_copy_queue *copy, struct list_head *over, int error);
void accel_copy_jobs_reap(struct accel_copy_queue *copy);
void accel_copy_users_end(struct accel_device *adev, atomic_t *users);
void accel_copy_users_wait(struct accel_device *adev, atomic_t *users);

#endif /* ACCEL_COPY_JOB_H */
