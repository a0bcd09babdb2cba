// SPDX-License-Identifier: GPL-2.0
/*
 * accel_dma.c - the driver's own queue on the card: scatter-gather copies
 * between pages of the host and device memory.
 *
 * The queue is in a bypass context: what its commands name are bus addresses,
 * so no process may ever reach it. Each slot of the ring has two lists of
 * segments of its own. Commands run in order.
 *
 * A job is owned by the call that submitted it. It is on the list of jobs from
 * accel_dma_submit() to accel_dma_finish(); when the card goes away meanwhile,
 * accel_dma_stop() takes its DMA mapping and leaves the errno.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>

#include "accel.h"
#include "accel_trace.h"

#define ACCEL_DMA_SLOTS		32U
#define ACCEL_DMA_TIMEOUT	(10 * HZ)
/* How long a lost interrupt may go unnoticed. */
#define ACCEL_DMA_RECHECK	max(HZ / 50, 1)
#define ACCEL_DMA_PRIORITY	1

/* The ring, and two lists for each slot, in one piece of coherent memory. */
#define ACCEL_DMA_LISTS		PAGE_SIZE
#define ACCEL_DMA_LIST_BYTES	(ACCEL_DMA_SEGMENTS * sizeof(struct accel_segment))
#define ACCEL_DMA_BYTES		(ACCEL_DMA_LISTS + 2 * ACCEL_DMA_SLOTS * ACCEL_DMA_LIST_BYTES)

int accel_dma_init(struct accel_device *adev)
{
	struct accel_dma *dma = &adev->dma;
	struct device *dev = &adev->pdev->dev;

	BUILD_BUG_ON(ACCEL_DMA_SLOTS * ACCEL_COMMAND_SIZE > PAGE_SIZE);
	mutex_init(&dma->lock);
	spin_lock_init(&dma->jobs_lock);
	init_waitqueue_head(&dma->wait);
	INIT_LIST_HEAD(&dma->jobs);
	dma->context = -1;
	dma->queue = -1;
	/*
	 * Who waits for a job looks at the status page without a lock, also when the card has
	 * just gone: it is freed with the device.
	 */
	dma->status = (void *)get_zeroed_page(GFP_KERNEL);
	if (!dma->status)
		return -ENOMEM;
	dma->status_dma = dma_map_single(dev, dma->status, PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, dma->status_dma))
		return -ENOMEM;
	dma->memory = dma_alloc_coherent(dev, ACCEL_DMA_BYTES, &dma->memory_dma, GFP_KERNEL);
	if (!dma->memory) {
		dma_unmap_single(dev, dma->status_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		return -ENOMEM;
	}
	return 0;
}

void accel_dma_fini(struct accel_device *adev)
{
	struct accel_dma *dma = &adev->dma;
	struct device *dev = &adev->pdev->dev;

	dma_free_coherent(dev, ACCEL_DMA_BYTES, dma->memory, dma->memory_dma);
	dma_unmap_single(dev, dma->status_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
}

static u64 accel_dma_completed(struct accel_dma *dma)
{
	u64 completed = le64_to_cpu(READ_ONCE(dma->status->completed));

	/* What was copied is read after the number that says it was. */
	dma_rmb();
	return completed;
}

/**
 * accel_dma_start() - make the queue on a card that has just started
 * @adev: the card; hw_lock is held for writing
 *
 * Return: 0 or -errno.
 */
int accel_dma_start(struct accel_device *adev)
{
	struct accel_admin_command command = { .opcode = ACCEL_ADMIN_CREATE_CONTEXT };
	struct accel_dma *dma = &adev->dma;
	int context, queue, ret;

	if (!(adev->features & ACCEL_FEATURE_SCATTER))
		return 0;
	context = ida_alloc_max(&adev->context_ids, adev->context_count - 1, GFP_KERNEL);
	if (context < 0)
		return context;
	queue = ida_alloc_max(&adev->queue_ids, adev->queue_count - 1, GFP_KERNEL);
	if (queue < 0) {
		ret = queue;
		goto err_context;
	}

	memset(dma->status, 0, PAGE_SIZE);
	command.id = cpu_to_le32(context);
	command.create_context.flags = cpu_to_le32(ACCEL_CONTEXT_BYPASS);
	ret = accel_admin_run(adev, &command);
	if (ret)
		goto err_queue;

	command = (struct accel_admin_command) {
		.opcode = ACCEL_ADMIN_CREATE_QUEUE,
		.id = cpu_to_le32(queue),
		.create_queue.status = cpu_to_le64(dma->status_dma),
		.create_queue.ring = cpu_to_le64(dma->memory_dma),
		.create_queue.context = cpu_to_le32(context),
		.create_queue.entries = cpu_to_le32(ACCEL_DMA_SLOTS),
		.create_queue.vector = cpu_to_le32(accel_irq_vector(adev, queue)),
		.create_queue.priority = cpu_to_le32(ACCEL_DMA_PRIORITY),
	};
	ret = accel_admin_run(adev, &command);
	if (ret)
		goto err_queue;	/* the next reset of the card forgets the context */
	dma->tail = 0;
	dma->error = 0;
	dma->epoch++;
	dma->context = context;
	WRITE_ONCE(dma->queue, queue);
	return 0;

err_queue:
	ida_free(&adev->queue_ids, queue);
err_context:
	ida_free(&adev->context_ids, context);
	return ret;
}

static void accel_dma_unmap(struct accel_device *adev, struct accel_dma_job *job)
{
	if (!job->mapped)
		return;
	dma_unmap_sgtable(&adev->pdev->dev, &job->sgt, job->direction, 0);
	job->mapped = false;
}

/**
 * accel_dma_stop() - the card has stopped: end what was in flight
 * @adev: the card; hw_lock is held for writing
 * @error: what the jobs end with
 */
void accel_dma_stop(struct accel_device *adev, int error)
{
	struct accel_dma *dma = &adev->dma;
	struct accel_dma_job *job;

	if (dma->queue < 0)
		return;
	list_for_each_entry(job, &dma->jobs, node) {
		/* What was finished in time stays finished. */
		if (job->epoch != dma->epoch || accel_dma_completed(dma) < job->sequence)
			WRITE_ONCE(job->stopped, error);
		accel_dma_unmap(adev, job);
	}
	ida_free(&adev->queue_ids, dma->queue);
	ida_free(&adev->context_ids, dma->context);
	WRITE_ONCE(dma->queue, -1);
	dma->context = -1;
	wake_up_all(&dma->wait);
}

/**
 * accel_dma_failed() - the card stopped the queue at an error
 * @adev: the card
 * @error: what happened
 */
void accel_dma_failed(struct accel_device *adev, const struct accel_queue_error *error)
{
	struct accel_dma *dma = &adev->dma;

	dev_err_ratelimited(&adev->pdev->dev, "transfer %llu failed: status %u at %#llx\n",
			    error->sequence, error->status, error->address);
	WRITE_ONCE(dma->error_sequence, error->sequence);
	WRITE_ONCE(dma->error, error->status);
	wake_up_all(&dma->wait);
}

/* Called with dma->lock and hw_lock held: nothing of the old epoch runs when it returns. */
static int accel_dma_recover(struct accel_device *adev)
{
	struct accel_dma *dma = &adev->dma;
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_RESET_QUEUE,
		.id = cpu_to_le32(dma->queue),
	};
	int ret;

	/* The card empties the status page, tail and arm too, between stop and start. */
	ret = accel_admin_run(adev, &command);
	/* What the card reported before it answered is not of the new epoch. */
	accel_events_drain(adev);
	dma->tail = 0;
	WRITE_ONCE(dma->error, 0);
	WRITE_ONCE(dma->epoch, dma->epoch + 1);
	wake_up_all(&dma->wait);
	return ret;
}

/* The segments of a mapped table, as many as the job has bytes. */
static u32 accel_dma_fill(struct accel_dma_job *job, struct accel_segment *list)
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

static bool accel_dma_has_slot(struct accel_dma *dma)
{
	return dma->tail - accel_dma_completed(dma) < ACCEL_DMA_SLOTS;
}

/* Called with dma->lock held and a slot free. */
static void accel_dma_place(struct accel_device *adev, struct accel_dma_job *job)
{
	struct accel_dma *dma = &adev->dma;
	struct accel_queue_status *status = dma->status;
	struct accel_command *ring = dma->memory;
	u64 old = dma->tail, tail = old + 1, event;
	u32 slot = old % ACCEL_DMA_SLOTS;
	size_t pages = ACCEL_DMA_LISTS + 2 * slot * ACCEL_DMA_LIST_BYTES;
	size_t target = pages + ACCEL_DMA_LIST_BYTES;
	bool to_host = job->direction == DMA_FROM_DEVICE;
	u32 page_count = accel_dma_fill(job, dma->memory + pages);

	memcpy(dma->memory + target, job->target,
	       job->target_count * sizeof(*job->target));
	ring[slot] = (struct accel_command) {
		.opcode = ACCEL_OP_TRANSFER,
		.transfer.dst = cpu_to_le64(dma->memory_dma + (to_host ? pages : target)),
		.transfer.src = cpu_to_le64(dma->memory_dma + (to_host ? target : pages)),
		.transfer.dst_count = cpu_to_le32(to_host ? page_count : job->target_count),
		.transfer.src_count = cpu_to_le32(to_host ? job->target_count : page_count),
		.transfer.bytes = cpu_to_le64(job->bytes),
	};
	job->sequence = tail;
	job->epoch = dma->epoch;
	dma->tail = tail;
	trace_accel_transfer_submit(adev, job);
	/* The command is there before the tail is. */
	dma_wmb();
	WRITE_ONCE(status->tail, cpu_to_le64(tail));
	/* Pairs with the card's write of event_index before its read of tail. */
	mb();
	event = le64_to_cpu(READ_ONCE(status->event_index));
	if (tail - event - 1 < tail - old)
		writel(lower_32_bits(tail), adev->doorbell_regs +
		       (size_t)dma->queue * ACCEL_DOORBELL_STRIDE);
}

/**
 * accel_dma_submit() - start a job
 * @adev: the card; hw_lock is held for reading and the card is there
 * @job: its pages, direction, bytes and target are set
 *
 * Return: 0 or -errno; then the job is not started.
 */
int accel_dma_submit(struct accel_device *adev, struct accel_dma_job *job)
{
	struct accel_dma *dma = &adev->dma;
	unsigned long deadline = jiffies + ACCEL_DMA_TIMEOUT;
	int ret;

	if (dma->queue < 0)
		return -EOPNOTSUPP;
	ret = dma_map_sgtable(&adev->pdev->dev, &job->sgt, job->direction, 0);
	if (ret)
		return ret;
	job->mapped = true;

	mutex_lock(&dma->lock);
	while (!accel_dma_has_slot(dma) || dma->error) {
		/* Whoever owns the job that failed, or hangs, finds out and makes room. */
		mutex_unlock(&dma->lock);
		wait_event_timeout(dma->wait, accel_dma_has_slot(dma) && !READ_ONCE(dma->error),
				   ACCEL_DMA_RECHECK);
		mutex_lock(&dma->lock);
		if (time_after(jiffies, deadline)) {
			ret = -EIO;
			goto out;
		}
	}
	accel_dma_place(adev, job);
	spin_lock(&dma->jobs_lock);
	list_add_tail(&job->node, &dma->jobs);
	spin_unlock(&dma->jobs_lock);
out:
	mutex_unlock(&dma->lock);
	if (ret)
		accel_dma_unmap(adev, job);
	return ret;
}

static bool accel_dma_over(struct accel_dma *dma, struct accel_dma_job *job)
{
	return READ_ONCE(job->stopped) || READ_ONCE(dma->epoch) != job->epoch ||
	       accel_dma_completed(dma) >= job->sequence || READ_ONCE(dma->error);
}

/* The arm word is one, jobs are many: it holds the lowest that is not finished. */
static void accel_dma_arm(struct accel_dma *dma)
{
	u64 completed = accel_dma_completed(dma), arm = U64_MAX;
	struct accel_dma_job *job;

	spin_lock(&dma->jobs_lock);
	list_for_each_entry(job, &dma->jobs, node)
		if (job->epoch == READ_ONCE(dma->epoch) && job->sequence > completed)
			arm = min(arm, job->sequence);
	if (arm != U64_MAX)
		WRITE_ONCE(dma->status->arm, cpu_to_le64(arm));
	spin_unlock(&dma->jobs_lock);
	/* Pairs with the card's write of completed before its read of arm. */
	mb();
	/* Too late for this one; the word may have been another's. */
	if (arm != U64_MAX && accel_dma_completed(dma) >= arm)
		wake_up_all(&dma->wait);
}

static bool accel_dma_due(struct accel_dma *dma, struct accel_dma_job *job)
{
	if (accel_dma_over(dma, job))
		return true;
	accel_dma_arm(dma);
	return accel_dma_over(dma, job);
}

/* What became of a job. -EAGAIN: another one failed, and took it along. */
static int accel_dma_result(struct accel_device *adev, struct accel_dma_job *job)
{
	struct accel_dma *dma = &adev->dma;
	int ret;

	if (job->stopped)
		return job->stopped;
	mutex_lock(&dma->lock);
	if (job->epoch != dma->epoch) {
		ret = job->failed ? -EIO : -EAGAIN;
	} else if (accel_dma_completed(dma) >= job->sequence) {
		ret = 0;
	} else {
		struct accel_dma_job *other;

		/* One failed, or hangs: mark which, and start afresh. */
		spin_lock(&dma->jobs_lock);
		list_for_each_entry(other, &dma->jobs, node)
			if (other->epoch == dma->epoch &&
			    other->sequence == accel_dma_completed(dma) + 1)
				other->failed = true;
		spin_unlock(&dma->jobs_lock);
		accel_dma_recover(adev);
		ret = job->failed ? -EIO : -EAGAIN;
	}
	mutex_unlock(&dma->lock);
	return ret;
}

/**
 * accel_dma_finish() - wait for a job and end it
 * @adev: the card, there or not; no lock is held
 * @job: submitted
 *
 * Not interruptible: the card may be writing the caller's pages. It takes as
 * long as the card takes for what is in the ring, or the time limit.
 *
 * Return: 0 or -errno. Either way the card does not touch the pages any more.
 */
int accel_dma_finish(struct accel_device *adev, struct accel_dma_job *job)
{
	struct accel_dma *dma = &adev->dma;
	unsigned long deadline = jiffies + ACCEL_DMA_TIMEOUT;
	int ret;

	while (!accel_dma_over(dma, job) && time_before(jiffies, deadline))
		wait_event_timeout(dma->wait, accel_dma_due(dma, job), ACCEL_DMA_RECHECK);

	down_read(&adev->hw_lock);
	ret = accel_dma_result(adev, job);
	trace_accel_transfer_complete(adev, job, ret);
	spin_lock(&dma->jobs_lock);
	list_del(&job->node);
	spin_unlock(&dma->jobs_lock);
	accel_dma_unmap(adev, job);
	up_read(&adev->hw_lock);
	return ret;
}

/**
 * accel_dma_drain() - wait until nothing runs that has been submitted so far
 * @adev: the card; hw_lock is held for reading
 *
 * Whoever submitted it need not be awake for that: its page faults are its own.
 */
void accel_dma_drain(struct accel_device *adev)
{
	unsigned long deadline = jiffies + ACCEL_DMA_TIMEOUT;
	struct accel_dma *dma = &adev->dma;
	u64 sequence;
	u32 epoch;

	mutex_lock(&dma->lock);
	sequence = dma->tail;
	epoch = dma->epoch;
	mutex_unlock(&dma->lock);
	/* A queue that stopped at an error starts afresh by the hand of who submitted, or by ours. */
	while (dma->queue >= 0 && READ_ONCE(dma->epoch) == epoch &&
	       accel_dma_completed(dma) < sequence) {
		if (READ_ONCE(dma->error) || time_after(jiffies, deadline)) {
			mutex_lock(&dma->lock);
			if (dma->epoch == epoch)
				accel_dma_recover(adev);
			mutex_unlock(&dma->lock);
			break;
		}
		usleep_range(20, 100);
	}
}
