// SPDX-License-Identifier: GPL-2.0
/*
 * accel_context.c - the context of an open file: begin, enter, leave, end.
 *
 * Its card half (context id, page tables, queues, DMA mappings) is made with
 * the first buffer or queue, so that a tool that only asks costs the card
 * nothing. It goes with the file, or before it when the card is taken away.
 */
#include <linux/compat.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "accel.h"

static atomic64_t accel_clients = ATOMIC64_INIT(0);

struct accel_context *accel_context_create(struct accel_device *adev)
{
	struct accel_context *ctx;
	int ret;

	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return ERR_PTR(-ENOMEM);
	ctx->dummy = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	ctx->account = accel_account_get(adev);
	if (!ctx->dummy || !ctx->account) {
		ret = -ENOMEM;
		goto err;
	}
	kref_init(&ctx->ref);
	ctx->adev = adev;
	ctx->unlimited = capable(CAP_SYS_RESOURCE);
	ctx->client = atomic64_inc_return(&accel_clients);
	ctx->id = -1;
	ctx->ranges = RB_ROOT;
	ctx->va_end = in_compat_syscall() ? ACCEL_VA_END_COMPAT : ACCEL_VA_END;
	mutex_init(&ctx->lock);
	INIT_LIST_HEAD(&ctx->zombies);
	init_waitqueue_head(&ctx->poll_wait);
	accel_uring_init(ctx);
	xa_init_flags(&ctx->buffers, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	xa_init_flags(&ctx->queues, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);

	ctx->owner = get_task_pid(current, PIDTYPE_TGID);

	down_read(&adev->hw_lock);
	ret = adev->gone;
	if (!ret) {
		get_device(&adev->dev);
		spin_lock_irq(&adev->lock);
		list_add_tail(&ctx->node, &adev->contexts);
		spin_unlock_irq(&adev->lock);
	}
	up_read(&adev->hw_lock);
	if (ret)
		goto err;
	return ctx;

err:
	put_pid(ctx->owner);
	if (ctx->dummy)
		__free_page(ctx->dummy);
	if (ctx->account)
		accel_account_put(ctx->account);
	kfree(ctx);
	return ERR_PTR(ret);
}

static void accel_context_free(struct kref *ref)
{
	struct accel_context *ctx = container_of(ref, struct accel_context, ref);

	mutex_destroy(&ctx->lock);
	put_pid(ctx->owner);
	put_device(&ctx->adev->dev);
	kfree(ctx);
}

void accel_context_put(struct accel_context *ctx)
{
	kref_put(&ctx->ref, accel_context_free);
}

/**
 * accel_context_next() - walk over the open files of a card
 * @adev: the card
 * @client: the number to go on from
 *
 * Return: a reference to the file with the lowest number that is not below, or
 * NULL. It may be closed at any time.
 */
struct accel_context *accel_context_next(struct accel_device *adev, u64 client)
{
	struct accel_context *ctx, *next = NULL;

	spin_lock_irq(&adev->lock);
	list_for_each_entry(ctx, &adev->contexts, node)
		if (ctx->client >= client && (!next || ctx->client < next->client))
			next = ctx;
	if (next)
		kref_get(&next->ref);
	spin_unlock_irq(&adev->lock);
	return next;
}

/**
 * accel_context_enter() - begin a call that needs the card
 * @ctx: the context
 *
 * On success the card stays, and the context is locked, until
 * accel_context_leave().
 *
 * Return: 0, -EINTR, -ENODEV or -ESTALE.
 */
int accel_context_enter(struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;

	if (down_read_killable(&adev->hw_lock))
		return -EINTR;
	if (mutex_lock_killable(&ctx->lock)) {
		up_read(&adev->hw_lock);
		return -EINTR;
	}
	if (ctx->dead) {
		int ret = ctx->dead;

		accel_context_leave(ctx);
		return ret;
	}
	return 0;
}

void accel_context_leave(struct accel_context *ctx)
{
	mutex_unlock(&ctx->lock);
	up_read(&ctx->adev->hw_lock);
}

/**
 * accel_context_attach() - make the card half, if it is not there
 * @ctx: the context, entered
 *
 * Return: 0 or -errno; -ENOSPC when the card has no context left.
 */
int accel_context_attach(struct accel_context *ctx)
{
	struct accel_admin_command command = { .opcode = ACCEL_ADMIN_CREATE_CONTEXT };
	struct accel_device *adev = ctx->adev;
	int ret, id;

	if (ctx->id >= 0)
		return 0;
	ret = accel_account_charge(ctx, ACCEL_RESOURCE_CONTEXTS, 1);
	if (ret)
		return ret;
	id = ida_alloc_max(&adev->context_ids, adev->context_count - 1, GFP_KERNEL);
	if (id < 0) {
		ret = id;
		goto err_charge;
	}
	ret = accel_mmu_init(ctx);
	if (ret)
		goto err_id;
	command.id = cpu_to_le32(id);
	command.create_context.root = cpu_to_le64(ctx->root->dma);
	ret = accel_admin_run(adev, &command);
	if (ret)
		goto err_mmu;
	ctx->id = id;
	return 0;

err_mmu:
	accel_mmu_fini(ctx);
err_id:
	ida_free(&adev->context_ids, id);
err_charge:
	accel_account_uncharge(ctx->account, ACCEL_RESOURCE_CONTEXTS, 1);
	return ret;
}

/* Undo accel_context_attach() when nothing of the context runs any more. */
static void accel_context_forget(struct accel_context *ctx)
{
	struct accel_buffer *buffer;
	unsigned long handle;

	xa_for_each(&ctx->buffers, handle, buffer)
		accel_buffer_dma_unmap(buffer);
	accel_mmu_fini(ctx);
	if (ctx->id >= 0) {
		ida_free(&ctx->adev->context_ids, ctx->id);
		accel_account_uncharge(ctx->account, ACCEL_RESOURCE_CONTEXTS, 1);
	}
	ctx->id = -1;
}

/**
 * accel_context_detach() - take the card half away
 * @ctx: the context
 * @error: what its calls return from now on
 *
 * Called with hw_lock held for writing, when the card has stopped.
 */
void accel_context_detach(struct accel_context *ctx, int error)
{
	struct accel_queue *queue;
	struct accel_buffer *buffer;
	unsigned long handle;

	/* A reset and then a removal: the later one counts. */
	WRITE_ONCE(ctx->dead, error);
	xa_for_each(&ctx->queues, handle, queue)
		accel_queue_detach(ctx, queue);
	wake_up_interruptible_poll(&ctx->poll_wait, EPOLLHUP | EPOLLERR);
	xa_for_each(&ctx->buffers, handle, buffer)
		/* What was exported goes with its last reference: somebody may not have let go. */
		if (buffer->kind == ACCEL_KIND_DEVICE && !buffer->exported)
			accel_buffer_free_memory(buffer);
	accel_context_forget(ctx);
}

/**
 * accel_context_release() - the file is closed
 * @ctx: emptied; nobody sleeps in it or maps it any more
 */
void accel_context_release(struct accel_context *ctx)
{
	struct accel_admin_command command = { .opcode = ACCEL_ADMIN_DESTROY_CONTEXT };
	struct accel_device *adev = ctx->adev;
	struct accel_buffer *buffer;
	struct accel_queue *queue;
	unsigned long handle;

	accel_uring_fini(ctx);
	xa_for_each(&ctx->buffers, handle, buffer)
		if (buffer->kind == ACCEL_KIND_IMPORT)
			accel_import_end(buffer);
	down_read(&adev->hw_lock);
	mutex_lock(&ctx->lock);
	xa_for_each(&ctx->queues, handle, queue)
		accel_queue_free(ctx, queue);
	if (!ctx->dead && ctx->id >= 0) {
		command.id = cpu_to_le32(ctx->id);
		accel_admin_run(adev, &command);
		accel_context_forget(ctx);
	}
	/* Whoever still has a reference finds nothing. */
	if (!ctx->dead)
		WRITE_ONCE(ctx->dead, -ENODEV);
	mutex_unlock(&ctx->lock);
	spin_lock_irq(&adev->lock);
	list_del(&ctx->node);
	spin_unlock_irq(&adev->lock);
	up_read(&adev->hw_lock);

	/* The pages: outside the locks, for giving them back takes mmap_lock. */
	xa_for_each(&ctx->buffers, handle, buffer) {
		if (buffer->exported)
			accel_export_end(buffer);
		accel_buffer_put(buffer);
	}
	xa_destroy(&ctx->buffers);
	xa_destroy(&ctx->queues);
	accel_account_put(ctx->account);
	__free_page(ctx->dummy);
	accel_context_put(ctx);
}
