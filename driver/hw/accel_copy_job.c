// SPDX-License-Identifier: GPL-2.0
/*
 * accel_copy_job.c - jobs of the copy queue: submission, completion, recovery.
 *
 * The caller that submits a job owns it. The job is on the list of jobs from
 * accel_copy_job_submit() to accel_copy_job_finish(). If the card stops
 * meanwhile, accel_copy_queue_stop() removes the job's DMA mapping and stores
 * the errno in the job.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>

#include "accel_admin.h"
#include "accel_copy_job.h"
#include "accel_event.h"
#include "accel_mmio.h"
#include "accel_section.h"
#include "accel_trace.h"

#define ACCEL_COPY_TIMEOUT	(10 * HZ)
/* The driver notices a lost interrupt within this time. */
#define ACCEL_COPY_RECHECK	max(HZ / 50, 1)

/* Ends the access of the card to the pages of a job; done once. */
void accel_copy_job_unmap(struct accel_device *adev, struct accel_copy_job *job)
{
	if (!job->mapped)
		return;
	dma_unmap_sgtable(&adev->pdev->dev, &job->sgt, job->direction, 0);
	job->mapped = false;
}

/* Resets the queue: nothing of the old epoch runs when it returns. */
static int accel_copy_queue_recover(struct accel_device *adev)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_RESET_QUEUE,
		.id = cpu_to_le32(copy->queue),
	};
	int ret;

	accel_section_assert(adev);
	lockdep_assert_held(&copy->lock);
	/* The card clears the status page, including tail and arm, before the queue restarts. */
	ret = accel_admin_run(adev, &command);
	/* Events before the answer belong to the old epoch. */
	accel_events_drain(adev);
	copy->tail = 0;
	WRITE_ONCE(copy->error, 0);
	WRITE_ONCE(copy->epoch, copy->epoch + 1);
	wake_up_all(&copy->wait);
	return ret;
}

/* Writes the segments of the mapped pages up to the length of the job. */
static u32 accel_copy_job_fill(struct accel_copy_job *job, struct accel_segment *list)
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

static bool accel_copy_has_slot(struct accel_copy_queue *copy)
{
	return copy->tail - accel_copy_completed(copy) < ACCEL_COPY_SLOTS;
}

/* Writes a command into the ring and rings the doorbell. A slot is free. */
static void accel_copy_queue_enqueue(struct accel_device *adev, struct accel_copy_job *job)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	struct accel_queue_status *status = copy->status;
	struct accel_command *ring = copy->memory;
	u64 old = copy->tail, tail = old + 1, event;
	u32 slot = old % ACCEL_COPY_SLOTS;
	size_t pages = ACCEL_COPY_LISTS + 2 * slot * ACCEL_COPY_LIST_BYTES;
	size_t target = pages + ACCEL_COPY_LIST_BYTES;
	bool to_host = job->direction == DMA_FROM_DEVICE;
	u32 page_count = accel_copy_job_fill(job, copy->memory + pages);

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
	job->sequence = tail;
	job->epoch = copy->epoch;
	copy->tail = tail;
	trace_accel_transfer_submit(adev, job);
	/* The card must see the command before the tail. */
	dma_wmb();
	WRITE_ONCE(status->tail, cpu_to_le64(tail));
	/* Pairs with the card's write of event_index before its read of tail. */
	mb();
	event = le64_to_cpu(READ_ONCE(status->event_index));
	if (tail - event - 1 < tail - old)
		writel(lower_32_bits(tail), adev->doorbell_regs +
		       (size_t)copy->queue * ACCEL_DOORBELL_STRIDE);
}

/**
 * accel_copy_job_submit() - submit a job
 * @adev: the card; the caller is in a section, and the hardware is present
 * @job: a job with pages, direction, bytes and target
 *
 * Return: 0, or -errno if the job was not submitted.
 */
int accel_copy_job_submit(struct accel_device *adev, struct accel_copy_job *job)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	unsigned long deadline = jiffies + ACCEL_COPY_TIMEOUT;
	int ret;

	accel_section_assert(adev);
	if (copy->queue < 0)
		return -EOPNOTSUPP;
	ret = dma_map_sgtable(&adev->pdev->dev, &job->sgt, job->direction, 0);
	if (ret)
		return ret;
	job->mapped = true;

	mutex_lock(&copy->lock);
	while (!accel_copy_has_slot(copy) || copy->error) {
		/* The owner of a job that failed or hangs resets the queue, which frees slots. */
		mutex_unlock(&copy->lock);
		wait_event_timeout(copy->wait,
				   accel_copy_has_slot(copy) && !READ_ONCE(copy->error),
				   ACCEL_COPY_RECHECK);
		mutex_lock(&copy->lock);
		if (time_after(jiffies, deadline)) {
			ret = -EIO;
			goto out;
		}
	}
	accel_copy_queue_enqueue(adev, job);
	spin_lock(&copy->jobs_lock);
	list_add_tail(&job->node, &copy->jobs);
	spin_unlock(&copy->jobs_lock);
out:
	mutex_unlock(&copy->lock);
	if (ret)
		accel_copy_job_unmap(adev, job);
	return ret;
}

static bool accel_copy_job_over(struct accel_copy_queue *copy, struct accel_copy_job *job)
{
	return READ_ONCE(job->stop_errno) || READ_ONCE(copy->epoch) != job->epoch ||
	       accel_copy_completed(copy) >= job->sequence || READ_ONCE(copy->error);
}

/* The queue has one arm word for all jobs: the lowest sequence number that is not finished. */
static void accel_copy_queue_arm(struct accel_copy_queue *copy)
{
	u64 completed = accel_copy_completed(copy), arm = U64_MAX;
	struct accel_copy_job *job;

	spin_lock(&copy->jobs_lock);
	list_for_each_entry(job, &copy->jobs, node)
		if (job->epoch == READ_ONCE(copy->epoch) && job->sequence > completed)
			arm = min(arm, job->sequence);
	if (arm != U64_MAX)
		WRITE_ONCE(copy->status->arm, cpu_to_le64(arm));
	spin_unlock(&copy->jobs_lock);
	/* Pairs with the card's write of completed before its read of arm. */
	mb();
	/* The job finished meanwhile, and the card may not interrupt for it. */
	if (arm != U64_MAX && accel_copy_completed(copy) >= arm)
		wake_up_all(&copy->wait);
}

static bool accel_copy_job_due(struct accel_copy_queue *copy, struct accel_copy_job *job)
{
	if (accel_copy_job_over(copy, job))
		return true;
	accel_copy_queue_arm(copy);
	return accel_copy_job_over(copy, job);
}

/* The result of a job. -EAGAIN: another job failed, and the reset of the queue ended this one. */
static int accel_copy_job_result(struct accel_device *adev, struct accel_copy_job *job)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	int ret;

	if (job->stop_errno)
		return job->stop_errno;
	mutex_lock(&copy->lock);
	if (job->epoch != copy->epoch) {
		ret = job->failed ? -EIO : -EAGAIN;
	} else if (accel_copy_completed(copy) >= job->sequence) {
		ret = 0;
	} else {
		struct accel_copy_job *other;

		/* A job failed or hangs: mark it and reset the queue. */
		spin_lock(&copy->jobs_lock);
		list_for_each_entry(other, &copy->jobs, node)
			if (other->epoch == copy->epoch &&
			    other->sequence == accel_copy_completed(copy) + 1)
				other->failed = true;
		spin_unlock(&copy->jobs_lock);
		accel_copy_queue_recover(adev);
		ret = job->failed ? -EIO : -EAGAIN;
	}
	mutex_unlock(&copy->lock);
	return ret;
}

/**
 * accel_copy_job_finish() - wait for a job and end it
 * @adev: the card; the hardware may be absent, and no lock is held
 * @job: a submitted job
 *
 * The wait is not interruptible, because the card may be writing the pages of
 * the caller. It ends when the card has processed the ring, or at the time limit.
 *
 * Return: 0 or -errno. In both cases the card does not access the pages any more.
 */
int accel_copy_job_finish(struct accel_device *adev, struct accel_copy_job *job)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	unsigned long deadline = jiffies + ACCEL_COPY_TIMEOUT;
	int section, ret;

	while (!accel_copy_job_over(copy, job) && time_before(jiffies, deadline))
		wait_event_timeout(copy->wait, accel_copy_job_due(copy, job), ACCEL_COPY_RECHECK);

	section = accel_section_begin(adev);
	ret = accel_copy_job_result(adev, job);
	trace_accel_transfer_complete(adev, job, ret);
	spin_lock(&copy->jobs_lock);
	list_del(&job->node);
	spin_unlock(&copy->jobs_lock);
	accel_copy_job_unmap(adev, job);
	accel_section_end(adev, section);
	return ret;
}

/**
 * accel_copy_jobs_drain() - wait until all jobs submitted so far have ended
 * @adev: the card; the caller is in a section
 *
 * The wait does not depend on the submitters, which may sleep in a page fault.
 */
void accel_copy_jobs_drain(struct accel_device *adev)
{
	unsigned long deadline = jiffies + ACCEL_COPY_TIMEOUT;
	struct accel_copy_queue *copy = adev->copy_queue;
	u64 sequence;
	u32 epoch;

	accel_section_assert(adev);
	mutex_lock(&copy->lock);
	sequence = copy->tail;
	epoch = copy->epoch;
	mutex_unlock(&copy->lock);
	/* After an error, the submitter of the failed job or this function resets the queue. */
	while (copy->queue >= 0 && READ_ONCE(copy->epoch) == epoch &&
	       accel_copy_completed(copy) < sequence) {
		if (READ_ONCE(copy->error) || time_after(jiffies, deadline)) {
			mutex_lock(&copy->lock);
			if (copy->epoch == epoch)
				accel_copy_queue_recover(adev);
			mutex_unlock(&copy->lock);
			break;
		}
		usleep_range(20, 100);
	}
}
