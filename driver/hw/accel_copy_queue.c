// SPDX-License-Identifier: GPL-2.0
/*
 * accel_copy_queue.c - the copy queue: scatter-gather copies between pages of the
 * host and buffers, on the driver's own queue.
 *
 * The queue runs in a bypass context: its commands contain bus addresses, so no
 * process may ever access it. Each slot of the ring has two segment lists of its
 * own. Commands run in order.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "accel_admin.h"
#include "accel_copy_queue.h"
#include "accel_event.h"
#include "accel_irq.h"
#include "accel_section.h"

#define ACCEL_COPY_PRIORITY	1

int accel_copy_queue_init(struct accel_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	struct accel_copy_queue *copy;

	BUILD_BUG_ON(ACCEL_COPY_SLOTS * ACCEL_COMMAND_SIZE > PAGE_SIZE);
	copy = kzalloc(sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	adev->copy_queue = copy;	/* accel_copy_queue_free() frees it */
	mutex_init(&copy->lock);
	spin_lock_init(&copy->jobs_lock);
	init_waitqueue_head(&copy->wait);
	INIT_LIST_HEAD(&copy->jobs);
	copy->context = -1;
	copy->queue = -1;
	copy->status = (void *)get_zeroed_page(GFP_KERNEL);
	if (!copy->status)
		return -ENOMEM;
	copy->status_dma = dma_map_single(dev, copy->status, PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, copy->status_dma))
		return -ENOMEM;
	copy->memory = dma_alloc_coherent(dev, ACCEL_COPY_BYTES, &copy->memory_dma, GFP_KERNEL);
	if (!copy->memory) {
		dma_unmap_single(dev, copy->status_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		return -ENOMEM;
	}
	return 0;
}

void accel_copy_queue_fini(struct accel_device *adev)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	struct device *dev = &adev->pdev->dev;

	dma_free_coherent(dev, ACCEL_COPY_BYTES, copy->memory, copy->memory_dma);
	dma_unmap_single(dev, copy->status_dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
}

/*
 * The last reference of the card is gone. A waiter reads the status page without a lock, even
 * after the card has stopped, so the page lives as long as the accel_device.
 */
void accel_copy_queue_free(struct accel_device *adev)
{
	if (adev->copy_queue)
		free_page((unsigned long)adev->copy_queue->status);
	kfree(adev->copy_queue);
}

/* True if transfers are possible. */
bool accel_copy_queue_present(struct accel_device *adev)
{
	return READ_ONCE(adev->copy_queue->queue) >= 0;
}

/* The interrupt of a vector of queues. */
void accel_copy_queue_interrupt(struct accel_device *adev, int vector)
{
	int queue = READ_ONCE(adev->copy_queue->queue);

	if (queue >= 0 && accel_irq_vector(adev, queue) == vector)
		wake_up_all(&adev->copy_queue->wait);
}

/**
 * accel_copy_queue_start() - create the queue on a card that has just started
 * @adev: the card; the caller holds stop_lock
 *
 * Return: 0 or -errno.
 */
int accel_copy_queue_start(struct accel_device *adev)
{
	struct accel_admin_command command = { .opcode = ACCEL_ADMIN_CREATE_CONTEXT };
	struct accel_copy_queue *copy = adev->copy_queue;
	int context, queue, ret;

	accel_section_assert_stopped(adev);
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

	memset(copy->status, 0, PAGE_SIZE);
	command.id = cpu_to_le32(context);
	command.create_context.flags = cpu_to_le32(ACCEL_CONTEXT_BYPASS);
	ret = accel_admin_run(adev, &command);
	if (ret)
		goto err_queue;

	command = (struct accel_admin_command) {
		.opcode = ACCEL_ADMIN_CREATE_QUEUE,
		.id = cpu_to_le32(queue),
		.create_queue.status = cpu_to_le64(copy->status_dma),
		.create_queue.ring = cpu_to_le64(copy->memory_dma),
		.create_queue.context = cpu_to_le32(context),
		.create_queue.entries = cpu_to_le32(ACCEL_COPY_SLOTS),
		.create_queue.vector = cpu_to_le32(accel_irq_vector(adev, queue)),
		.create_queue.priority = cpu_to_le32(ACCEL_COPY_PRIORITY),
	};
	ret = accel_admin_run(adev, &command);
	if (ret)
		goto err_queue;	/* the next reset of the card frees the context */
	copy->tail = 0;
	copy->error = 0;
	copy->epoch++;
	copy->context = context;
	WRITE_ONCE(copy->queue, queue);
	return 0;

err_queue:
	ida_free(&adev->queue_ids, queue);
err_context:
	ida_free(&adev->context_ids, context);
	return ret;
}

/**
 * accel_copy_queue_stop() - the card has stopped: end the jobs in flight
 * @adev: the card; the caller holds stop_lock
 * @error: errno of the jobs that have not finished
 */
void accel_copy_queue_stop(struct accel_device *adev, int error)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	struct accel_copy_job *job;

	accel_section_assert_stopped(adev);
	if (copy->queue < 0)
		return;
	list_for_each_entry(job, &copy->jobs, node) {
		/* A job that finished before the stop stays finished. */
		if (job->epoch != copy->epoch || accel_copy_completed(copy) < job->sequence)
			WRITE_ONCE(job->stop_errno, error);
		accel_copy_job_unmap(adev, job);
	}
	ida_free(&adev->queue_ids, copy->queue);
	ida_free(&adev->context_ids, copy->context);
	WRITE_ONCE(copy->queue, -1);
	copy->context = -1;
	wake_up_all(&copy->wait);
}

/**
 * accel_copy_queue_event() - handle an error of the copy queue
 * @adev: the card
 * @event: an event of ACCEL_EVENT_QUEUE_ERROR
 *
 * Return: false if the event is for another queue.
 */
bool accel_copy_queue_event(struct accel_device *adev, const struct accel_event *event)
{
	struct accel_queue_error error = accel_event_queue_error(event);
	struct accel_copy_queue *copy = adev->copy_queue;

	if (le32_to_cpu(event->queue) != READ_ONCE(copy->queue))
		return false;
	dev_err_ratelimited(&adev->pdev->dev,
			    "transfer %llu failed: status %u at %#llx; its caller gets EIO\n",
			    error.sequence, error.status, error.address);
	WRITE_ONCE(copy->error_sequence, error.sequence);
	WRITE_ONCE(copy->error, error.status);
	wake_up_all(&copy->wait);
	return true;
}
