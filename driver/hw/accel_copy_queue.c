// SPDX-License-Identifier: GPL-2.0
/*
 * accel_copy_queue.c - the life of the copy queue: creation, start, stop, errors.
 *
 * The queue copies between pages of the host and buffers. It runs in a bypass
 * context: its commands contain bus addresses, so no process may ever access it.
 * Each slot of the ring has two segment lists of its own. Commands run in order.
 *
 * An error or a hang costs one job: a work item of the card resets the queue, ends
 * that job with EIO, and enqueues all others again. A transfer may be executed
 * twice, since its source does not change before it ends. If the queue hangs again
 * before any job finishes, all jobs end with EIO, and the card must be reset.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "accel_admin.h"
#include "accel_copy_queue.h"
#include "accel_event.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_irq.h"
#include "accel_section.h"

/* A card that finishes no job in this time hangs. */
#define ACCEL_COPY_TIMEOUT_MS	(10 * MSEC_PER_SEC)
#define ACCEL_COPY_RECHECK	max(HZ / 50, 1)

/* Takes every job that has not finished off the lists, in order. */
static void accel_copy_queue_empty(struct accel_copy_queue *copy, struct list_head *all)
{
	struct accel_copy_flow *flow, *next;
	struct accel_copy_job *job;

	lockdep_assert_held(&copy->lock);
	list_splice_tail_init(&copy->jobs, all);
	list_splice_tail_init(&copy->again, all);
	list_for_each_entry_safe(flow, next, &copy->flows, node) {
		list_for_each_entry(job, &flow->jobs, node)
			job->flow = NULL;
		list_splice_tail_init(&flow->jobs, all);
		list_del_init(&flow->node);
	}
}

/* Takes the job that stopped the queue, or that hangs, and keeps the others for later. */
static void accel_copy_queue_take_failed(struct accel_copy_queue *copy, struct list_head *ended)
{
	struct accel_copy_job *failed;

	lockdep_assert_held(&copy->lock);
	failed = list_first_entry_or_null(&copy->again, struct accel_copy_job, node);
	if (failed)
		list_move(&failed->node, ended);
}

/* Resets the queue on the card. On return the card does not access any page of the old jobs. */
static int accel_copy_queue_reset(struct accel_copy_queue *copy)
{
	struct accel_device *adev = copy->adev;
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_RESET_QUEUE,
		.id = cpu_to_le32(copy->queue),
	};
	int ret;

	/* The link is down: the card can neither answer nor do DMA. */
	if (pci_channel_offline(adev->pdev))
		return -EIO;
	/* The card clears the status page, including tail and arm, before the queue restarts. */
	ret = accel_admin_run(adev, &command);
	/* Events before the answer belong to the old epoch. */
	accel_events_drain(adev);
	return ret;
}

/* Ends the job that stopped the queue or that hangs. Other jobs continue. */
static void accel_copy_queue_restart(struct accel_copy_queue *copy)
{
	struct accel_device *adev = copy->adev;
	LIST_HEAD(finished);
	LIST_HEAD(ended);
	bool hopeless;
	int ret;

	accel_section_assert(adev);
	spin_lock(&copy->lock);
	copy->resetting = true;
	accel_copy_jobs_collect(copy, &finished);
	/* Until the card has reset the queue, it may access the pages of these jobs. */
	list_splice_init(&copy->jobs, &copy->again);
	hopeless = copy->hung;
	copy->hung = !accel_copy_stopped(copy);
	hopeless = hopeless && copy->hung;
	spin_unlock(&copy->lock);
	accel_copy_jobs_end(copy, &finished, 0);

	ret = accel_copy_queue_reset(copy);
	/* The stop of the card ends the jobs. */
	if (ret && READ_ONCE(adev->stop_errno))
		return;
	/* It takes DMA away: the card cannot reach the pages that the owners of the jobs unpin. */
	if (ret)
		accel_failure(adev, ACCEL_FAILURE_ACCESS, NULL);
	else if (hopeless)
		accel_failure(adev, ACCEL_FAILURE_COPY, NULL);
	spin_lock(&copy->lock);
	copy->broken = false;
	copy->error = ret ? -EIO : 0;
	if (ret || hopeless)
		accel_copy_queue_empty(copy, &ended);
	else
		accel_copy_queue_take_failed(copy, &ended);
	if (!ret) {
		copy->resetting = false;
		copy->tail = 0;
		copy->epoch++;
		accel_copy_jobs_fill(copy);
	}
	spin_unlock(&copy->lock);
	accel_copy_jobs_end(copy, &ended, -EIO);
}

/*
 * A job is short. So the time is much less than the time limit of users' commands; an administrator
 * who raises that limit for a slow card raises this time too.
 */
static unsigned int accel_copy_queue_timeout(struct accel_copy_queue *copy)
{
	return max_t(unsigned int, ACCEL_COPY_TIMEOUT_MS, READ_ONCE(copy->adev->time_limit_ms) / 3);
}

/* True if the queue must be reset: it stopped, or no job finished for long. */
static bool accel_copy_queue_check(struct accel_copy_queue *copy, bool *busy)
{
	unsigned int timeout = accel_copy_queue_timeout(copy);
	bool broken, hangs;

	spin_lock(&copy->lock);
	*busy = !list_empty(&copy->jobs);
	hangs = *busy && (time_after(jiffies, copy->progress + msecs_to_jiffies(timeout)) ||
			  pci_channel_offline(copy->adev->pdev));
	broken = (copy->broken || hangs) && !copy->resetting && !copy->error;
	spin_unlock(&copy->lock);
	if (hangs && broken) {
		dev_err_ratelimited(&copy->adev->pdev->dev,
				    "transfer hangs: no end in %u ms; its caller gets EIO\n",
				    timeout);
		accel_event_log_card(copy->adev, "transfer-hung", "queue=%d", copy->queue);
	}
	return broken;
}

static void accel_copy_queue_work(struct work_struct *work)
{
	struct accel_copy_queue *copy = container_of(to_delayed_work(work),
						     struct accel_copy_queue, work);
	struct accel_device *adev = copy->adev;
	bool busy = false;
	int section;

	/* The stop of the card ends the jobs. */
	if (accel_section_enter(adev, &section))
		return;
	if (copy->queue >= 0) {
		accel_copy_jobs_reap(copy);	/* in case an interrupt was lost */
		if (accel_copy_queue_check(copy, &busy))
			accel_copy_queue_restart(copy);
	}
	if (busy)
		queue_delayed_work(system_unbound_wq, &copy->work, ACCEL_COPY_RECHECK);
	accel_section_end(adev, section);
}

static void accel_copy_queue_release(struct work_struct *work)
{
	struct accel_copy_queue *copy = container_of(to_delayed_work(work),
						     struct accel_copy_queue, release);
	struct accel_copy_job *job, *next;
	LIST_HEAD(deferred);
	LIST_HEAD(later);

	spin_lock(&copy->lock);
	list_splice_init(&copy->deferred, &deferred);
	spin_unlock(&copy->lock);
	list_for_each_entry_safe(job, next, &deferred, node) {
		list_del(&job->node);
		if (!job->deferred(job))
			list_add_tail(&job->node, &later);
		cond_resched();
	}
	/* The card may be gone with the last job. */
	if (list_empty(&later))
		return;
	spin_lock(&copy->lock);
	list_splice(&later, &copy->deferred);
	spin_unlock(&copy->lock);
	queue_delayed_work(system_unbound_wq, &copy->release, ACCEL_COPY_RECHECK);
}

int accel_copy_queue_init(struct accel_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	struct accel_copy_queue *copy;

	BUILD_BUG_ON(ACCEL_COPY_SLOTS * ACCEL_COMMAND_SIZE > PAGE_SIZE);
	copy = kzalloc(sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	adev->copy_queue = copy;	/* accel_copy_queue_free() frees it */
	copy->adev = adev;
	spin_lock_init(&copy->lock);
	init_waitqueue_head(&copy->wait);
	INIT_LIST_HEAD(&copy->jobs);
	INIT_LIST_HEAD(&copy->again);
	INIT_LIST_HEAD(&copy->flows);
	INIT_LIST_HEAD(&copy->deferred);
	INIT_DELAYED_WORK(&copy->work, accel_copy_queue_work);
	INIT_DELAYED_WORK(&copy->release, accel_copy_queue_release);
	copy->context = -1;
	copy->queue = -1;
	copy->status = dma_alloc_coherent(dev, PAGE_SIZE, &copy->status_dma, GFP_KERNEL);
	if (!copy->status)
		return -ENOMEM;
	copy->memory = dma_alloc_coherent(dev, ACCEL_COPY_BYTES, &copy->memory_dma, GFP_KERNEL);
	if (!copy->memory) {
		dma_free_coherent(dev, PAGE_SIZE, copy->status, copy->status_dma);
		return -ENOMEM;
	}
	return 0;
}

/* The card has stopped, so no job is left, and no interrupt handler runs. */
void accel_copy_queue_fini(struct accel_device *adev)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	struct device *dev = &adev->pdev->dev;

	cancel_delayed_work_sync(&copy->work);
	dma_free_coherent(dev, ACCEL_COPY_BYTES, copy->memory, copy->memory_dma);
	dma_free_coherent(dev, PAGE_SIZE, copy->status, copy->status_dma);
}

/*
 * The last reference of the card is gone. Each deferred job has held one, by its file: @release has
 * nothing to do any more, but may not have returned yet.
 */
void accel_copy_queue_free(struct accel_device *adev)
{
	if (adev->copy_queue)
		cancel_delayed_work_sync(&adev->copy_queue->release);
	kfree(adev->copy_queue);
}

/* True if transfers are possible. */
bool accel_copy_queue_present(struct accel_device *adev)
{
	return READ_ONCE(adev->copy_queue->queue) >= 0;
}

/* True if the copy queue interrupts on this vector. */
static bool accel_copy_queue_on(struct accel_device *adev, int vector)
{
	int queue = READ_ONCE(adev->copy_queue->queue);

	return queue >= 0 && accel_irq_vector(adev, queue) == vector;
}

/* The interrupt of a vector of queues. Return: true if accel_copy_queue_thread() must run. */
bool accel_copy_queue_interrupt(struct accel_device *adev, int vector)
{
	struct accel_copy_queue *copy = adev->copy_queue;

	/* Other queues may share the vector. */
	if (!accel_copy_queue_on(adev, vector) || list_empty(&copy->jobs))
		return false;
	return accel_copy_completed(copy) >= le64_to_cpu(READ_ONCE(copy->status->arm)) ||
	       accel_copy_stopped(copy);
}

/* The interrupt thread of a vector of queues. */
void accel_copy_queue_thread(struct accel_device *adev, int vector)
{
	int section;

	if (accel_section_enter(adev, &section))
		return;
	if (accel_copy_queue_on(adev, vector) && !list_empty(&adev->copy_queue->jobs))
		accel_copy_jobs_reap(adev->copy_queue);
	accel_section_end(adev, section);
}

/**
 * accel_copy_queue_recover() - end the job that the card works on, which hangs
 * @adev: the card
 *
 * Its caller gets EIO. A work item resets the queue later, and enqueues all other
 * jobs again.
 *
 * Context: any.
 */
void accel_copy_queue_recover(struct accel_device *adev)
{
	WRITE_ONCE(adev->copy_queue->broken, true);
	mod_delayed_work(system_unbound_wq, &adev->copy_queue->work, 0);
}

static u32 accel_copy_queue_priority(struct accel_device *adev)
{
	return adev->features & ACCEL_FEATURE_SHARING ? ACCEL_PRIORITY_DRIVER :
							ACCEL_PRIORITIES - 1;
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
		.create_queue.priority = cpu_to_le32(accel_copy_queue_priority(adev)),
	};
	ret = accel_admin_run(adev, &command);
	if (ret)
		goto err_queue;	/* the next reset of the card frees the context */
	copy->tail = 0;
	copy->error = 0;
	copy->broken = false;
	copy->resetting = false;
	copy->hung = false;
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
 * accel_copy_queue_stop() - the card has stopped: end all jobs
 * @adev: the card; the caller holds stop_lock
 * @error: errno of the jobs that have not finished
 */
void accel_copy_queue_stop(struct accel_device *adev, int error)
{
	struct accel_copy_queue *copy = adev->copy_queue;
	LIST_HEAD(finished);
	LIST_HEAD(ended);

	accel_section_assert_stopped(adev);
	if (copy->queue < 0)
		return;
	spin_lock(&copy->lock);
	/* A job that finished before the stop stays finished. */
	accel_copy_jobs_collect(copy, &finished);
	accel_copy_queue_empty(copy, &ended);
	spin_unlock(&copy->lock);
	accel_copy_jobs_end(copy, &finished, 0);
	accel_copy_jobs_end(copy, &ended, error);
	ida_free(&adev->queue_ids, copy->queue);
	ida_free(&adev->context_ids, copy->context);
	WRITE_ONCE(copy->queue, -1);
	copy->context = -1;
}

/**
 * accel_copy_queue_event() - handle an error of the copy queue
 * @adev: the card
 * @event: an event of ACCEL_EVENT_QUEUE_ERROR
 *
 * The interrupt of the queue shows the error too. The event alone shows it if the
 * card could not write the status page.
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
	accel_copy_queue_recover(adev);
	return true;
}
