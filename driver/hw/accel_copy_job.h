/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_copy_job.h - the copy queue, which is the driver's own queue, and its
 * jobs: transfers between pages of the host and buffers.
 */
#ifndef ACCEL_COPY_JOB_H
#define ACCEL_COPY_JOB_H

#include <linux/scatterlist.h>
#include <linux/wait.h>

#include "accel_device.h"

/**
 * struct accel_copy_queue - the driver's own queue
 * @lock: serializes submission and recovery
 * @jobs_lock: protects @jobs
 * @jobs: submitted jobs that have not ended
 * @wait: woken when any of the jobs may have ended
 * @status: status page; lives as long as the accel_device
 * @status_dma: bus address of @status
 * @memory: ring and segment lists
 * @memory_dma: bus address of @memory
 * @context: id of the bypass context, or -1
 * @queue: id of the queue on the card, or -1
 * @tail: sequence number of the newest command
 * @epoch: number of resets of the queue
 * @error: enum accel_status that stopped the queue
 * @error_sequence: sequence number of the failed command
 */
struct accel_copy_queue {
	struct mutex lock;
	spinlock_t jobs_lock;
	struct list_head jobs;
	wait_queue_head_t wait;
	struct accel_queue_status *status;
	dma_addr_t status_dma;
	void *memory;
	dma_addr_t memory_dma;
	int context;
	int queue;
	u64 tail;
	u32 epoch;
	u32 error;
	u64 error_sequence;
};

/* The longest segment list of a job, on either side. */
#define ACCEL_COPY_SEGMENTS	(PAGE_SIZE / sizeof(struct accel_segment))

/**
 * struct accel_copy_job - one command of the copy queue
 * @node: in accel_copy_queue.jobs
 * @sgt: pages of the host; at most ACCEL_COPY_SEGMENTS
 * @direction: DMA_TO_DEVICE: the card reads the pages; DMA_FROM_DEVICE: it
 *	writes them
 * @mapped: @sgt has its DMA mapping
 * @target: the other side
 * @target_count: length of @target
 * @bytes: length of the transfer
 * @sequence: sequence number of the command
 * @epoch: epoch of the queue at submission
 * @failed: this job stopped the queue
 * @stop_errno: errno if the card stopped before the job ended, else 0
 */
struct accel_copy_job {
	struct list_head node;
	struct sg_table sgt;
	enum dma_data_direction direction;
	bool mapped;
	struct accel_segment *target;
	u32 target_count;
	u64 bytes;
	u64 sequence;
	u32 epoch;
	bool failed;
	int stop_errno;
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

void accel_copy_job_unmap(struct accel_device *adev, struct accel_copy_job *job);
int accel_copy_job_submit(struct accel_device *adev, struct accel_copy_job *job);
int accel_copy_job_finish(struct accel_device *adev, struct accel_copy_job *job);
void accel_copy_jobs_drain(struct accel_device *adev);

#endif /* ACCEL_COPY_JOB_H */
