// SPDX-License-Identifier: GPL-2.0
/*
 * accel_context.c - the context of an open file, without its buffers and queues.
 *
 * The first buffer or queue creates the card half of a context (context id and
 * page tables), so a tool that only queries the card uses no context of it. The
 * card half ends with the file, or earlier if the card stops.
 */
#include <linux/compat.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "accel_admin.h"
#include "accel_context.h"
#include "accel_mapping.h"
#include "accel_reason.h"

static atomic64_t accel_clients = ATOMIC64_INIT(0);

/**
 * accel_context_await() - wait until a card that resets works again, or has failed
 * @adev: the card
 * @left: the longest wait in jiffies; the time that is left, on return
 *
 * Return: 0; -ERESTARTSYS; -EAGAIN if the card still resets. The card may reset
 * again at any time.
 */
int accel_context_await(struct accel_device *adev, long *left)
{
	*left = wait_event_interruptible_timeout(adev->stop_wait,
						 READ_ONCE(adev->stop_errno) != -ESTALE, *left);
	if (*left < 0)
		return *left;
	return *left ? 0 : -EAGAIN;
}

struct accel_context *accel_context_create(struct accel_device *adev)
{
	struct accel_context *ctx;
	int section, ret;

	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return ERR_PTR(-ENOMEM);
	ctx->dummy = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	ctx->quota = accel_quota_get_current(adev);
	if (!ctx->dummy || !ctx->quota) {
		ret = -ENOMEM;
		goto err;
	}
	kref_init(&ctx->ref);
	ctx->adev = adev;
	ctx->unlimited = accel_quota_unlimited(ctx->quota);
	ctx->client = atomic64_inc_return(&accel_clients);
	ctx->id = -1;
	mutex_init(&ctx->lock);
	accel_mmu_init(&ctx->mmu, adev, &ctx->lock);
	accel_va_init(&ctx->va, &ctx->lock,
		      in_compat_syscall() ? ACCEL_VA_END_COMPAT : ACCEL_VA_END);
	accel_copy_flow_init(&ctx->transfers);
	init_waitqueue_head(&ctx->poll_wait);
	xa_init_flags(&ctx->buffers, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	xa_init_flags(&ctx->queues, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);

	ctx->owner = get_task_pid(current, PIDTYPE_TGID);

	ret = accel_section_enter(adev, &section);
	if (ret)
		goto err;
	get_device(&adev->dev);
	ctx->generation = READ_ONCE(adev->generation);
	spin_lock_irq(&adev->lock);
	list_add_tail(&ctx->node, &adev->contexts);
	spin_unlock_irq(&adev->lock);
	accel_section_end(adev, section);
	return ctx;

err:
	put_pid(ctx->owner);
	if (ctx->dummy)
		__free_page(ctx->dummy);
	if (ctx->quota)
		accel_quota_put(ctx->quota);
	kfree(ctx);
	return ERR_PTR(ret);
}

static void accel_context_free(struct kref *ref)
{
	struct accel_context *ctx = container_of(ref, struct accel_context, ref);

	mutex_destroy(&ctx->lock);
	put_pid(ctx->owner);
	put_pid(ctx->end.culprit);
	put_device(&ctx->adev->dev);
	kfree(ctx);
}

void accel_context_put(struct accel_context *ctx)
{
	kref_put(&ctx->ref, accel_context_free);
}

/**
 * accel_context_close() - release the resources of a context whose file is closed
 * @ctx: the context, without buffers, queues, sleepers and mappings
 */
void accel_context_close(struct accel_context *ctx)
{
	xa_destroy(&ctx->buffers);
	xa_destroy(&ctx->queues);
	accel_quota_put(ctx->quota);
	__free_page(ctx->dummy);
	accel_context_put(ctx);
}

/**
 * accel_context_next() - iterate over the open files of a card
 * @adev: the card
 * @client: number to continue from
 *
 * Return: a reference to the file with the lowest number that is not below
 * @client, or NULL. The file may be closed at any time.
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
 * On success the hardware stays present and the context stays locked until
 * accel_context_leave(). While the card stops, the call waits for the end of the
 * stop. When it then fails, the mappings of the card are gone.
 *
 * Return: 0, -EINTR, -ENODEV or -ESTALE.
 */
int accel_context_enter(struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;
	int section = accel_section_begin(adev);
	int ret;

	if (mutex_lock_killable(&ctx->lock)) {
		accel_section_end(adev, section);
		return -EINTR;
	}
	ctx->section = section;
	ret = accel_context_gone(ctx);
	if (!ret)
		return 0;
	accel_context_unlock(ctx);
	if (wait_event_killable(adev->stop_wait, !READ_ONCE(adev->stopping)))
		return -EINTR;
	return ret;
}

/**
 * accel_context_try_enter() - begin a call that needs the card, without sleeping
 * @ctx: the context
 *
 * On success the call ends with accel_context_leave().
 *
 * Return: 0, -ENODEV, -ESTALE, or -EAGAIN if accel_context_enter() may sleep.
 */
int accel_context_try_enter(struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;
	int section = accel_section_begin(adev);
	int ret;

	if (!mutex_trylock(&ctx->lock)) {
		accel_section_end(adev, section);
		return -EAGAIN;
	}
	ctx->section = section;
	ret = accel_context_gone(ctx);
	if (!ret)
		return 0;
	accel_context_unlock(ctx);
	return READ_ONCE(adev->stopping) ? -EAGAIN : ret;
}

/**
 * accel_context_lock() - lock a context that may be detached from the card
 * @ctx: the context
 *
 * The caller checks accel_context_gone(). The context stays locked until
 * accel_context_unlock().
 */
void accel_context_lock(struct accel_context *ctx)
{
	int section = accel_section_begin(ctx->adev);

	mutex_lock(&ctx->lock);
	ctx->section = section;
}

void accel_context_unlock(struct accel_context *ctx)
{
	int section = ctx->section;

	mutex_unlock(&ctx->lock);
	accel_section_end(ctx->adev, section);
}

/* Ends a call that began with accel_context_enter(). */
void accel_context_leave(struct accel_context *ctx)
{
	accel_context_unlock(ctx);
}

/**
 * accel_context_attach() - create the card half, unless it exists
 * @ctx: the context, entered
 *
 * Return: 0 or -errno; -ENOSPC if the card has no free context.
 */
int accel_context_attach(struct accel_context *ctx)
{
	struct accel_admin_command command = { .opcode = ACCEL_ADMIN_CREATE_CONTEXT };
	struct accel_device *adev = ctx->adev;
	int ret, id;

	accel_context_assert_entered(ctx);
	if (ctx->id >= 0)
		return 0;
	ret = accel_quota_charge(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_CONTEXTS, 1);
	if (ret)
		return ret;
	id = ida_alloc_max(&adev->context_ids, adev->context_count - 1, GFP_KERNEL);
	if (id < 0) {
		ret = id;
		goto err_charge;
	}
	ret = accel_mmu_start(&ctx->mmu, id);
	if (ret)
		goto err_id;
	command.id = cpu_to_le32(id);
	command.create_context.root = cpu_to_le64(accel_mmu_root(&ctx->mmu));
	ret = accel_admin_run(adev, &command);
	if (ret)
		goto err_mmu;
	ctx->id = id;
	atomic_inc(&adev->contexts_used);
	return 0;

err_mmu:
	accel_mmu_stop(&ctx->mmu);
err_id:
	ida_free(&adev->context_ids, id);
err_charge:
	accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_CONTEXTS, 1);
	return ret;
}

/**
 * accel_context_destroy() - destroy the context on the card
 * @ctx: the context, with a card half but without queues; the caller is in a section
 */
void accel_context_destroy(struct accel_context *ctx)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_DESTROY_CONTEXT,
		.id = cpu_to_le32(ctx->id),
	};

	accel_admin_run(ctx->adev, &command);
}

/**
 * accel_context_forget() - free the resources of the card half
 * @ctx: the context, which does not exist on the card any more; its buffers
 *	have no DMA mapping; the caller is in a section
 */
void accel_context_forget(struct accel_context *ctx)
{
	accel_section_assert(ctx->adev);
	accel_mmu_stop(&ctx->mmu);
	if (ctx->id >= 0) {
		atomic_dec(&ctx->adev->contexts_used);
		ida_free(&ctx->adev->context_ids, ctx->id);
		accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_CONTEXTS, 1);
	}
	ctx->id = -1;
}

/**
 * accel_context_end() - record that the file has ended with its card
 * @ctx: the context; the caller holds stop_lock
 *
 * After a reset and a removal, the removal counts.
 */
void accel_context_end(struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;

	accel_section_assert_stopped(adev);
	spin_lock_irq(&adev->lock);
	accel_end_copy(&ctx->end, &adev->end);
	WRITE_ONCE(ctx->detach_errno, accel_reason_errno(ctx->end.reason));
	spin_unlock_irq(&adev->lock);
}

/*
 * Takes no lock that is held across a wait, so that it answers while the card stops. A file that
 * the stop has not reached yet ends for the reason of the stop.
 */
int accel_ioctl_context_query(struct accel_context *ctx, struct accel_context_query *args)
{
	struct accel_device *adev = ctx->adev;
	const struct accel_end *end;

	if (args->flags)
		return -EOPNOTSUPP;
	spin_lock_irq(&adev->lock);
	end = ctx->end.reason == ACCEL_REASON_NONE ? &adev->end : &ctx->end;
	*args = (struct accel_context_query) {
		.size = args->size,
		.reason = end->reason,
		.error = -accel_reason_errno(end->reason),
		.generation = ctx->generation,
		.card_generation = READ_ONCE(adev->generation),
		.time = end->time,
		.pid = pid_vnr(end->culprit),
	};
	spin_unlock_irq(&adev->lock);
	return 0;
}

/* Maps the dummy page at a fault, in place of the card. */
vm_fault_t accel_context_insert_dummy(struct vm_fault *vmf, struct accel_context *ctx)
{
	return accel_mapping_insert_dummy(vmf, ctx->dummy);
}
