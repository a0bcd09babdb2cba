// SPDX-License-Identifier: GPL-2.0
/*
 * accel_queue.c - a queue and its card half: lookup, start, counters.
 *
 * The driver allocates ring and status page, and tells the card their addresses
 * in the context. It never sees the commands of the ring.
 */
#include <linux/dma-mapping.h>
#include <linux/eventfd.h>
#include <linux/slab.h>

#include "accel_admin.h"
#include "accel_buffer.h"
#include "accel_irq.h"
#include "accel_mapping.h"
#include "accel_queue.h"
#include "accel_progress.h"

static void accel_queue_release(struct kref *ref)
{
	struct accel_queue *queue = container_of(ref, struct accel_queue, ref);

	/* Each wait holds a reference, so the timer does not start again. */
	timer_delete_sync(&queue->limit_timer);
	/* It is not among the waiters any more, so it cannot fire. */
	if (queue->eventfd)
		eventfd_ctx_put(queue->eventfd);
	accel_buffer_put(queue->memory);
	kfree_rcu(queue, rcu);
}

void accel_queue_put(struct accel_queue *queue)
{
	kref_put(&queue->ref, accel_queue_release);
}

/**
 * accel_queue_get() - look a queue up
 * @ctx: the context, entered or not; the lookup takes no lock
 * @handle: handle of the queue
 *
 * Return: a reference, or ERR_PTR(-errno).
 */
struct accel_queue *accel_queue_get(struct accel_context *ctx, u32 handle)
{
	struct accel_queue *queue;

	rcu_read_lock();
	queue = xa_load(&ctx->queues, handle);
	if (queue && !kref_get_unless_zero(&queue->ref))
		queue = NULL;
	rcu_read_unlock();
	return queue ?: ERR_PTR(-ENOENT);
}

/**
 * accel_queue_owned() - check whether a context owns a doorbell
 * @ctx: the context, locked
 * @id: id of the queue on the card
 *
 * Return: true while the context has a queue of that id.
 */
bool accel_queue_owned(struct accel_context *ctx, unsigned long id)
{
	struct accel_queue *queue;
	unsigned long handle;

	lockdep_assert_held(&ctx->lock);
	xa_for_each(&ctx->queues, handle, queue)
		if (queue->id == id && !queue->stopped)
			return true;
	return false;
}

/**
 * accel_queue_find() - look a queue of any process up
 * @adev: the card
 * @id: id on the card
 *
 * Return: references to the queue and its context, for accel_queue_found_put(); NULL
 * if no process has a queue of that id.
 */
struct accel_queue *accel_queue_find(struct accel_device *adev, u32 id)
{
	struct accel_queue *queue = NULL;
	unsigned long irq;

	spin_lock_irqsave(&adev->lock, irq);
	if (id < adev->queue_count)
		queue = adev->queues[id];
	if (queue) {
		/* The context of a queue in the table is alive. */
		kref_get(&queue->ctx->ref);
		kref_get(&queue->ref);
	}
	spin_unlock_irqrestore(&adev->lock, irq);
	return queue;
}

void accel_queue_found_put(struct accel_queue *queue)
{
	struct accel_context *ctx = queue->ctx;

	accel_queue_put(queue);
	accel_context_put(ctx);
}

/**
 * accel_queue_doorbell_fault() - map a doorbell, or the dummy page if the context has none
 * @ctx: context of the mapping
 * @id: id of the queue on the card
 * @vmf: the fault
 *
 * The call waits neither for the card nor for a call of any process.
 *
 * Return: the result of a fault handler.
 */
vm_fault_t accel_queue_doorbell_fault(struct accel_context *ctx, u32 id, struct vm_fault *vmf)
{
	struct accel_device *adev = ctx->adev;
	int section = accel_section_begin(adev);
	struct accel_queue *queue;
	vm_fault_t ret = 0;

	queue = accel_context_gone(ctx) ? NULL : accel_queue_find(adev, id);
	if (queue && queue->ctx == ctx) {
		mutex_lock(&queue->doorbell_lock);
		if (queue->doorbell)
			ret = vmf_insert_pfn(vmf->vma, vmf->address,
					     (adev->doorbells_phys >> PAGE_SHIFT) + id);
		mutex_unlock(&queue->doorbell_lock);
	}
	if (queue)
		accel_queue_found_put(queue);
	if (!ret)
		ret = accel_context_insert_dummy(vmf, ctx);
	accel_section_end(adev, section);
	return ret;
}

static void accel_queue_set_doorbell(struct accel_queue *queue, bool allowed)
{
	mutex_lock(&queue->doorbell_lock);
	queue->doorbell = allowed;
	mutex_unlock(&queue->doorbell_lock);
	/* The next access faults, and maps what is allowed by then. */
	accel_mapping_revoke_doorbell(queue->ctx->adev, queue->id);
}

/* The queue exists on the card. Its owner may map the doorbell from now on. */
void accel_queue_allow_doorbell(struct accel_queue *queue)
{
	accel_queue_set_doorbell(queue, true);
}

/* Ends all access to the doorbell, before the queue ends on the card. */
void accel_queue_revoke_doorbell(struct accel_queue *queue)
{
	accel_queue_set_doorbell(queue, false);
}

/* Makes a queue visible to the interrupt handlers, or NULL for none. */
static void accel_queue_publish(struct accel_device *adev, struct accel_queue *queue, int id)
{
	spin_lock_irq(&adev->lock);
	WRITE_ONCE(adev->queues[id], queue);
	accel_irq_use(adev, id, queue);
	spin_unlock_irq(&adev->lock);
	if (queue)
		atomic_inc(&adev->queues_used);
	else
		atomic_dec(&adev->queues_used);
}

/* Runs an admin command that has no argument except the queue. */
int accel_queue_command(struct accel_queue *queue, u8 opcode)
{
	struct accel_admin_command command = {
		.opcode = opcode,
		.id = cpu_to_le32(queue->id),
	};

	return accel_admin_run(queue->ctx->adev, &command);
}

/* Adds the busy time since the last query to the file's. The sum never decreases. */
static void accel_queue_add_busy(struct accel_queue *queue, const struct accel_queue_stats *stats)
{
	struct accel_busy now = {
		.dma = le64_to_cpu(stats->dma_busy),
		.compute = le64_to_cpu(stats->compute_busy),
	};
	struct accel_busy *sum = &queue->ctx->busy;

	WRITE_ONCE(sum->dma, sum->dma + now.dma - min(now.dma, queue->busy.dma));
	WRITE_ONCE(sum->compute,
		   sum->compute + now.compute - min(now.compute, queue->busy.compute));
	queue->busy = now;
}

/**
 * accel_queue_read_stats() - query the counters of a queue
 * @queue: a queue of a context that is entered, or locked and not detached
 * @stats: counters in the card's format, filled in
 *
 * Return: 0 or -errno.
 */
int accel_queue_read_stats(struct accel_queue *queue, struct accel_queue_stats *stats)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_QUERY_QUEUE,
		.id = cpu_to_le32(queue->id),
	};
	struct device *dev = &queue->ctx->adev->pdev->dev;
	dma_addr_t dma;
	void *page;
	int ret;

	accel_context_assert_entered(queue->ctx);
	if (queue->stopped) {
		*stats = queue->last;
		return 0;
	}
	page = dma_alloc_coherent(dev, sizeof(*stats), &dma, GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	command.query_queue.address = cpu_to_le64(dma);
	ret = accel_admin_run(queue->ctx->adev, &command);
	if (!ret) {
		memcpy(stats, page, sizeof(*stats));
		accel_queue_add_busy(queue, stats);
	}
	dma_free_coherent(dev, sizeof(*stats), page, dma);
	return ret;
}

/**
 * accel_queue_read_report() - query the progress of a queue
 * @queue: a queue of a context that is entered, or locked and not detached
 *
 * On success @queue->report is up to date. A card without reports leaves it zero.
 *
 * Return: 0 or -errno.
 */
int accel_queue_read_report(struct accel_queue *queue)
{
	int ret;

	accel_context_assert_entered(queue->ctx);
	if (queue->stopped) {
		queue->report.activity = cpu_to_le32(ACCEL_ACTIVITY_STOPPED);
		return 0;
	}
	ret = accel_progress_read(queue->ctx->adev, queue->id, 1, &queue->report);
	return ret == -EOPNOTSUPP ? 0 : ret;
}

/**
 * accel_queue_end() - destroy a queue on the card
 * @queue: a queue of a context that is entered, or locked and not detached
 *
 * A card that refuses has no DMA on return, so the queue can be freed in any case.
 *
 * Return: 0 or -errno.
 */
int accel_queue_end(struct accel_queue *queue)
{
	int ret = accel_queue_command(queue, ACCEL_ADMIN_DESTROY_QUEUE);

	/* Handles its last events before another queue can get the id. */
	accel_events_drain(queue->ctx->adev);
	return ret;
}

/**
 * accel_queue_forget() - free the id of a queue
 * @queue: a queue that does not exist on the card any more; the caller is in a section
 */
void accel_queue_forget(struct accel_queue *queue)
{
	struct accel_context *ctx = queue->ctx;

	accel_section_assert(ctx->adev);
	accel_queue_publish(ctx->adev, NULL, queue->id);
	ida_free(&ctx->adev->queue_ids, queue->id);
	queue->id = -1;
	accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_QUEUES, 1);
}

/* Creates the queue on the card, which initializes the status page. */
static int accel_queue_create_on_card(struct accel_queue *queue)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_CREATE_QUEUE,
		.id = cpu_to_le32(queue->id),
	};
	u64 address = queue->memory->va.start;

	command.create_queue.status = cpu_to_le64(address);
	command.create_queue.ring = cpu_to_le64(address + ACCEL_QUEUE_RING_OFFSET);
	command.create_queue.context = cpu_to_le32(queue->ctx->id);
	command.create_queue.entries = cpu_to_le32(queue->entries);
	command.create_queue.vector = cpu_to_le32(queue->vector);
	command.create_queue.priority = cpu_to_le32(queue->priority);
	if (queue->ctx->adev->features & ACCEL_FEATURE_SHARING)
		command.create_queue.time_limit = cpu_to_le64(queue->time_limit);
	return accel_admin_run(queue->ctx->adev, &command);
}

/**
 * accel_queue_start() - allocate an id for a queue and create it on the card
 * @queue: a queue with attached memory, of a context that is entered
 *
 * Return: 0 or -errno.
 */
int accel_queue_start(struct accel_queue *queue)
{
	struct accel_context *ctx = queue->ctx;
	struct accel_device *adev = ctx->adev;
	int ret;

	accel_context_assert_entered(ctx);
	ret = accel_quota_charge(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_QUEUES, 1);
	if (ret)
		return ret;
	ret = ida_alloc_max(&adev->queue_ids, adev->queue_count - 1, GFP_KERNEL);
	if (ret < 0) {
		accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_QUEUES, 1);
		return ret;
	}
	queue->id = ret;
	queue->vector = accel_irq_vector(adev, queue->id);
	accel_queue_publish(adev, queue, queue->id);
	ret = accel_queue_create_on_card(queue);
	if (ret)
		accel_queue_forget(queue);
	return ret;
}

/**
 * accel_queue_restart() - abandon the commands of a queue and start it again
 * @queue: a queue of a context that is entered
 *
 * The card clears the status page, including tail and arm, before the queue runs.
 *
 * Return: 0 or -errno.
 */
int accel_queue_restart(struct accel_queue *queue)
{
	int ret;

	accel_context_assert_entered(queue->ctx);
	if (!queue->stopped)
		return accel_queue_command(queue, ACCEL_ADMIN_RESET_QUEUE);
	ret = accel_queue_create_on_card(queue);
	if (!ret) {
		/* Its counters on the card start at zero. */
		queue->busy = (struct accel_busy) {};
		queue->stopped = false;
		accel_queue_allow_doorbell(queue);
	}
	return ret;
}
