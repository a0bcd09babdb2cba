// SPDX-License-Identifier: GPL-2.0
/*
 * accel_queue.c - queues: made, destroyed, reset, asked.
 *
 * The driver makes the ring and the status page and tells the card where they
 * are in the context. What is placed in the ring it never sees.
 */
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/slab.h>

#include "accel.h"
#include "accel_trace.h"

static void accel_queue_release(struct kref *ref)
{
	struct accel_queue *queue = container_of(ref, struct accel_queue, ref);

	accel_eventfd_release(queue);
	accel_buffer_put(queue->memory);
	kfree_rcu(queue, rcu);
}

void accel_queue_put(struct accel_queue *queue)
{
	kref_put(&queue->ref, accel_queue_release);
}

/**
 * accel_queue_get() - look a queue up
 * @ctx: the context, entered or not; no lock is taken
 * @handle: of the queue
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
 * accel_queue_owned() - does a doorbell belong to a context
 * @ctx: the context, entered
 * @id: of the queue on the card
 *
 * Return: true while the context has a queue of that id.
 */
bool accel_queue_owned(struct accel_context *ctx, unsigned long id)
{
	struct accel_queue *queue;
	unsigned long handle;

	xa_for_each(&ctx->queues, handle, queue)
		if (queue->id == id && !queue->stopped)
			return true;
	return false;
}

static void accel_queue_show(struct accel_device *adev, struct accel_queue *queue, int id)
{
	spin_lock_irq(&adev->lock);
	adev->queues[id] = queue;
	spin_unlock_irq(&adev->lock);
}

/**
 * accel_queue_failed() - the card stopped a queue at an error
 * @adev: the card
 * @id: what the card calls the queue
 * @error: what happened
 */
void accel_queue_failed(struct accel_device *adev, u32 id, const struct accel_queue_error *error)
{
	struct accel_queue *queue;

	if (id >= adev->queue_count)
		return;
	if (id == READ_ONCE(adev->dma.queue)) {
		accel_dma_failed(adev, error);
		return;
	}
	spin_lock_irq(&adev->lock);
	queue = adev->queues[id];
	if (queue) {
		trace_accel_queue_error(queue, error);
		accel_report_queue(adev, "queue-error",
				   "queue=%u client=%llu pid=%d status=%u opcode=%#x", id,
				   queue->ctx->client, pid_nr(queue->ctx->owner), error->status,
				   error->opcode);
		spin_lock(&queue->lock);
		queue->error = *error;
		spin_unlock(&queue->lock);
		accel_wait_wake(queue);
	}
	spin_unlock_irq(&adev->lock);
	dev_dbg(&adev->dev, "queue %u stopped: status %u at command %llu, address %#llx\n",
		id, error->status, error->sequence, error->address);
}

/* An admin command that needs no more than to say which queue. */
int accel_queue_command(struct accel_queue *queue, u8 opcode)
{
	struct accel_admin_command command = {
		.opcode = opcode,
		.id = cpu_to_le32(queue->id),
	};

	return accel_admin_run(queue->ctx->adev, &command);
}

/* Add what engines worked for a queue since the last time. It never goes back. */
static void accel_queue_account(struct accel_queue *queue, const struct accel_queue_stats *stats)
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
 * accel_queue_read_stats() - ask the card for the counters of a queue
 * @queue: of a context that is entered
 * @stats: as the card writes them
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
		accel_queue_account(queue, stats);
	}
	dma_free_coherent(dev, sizeof(*stats), page, dma);
	return ret;
}

/* The id is free for others; nothing of the queue runs any more. */
static void accel_queue_forget(struct accel_context *ctx, struct accel_queue *queue)
{
	accel_queue_show(ctx->adev, NULL, queue->id);
	ida_free(&ctx->adev->queue_ids, queue->id);
	queue->id = -1;
	accel_account_uncharge(ctx->account, ACCEL_RESOURCE_QUEUES, 1);
}

/* The card makes the queue, and writes a status page of one that is new. */
static int accel_queue_make(struct accel_context *ctx, struct accel_queue *queue)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_CREATE_QUEUE,
		.id = cpu_to_le32(queue->id),
	};

	command.create_queue.status = cpu_to_le64(queue->memory->va.start);
	command.create_queue.ring = cpu_to_le64(queue->memory->va.start + ACCEL_QUEUE_RING_OFFSET);
	command.create_queue.context = cpu_to_le32(ctx->id);
	command.create_queue.entries = cpu_to_le32(queue->entries);
	command.create_queue.vector = cpu_to_le32(queue->vector);
	command.create_queue.priority = cpu_to_le32(queue->priority);
	return accel_admin_run(ctx->adev, &command);
}

/* Give the queue an id and start it on the card. */
static int accel_queue_start(struct accel_context *ctx, struct accel_queue *queue)
{
	struct accel_device *adev = ctx->adev;
	int ret;

	ret = accel_account_charge(ctx, ACCEL_RESOURCE_QUEUES, 1);
	if (ret)
		return ret;
	ret = ida_alloc_max(&adev->queue_ids, adev->queue_count - 1, GFP_KERNEL);
	if (ret < 0) {
		accel_account_uncharge(ctx->account, ACCEL_RESOURCE_QUEUES, 1);
		return ret;
	}
	queue->id = ret;
	queue->vector = accel_irq_vector(adev, queue->id);
	accel_queue_show(adev, queue, queue->id);
	ret = accel_queue_make(ctx, queue);
	if (ret)
		accel_queue_forget(ctx, queue);
	return ret;
}

/**
 * accel_queue_detach() - the card is gone or was reset: forget the card half
 * @ctx: the context; hw_lock is held for writing
 * @queue: of the context; its handle stays until the file is closed
 */
void accel_queue_detach(struct accel_context *ctx, struct accel_queue *queue)
{
	/* A reset before this one, or before the removal, took it. */
	if (queue->id < 0)
		return;
	accel_queue_forget(ctx, queue);
	accel_buffer_dma_unmap(queue->memory);
	accel_wait_wake(queue);
}

/**
 * accel_queue_free() - end a queue and drop its handle
 * @ctx: the context; hw_lock and its lock are held, it may be dead
 * @queue: the queue
 */
void accel_queue_free(struct accel_context *ctx, struct accel_queue *queue)
{
	struct accel_device *adev = ctx->adev;
	struct accel_queue_stats stats;

	trace_accel_queue_destroy(queue, ctx->dead);
	xa_erase(&ctx->queues, queue->handle);
	if (queue->id >= 0) {
		/* Before the card would wonder whose doorbell it is; a fault finds no owner now. */
		accel_mmap_revoke_doorbell(adev, queue->id);
		/* What it used stays in the account of the file. */
		if (!queue->stopped) {
			accel_queue_read_stats(queue, &stats);
			accel_queue_command(queue, ACCEL_ADMIN_DESTROY_QUEUE);
		}
		/* Before the id can be somebody else's. */
		accel_events_drain(adev);
		accel_queue_forget(ctx, queue);
		accel_buffer_detach(ctx, queue->memory);
	}
	WRITE_ONCE(queue->epoch, U32_MAX);
	accel_wait_wake(queue);
	accel_queue_put(queue);
}

int accel_ioctl_queue_create(struct accel_context *ctx, void *arg)
{
	struct accel_queue_create *create = arg;
	struct accel_device *adev = ctx->adev;
	struct accel_queue *queue;
	u64 bytes;
	int ret;

	BUILD_BUG_ON(sizeof(struct accel_queue_status) > ACCEL_QUEUE_RING_OFFSET);
	BUILD_BUG_ON(sizeof(struct accel_command) != ACCEL_COMMAND_SIZE);
	if (create->flags)
		return -EOPNOTSUPP;
	if (create->reserved || create->priority >= ACCEL_PRIORITIES ||
	    !is_power_of_2(create->entries) || create->entries < ACCEL_RING_ENTRIES_MIN ||
	    create->entries > adev->ring_entries)
		return -EINVAL;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return -ENOMEM;
	kref_init(&queue->ref);
	queue->ctx = ctx;
	queue->id = -1;
	queue->entries = create->entries;
	queue->priority = create->priority;
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->waiters);
	INIT_LIST_HEAD(&queue->event.node);

	bytes = ACCEL_QUEUE_RING_OFFSET +
		ALIGN((u64)queue->entries * ACCEL_COMMAND_SIZE, PAGE_SIZE);
	queue->memory = accel_buffer_alloc(adev, bytes,
					   ACCEL_BUFFER_CARD_READ | ACCEL_BUFFER_CARD_WRITE);
	if (IS_ERR(queue->memory)) {
		ret = PTR_ERR(queue->memory);
		kfree(queue);
		return ret;
	}
	queue->memory->queue = true;
	queue->status = page_address(queue->memory->pages[0]);

	ret = accel_context_enter(ctx);
	if (ret)
		goto err_put;
	ret = accel_buffer_attach(ctx, queue->memory);
	if (ret)
		goto err_leave;
	ret = accel_queue_start(ctx, queue);
	if (ret)
		goto err_detach;
	ret = xa_alloc(&ctx->queues, &queue->handle, queue, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_stop;
	create->handle = queue->handle;
	create->address = queue->memory->va.start;
	create->bytes = bytes;
	create->doorbell = accel_mmap_doorbell(queue->id);
	trace_accel_queue_create(queue, create->priority);
	accel_context_leave(ctx);
	return 0;

err_stop:
	accel_queue_command(queue, ACCEL_ADMIN_DESTROY_QUEUE);
	accel_queue_forget(ctx, queue);
err_detach:
	accel_buffer_detach(ctx, queue->memory);
err_leave:
	accel_context_leave(ctx);
err_put:
	accel_queue_put(queue);
	return ret;
}

int accel_ioctl_queue_destroy(struct accel_context *ctx, void *arg)
{
	struct accel_queue_destroy *destroy = arg;
	struct accel_queue *queue;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	queue = xa_load(&ctx->queues, destroy->handle);
	if (queue)
		accel_queue_free(ctx, queue);
	accel_context_leave(ctx);
	return queue ? 0 : -ENOENT;
}

/* The card empties the status page, tail and arm too, between stop and start. */
static int accel_queue_restart(struct accel_context *ctx, struct accel_queue *queue)
{
	int ret;

	if (!queue->stopped)
		return accel_queue_command(queue, ACCEL_ADMIN_RESET_QUEUE);
	ret = accel_queue_make(ctx, queue);
	if (!ret) {
		/* Its counters on the card are new. */
		queue->busy = (struct accel_busy) {};
		queue->stopped = false;
		/* Who rings finds the doorbell again. */
		accel_mmap_revoke_doorbell(ctx->adev, queue->id);
	}
	return ret;
}

int accel_ioctl_queue_reset(struct accel_context *ctx, void *arg)
{
	struct accel_queue_reset *reset = arg;
	struct accel_queue *queue;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	queue = xa_load(&ctx->queues, reset->handle);
	if (!queue) {
		ret = -ENOENT;
		goto out;
	}
	ret = accel_queue_restart(ctx, queue);
	trace_accel_queue_reset(queue, ret);
	/* It is as it was: whoever waits or asks still finds the error. */
	if (ret)
		goto out;
	/* An error of before the reset is not one of after it. */
	accel_events_drain(ctx->adev);
	spin_lock_irq(&queue->lock);
	queue->epoch++;
	queue->notify = 0;
	memset(&queue->error, 0, sizeof(queue->error));
	spin_unlock_irq(&queue->lock);
	accel_wait_wake(queue);
out:
	accel_context_leave(ctx);
	return ret;
}

int accel_ioctl_queue_query(struct accel_context *ctx, void *arg)
{
	struct accel_queue_query *query = arg;
	struct accel_queue_stats stats;
	struct accel_queue *queue;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	queue = xa_load(&ctx->queues, query->handle);
	ret = queue ? accel_queue_read_stats(queue, &stats) : -ENOENT;
	if (ret)
		goto out;

	spin_lock_irq(&queue->lock);
	query->error = queue->error.status;
	query->error_sequence = queue->error.sequence;
	query->error_address = queue->error.address;
	query->error_list_index = queue->error.list_index;
	query->error_opcode = queue->error.opcode;
	spin_unlock_irq(&queue->lock);
	query->state = query->error ? ACCEL_QUEUE_ERROR : ACCEL_QUEUE_RUNNING;
	query->completed = le64_to_cpu(READ_ONCE(queue->status->completed));
	query->commands = le64_to_cpu(stats.commands);
	query->doorbells = le64_to_cpu(stats.doorbells);
	query->interrupts = le64_to_cpu(stats.interrupts);
	query->dma_busy = le64_to_cpu(stats.dma_busy);
	query->compute_busy = le64_to_cpu(stats.compute_busy);
	query->host_read = le64_to_cpu(stats.host_read);
	query->host_written = le64_to_cpu(stats.host_written);
	query->memory_read = le64_to_cpu(stats.memory_read);
	query->memory_written = le64_to_cpu(stats.memory_written);
out:
	accel_context_leave(ctx);
	return ret;
}
