// SPDX-License-Identifier: GPL-2.0
/*
 * accel_copy_job.c - jobs of the copy queue: submission and completion.
 *
 * No thread waits for a slot of the ring. A job waits in the flow of its context
 * until a slot is free. The interrupt thread ends the jobs that the card has
 * finished, and moves waiting jobs into the ring.
 *
 * A job belongs to the copy queue from accel_copy_job_submit() until the call of
 * its done().
 */
#include <linux/dma-mapping.h>
#include <linux/sched.h>

#include "accel_copy_job.h"
#include "accel_mmio.h"
#include "accel_section.h"
#include "accel_trace.h"

/* The driver notices a lost interrupt within this time. */
#define ACCEL_COPY_RECHECK	max(HZ / 50, 1)

/* Ends the access of the card to the pages of a job. */
static void accel_copy_job_unmap(struct accel_device *adev, struct accel_copy_job *job)
{
	if (job->mapped)
		dma_unmap_sgtable(&adev->pdev->dev, &job->sgt, job->direction, 0);
	job->mapped = false;
}

/* Writes the segments of the mapped pages up to the length of the job. */
static u32 accel_copy_job_list(struct accel_copy_job *job, struct accel_segment *list)
{
	u64 left = job->bytes;
	struct scatterlist *sg;
	u32 count = 0;
	int i;

	for_each_sgtable_dma_sg(&job->sgt, sg, i) {
		u64 bytes = min_t(u64, sg_dma_len(sg), left);

		if (!left)
			break;
		list[count].address = cpu_to_le64(sg_dma_address(sg));
		list[count].bytes = cpu_to_le64(bytes);
		left -= bytes;
		count++;
	}
	return count;
}

/* Writes the command of a job into a free slot of the ring, without publishing it. */
static void accel_copy_job_enqueue(struct accel_copy_queue *copy, struct accel_copy_job *job)
{
	struct accel_command *ring = copy->memory;
	u32 slot = copy->tail % ACCEL_COPY_SLOTS;
	size_t pages = ACCEL_COPY_LISTS + 2 * slot * ACCEL_COPY_LIST_BYTES;
	size_t target = pages + ACCEL_COPY_LIST_BYTES;
	bool to_host = job->direction == DMA_FROM_DEVICE;
	u32 page_count = accel_copy_job_list(job, copy->memory + pages);

	lockdep_assert_held(&copy->lock);
	memcpy(copy->memory + target, job->target,
	       job->target_count * sizeof(*job->target));
	ring[slot] = (struct accel_command) {
		.opcode = ACCEL_OP_TRANSFER,
		.transfer.dst = cpu_to_le64(copy->memory_dma + (to_host ? pages : target)),
		.transfer.src = cpu_to_le64(copy->memory_dma + (to_host ? target : pages)),
		.transfer.dst_count = cpu_to_le32(to_host ? page_count : job->target_count),
		.transfer.src_count = cpu_to_le32(to_host ? job->target_count : page_count),
		.transfer.bytes = cpu_to_le64(job->bytes),
	};
	job->sequence = ++copy->tail;
	job->epoch = copy->epoch;
	list_add_tail(&job->node, &copy->jobs);
	trace_accel_transfer_submit(copy->adev, job);
}

/* Publishes the commands behind @old, and rings the doorbell if the card asks for it. */
static void accel_copy_jobs_publish(struct accel_copy_queue *copy, u64 old)
{
	struct accel_queue_status *status = copy->status;
	u64 tail = copy->tail, event;

	/* The card must see the commands and the arm word before the tail. */
	dma_wmb();
	WRITE_ONCE(status->tail, cpu_to_le64(tail));
	/* Pairs with the card's write of event_index before its read of tail. */
	mb();
	event = le64_to_cpu(READ_ONCE(status->event_index));
	if (tail - event - 1 < tail - old)
		writel(lower_32_bits(tail), copy->adev->doorbell_regs +
		       (size_t)copy->queue * ACCEL_DOORBELL_STRIDE);
}

/* Removes the next job that waits for a slot, or returns NULL. */
static struct accel_copy_job *accel_copy_jobs_next(struct accel_copy_queue *copy)
{
	struct accel_copy_flow *flow;
	struct accel_copy_job *job;

	job = list_first_entry_or_null(&copy->again, struct accel_copy_job, node);
	if (!job) {
		flow = list_first_entry_or_null(&copy->flows, struct accel_copy_flow, node);
		if (!flow)
			return NULL;
		job = list_first_entry(&flow->jobs, struct accel_copy_job, node);
		job->flow = NULL;
		if (list_is_singular(&flow->jobs))
			list_del_init(&flow->node);
		else
			list_move_tail(&flow->node, &copy->flows);
	}
	list_del(&job->node);
	return job;
}

/**
 * accel_copy_jobs_fill() - move jobs that wait into the free slots of the ring
 * @copy: the copy queue; the caller holds its lock
 *
 * While the ring has jobs, the arm word is the sequence number of the oldest one,
 * so that its end interrupts.
 */
void accel_copy_jobs_fill(struct accel_copy_queue *copy)
{
	bool idle = list_empty(&copy->jobs);
	u64 old = copy->tail;

	lockdep_assert_held(&copy->lock);
	if (copy->resetting || copy->error)
		return;
	while (copy->tail - accel_copy_completed(copy) < ACCEL_COPY_SLOTS) {
		struct accel_copy_job *job = accel_copy_jobs_next(copy);

		if (!job)
			break;
		accel_copy_job_enqueue(copy, job);
	}
	if (copy->tail == old)
		return;
	if (idle) {
		copy->progress = jiffies;
		WRITE_ONCE(copy->status->arm, cpu_to_le64(old + 1));
	}
	accel_copy_jobs_publish(copy, old);
	queue_delayed_work(system_unbound_wq, &copy->work, ACCEL_COPY_RECHECK);
}

/**
 * accel_copy_job_submit() - submit a job
 * @adev: the card; the caller is in a section, and the hardware is present
 * @flow: flow of the caller's context, which outlives the job
 * @job: a job with pages, direction, bytes, target and done
 *
 * The call does not sleep.
 *
 * Return: 0, or -errno if the job was not submitted.
 */
int accel_copy_job_submit(struct accel_device *adev, struct accel_copy_flow *flow,
			  struct accel_copy_job *job)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	int ret;

	accel_section_assert(adev);
	if (copy->queue < 0)
		return -EOPNOTSUPP;
	ret = dma_map_sgtable(&adev->pdev->dev, &job->sgt, job->direction, 0);
	if (ret)
		return ret;
	job->mapped = true;
	spin_lock(&copy->lock);
	ret = copy->error;
	if (!ret) {
		if (list_empty(&flow->jobs))
			list_add_tail(&flow->node, &copy->flows);
		list_add_tail(&job->node, &flow->jobs);
		job->flow = flow;
		accel_copy_jobs_fill(copy);
	}
	spin_unlock(&copy->lock);
	if (ret)
		accel_copy_job_unmap(adev, job);
	return ret;
}

/**
 * accel_copy_job_cancel() - take back a job that still waits for a slot
 * @adev: the card; the hardware may be absent
 * @job: a submitted job that the caller keeps alive
 *
 * Return: true if the job has been taken back: its done() is not called. False if
 * its done() was called or will be called.
 */
bool accel_copy_job_cancel(struct accel_device *adev, struct accel_copy_job *job)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	bool waits;
	int section;

	/* The stop of the card ends all jobs. */
	if (accel_section_enter(adev, &section))
		return false;
	spin_lock(&copy->lock);
	waits = job->flow;
	if (waits) {
		list_del(&job->node);
		if (list_empty(&job->flow->jobs))
			list_del_init(&job->flow->node);
		job->flow = NULL;
	}
	spin_unlock(&copy->lock);
	if (waits)
		accel_copy_job_unmap(adev, job);
	accel_section_end(adev, section);
	return waits;
}

/**
 * accel_copy_job_defer() - continue the end of a job where it may sleep
 * @adev: the card
 * @job: a job whose done() has been called
 * @deferred: called with the job in a work item of the card. It returns true after the
 *	end of the job, which it may free; or false to be called again soon. The jobs of
 *	all processes share the work item, so it never waits for what one of them holds
 */
void accel_copy_job_defer(struct accel_device *adev, struct accel_copy_job *job,
			  bool (*deferred)(struct accel_copy_job *job))
{
	struct accel_copy_queue *copy = adev->copy_queue;

	job->deferred = deferred;
	spin_lock(&copy->lock);
	list_add_tail(&job->node, &copy->deferred);
	spin_unlock(&copy->lock);
	mod_delayed_work(system_unbound_wq, &copy->release, 0);
}

/**
 * accel_copy_jobs_collect() - take the jobs that the card has finished off the ring
 * @copy: the copy queue; the caller holds its lock
 * @over: the list for them
 */
void accel_copy_jobs_collect(struct accel_copy_queue *copy, struct list_head *over)
{
	u64 completed = accel_copy_completed(copy);
	struct accel_copy_job *job, *next;

	lockdep_assert_held(&copy->lock);
	list_for_each_entry_safe(job, next, &copy->jobs, node) {
		if (job->sequence > completed)
			break;
		list_move_tail(&job->node, over);
		copy->progress = jiffies;
		copy->hung = false;
	}
}

/**
 * accel_copy_jobs_end() - end jobs that the card does not access any more
 * @copy: the copy queue; the caller is in a section or holds stop_lock, without
 *	the lock of the queue
 * @over: the jobs
 * @error: 0 or -errno
 */
void accel_copy_jobs_end(struct accel_copy_queue *copy, struct list_head *over, int error)
{
	struct accel_copy_job *job, *next;

	list_for_each_entry_safe(job, next, over, node) {
		list_del(&job->node);
		accel_copy_job_unmap(copy->adev, job);
		trace_accel_transfer_complete(copy->adev, job, error);
		job->done(job, error);
	}
}

/* Arms the interrupt for the oldest job in the ring. Return: true if it has finished meanwhile. */
static bool accel_copy_jobs_arm(struct accel_copy_queue *copy)
{
	struct accel_copy_job *job;

	job = list_first_entry_or_null(&copy->jobs, struct accel_copy_job, node);
	if (!job)
		return false;
	WRITE_ONCE(copy->status->arm, cpu_to_le64(job->sequence));
	/* Pairs with the card's write of completed before its read of arm. */
	mb();
	return accel_copy_completed(copy) >= job->sequence;
}

/**
 * accel_copy_jobs_reap() - end the finished jobs and refill the ring
 * @copy: the copy queue; the caller is in a section, and the hardware is present
 */
void accel_copy_jobs_reap(struct accel_copy_queue *copy)
{
	LIST_HEAD(over);
	bool more;

	accel_section_assert(copy->adev);
	do {
		spin_lock(&copy->lock);
		accel_copy_jobs_collect(copy, &over);
		accel_copy_jobs_fill(copy);
		more = accel_copy_jobs_arm(copy);
		/* Until a reset of the queue ends, its status page shows the old error. */
		if (!copy->resetting && accel_copy_stopped(copy)) {
			copy->broken = true;
			mod_delayed_work(system_unbound_wq, &copy->work, 0);
		}
		spin_unlock(&copy->lock);
		accel_copy_jobs_end(copy, &over, 0);
		cond_resched();
	} while (more);
}

/**
 * accel_copy_users_end() - a job does not use an object any more
 * @adev: the card
 * @users: number of jobs that use the object
 */
void accel_copy_users_end(struct accel_device *adev, atomic_t *users)
{
	/* The object may end as soon as the number is zero; the copy queue lives longer. */
	if (atomic_dec_and_test(users))
		wake_up_all(&adev->copy_queue->wait);
}

/**
 * accel_copy_users_wait() - wait until no job uses an object
 * @adev: the card
 * @users: number of jobs that use the object; it does not grow any more
 *
 * The caller is not in a section and holds no lock that a section needs. The wait
 * ends even if the card hangs, because the copy queue ends each of its jobs.
 */
void accel_copy_users_wait(struct accel_device *adev, atomic_t *users)
{
	wait_event(adev->copy_queue->wait, !atomic_read(users));
}
