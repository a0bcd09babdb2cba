// SPDX-License-Identifier: GPL-2.0
/*
 * accel_ioctl.c - the table of all ioctls, and the rules of accel_uapi.h that are
 * common to them.
 *
 * A handler gets a zero-extended copy of its structure. When the handler has
 * succeeded, this file copies the structure back. Only then does the caller know
 * of a new object: the commit of the ioctl makes the object final, or its abort
 * destroys it if the copy fails.
 */
#include <linux/genalloc.h>
#include <linux/nospec.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/stddef.h>
#include <linux/uaccess.h>

#include "accel_buffer.h"
#include "accel_buffer_ioctl.h"
#include "accel_copy_queue.h"
#include "accel_eventfd.h"
#include "accel_export.h"
#include "accel_import.h"
#include "accel_ioctl.h"
#include "accel_mmio.h"
#include "accel_queue_control.h"
#include "accel_sleep.h"
#include "accel_userptr.h"

/* The member of an ioctl has the name of its structure in the interface. */
union accel_ioctl_args {
	__u32 size;		/* the first field of each structure */
	struct accel_info info;
	struct accel_context_query context_query;
	struct accel_buffer_create buffer_create;
	struct accel_buffer_register buffer_register;
	struct accel_buffer_destroy buffer_destroy;
	struct accel_export_args buffer_export;
	struct accel_buffer_import buffer_import;
	struct accel_queue_create queue_create;
	struct accel_queue_destroy queue_destroy;
	struct accel_queue_reset queue_reset;
	struct accel_queue_wait queue_wait;
	struct accel_queue_notify queue_notify;
	struct accel_queue_query queue_query;
	struct accel_queue_eventfd queue_eventfd;
};

static void accel_info_quota(struct accel_context *ctx, struct accel_info *info)
{
	u64 used;

	info->memory_quota = accel_quota_query(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_MEMORY,
					       &used);
	info->memory_used = used;
	info->contexts_quota = accel_quota_query(ctx->quota, ctx->unlimited,
						 ACCEL_RESOURCE_CONTEXTS, &used);
	info->contexts_used = used;
	info->queues_quota = accel_quota_query(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_QUEUES,
					       &used);
	info->queues_used = used;
	info->host_memory_quota = accel_quota_query(ctx->quota, ctx->unlimited,
						    ACCEL_RESOURCE_HOST_MEMORY, &used);
	info->host_memory_used = used;
	info->priority_max = accel_quota_priority_max(ctx->adev);
}

/* The abilities of the driver with this card on this machine. */
static u64 accel_info_capabilities(struct accel_device *adev)
{
	u64 capabilities = ACCEL_CAP_POLL | ACCEL_CAP_EVENTFD | ACCEL_CAP_URING |
			   ACCEL_CAP_DMABUF | ACCEL_CAP_REGISTERS;

	if (adev->host_memory)
		capabilities |= ACCEL_CAP_HOST_MEMORY | ACCEL_CAP_REGISTER;
	if (accel_copy_queue_present(adev))
		capabilities |= ACCEL_CAP_TRANSFER;
	return capabilities;
}

static int accel_ioctl_info(struct accel_context *ctx, struct accel_info *info)
{
	struct accel_device *adev = ctx->adev;
	unsigned long limit = rlimit(RLIMIT_MEMLOCK);
	/* The copy queue uses one queue and one context. */
	u32 own = accel_copy_queue_present(adev);
	int ret;

	if (info->flags)
		return -EOPNOTSUPP;
	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	if (accel_silent(adev)) {
		accel_context_leave(ctx);
		return -ENODEV;
	}
	*info = (struct accel_info) {
		.size = info->size,
		.hw_version = accel_read32(adev, ACCEL_REG_VERSION),
		.firmware = accel_read32(adev, ACCEL_REG_FIRMWARE),
		.features = adev->features,
		.capabilities = accel_info_capabilities(adev),
		.serial = accel_read64(adev, ACCEL_REG_SERIAL),
		.memory_size = adev->vram_size,
		.memory_free = gen_pool_avail(adev->vram_pool),
		.queues = adev->queue_count - own,
		.contexts = adev->context_count - own,
		.ring_entries = adev->ring_entries,
		.list_commands = accel_read32(adev, ACCEL_REG_LIST_COMMANDS),
		.va_bits = accel_read32(adev, ACCEL_REG_VA_BITS),
		.engines = accel_read32(adev, ACCEL_REG_ENGINES),
		.clock_hz = accel_read32(adev, ACCEL_REG_CLOCK_HZ),
		.vectors = adev->vector_count,
		.pci_domain = pci_domain_nr(adev->pdev->bus),
		.pci_bus = adev->pdev->bus->number,
		.pci_device = PCI_SLOT(adev->pdev->devfn),
		.pci_function = PCI_FUNC(adev->pdev->devfn),
		.numa_node = dev_to_node(&adev->pdev->dev),
		.generation = adev->generation,
		.locked = (u64)READ_ONCE(current->mm->locked_vm) << PAGE_SHIFT,
		.locked_limit = limit == RLIM_INFINITY ? U64_MAX : limit,
		.time_limit_ms = READ_ONCE(adev->time_limit_ms),
		.list_steps = accel_read32(adev, ACCEL_REG_LIST_STEPS),
		.call_arguments = accel_read32(adev, ACCEL_REG_CALL_ARGUMENTS),
	};
	accel_context_leave(ctx);
	accel_info_quota(ctx, info);
	return 0;
}

/**
 * struct accel_ioctl_entry - one ioctl
 * @cmd: ioctl number
 * @min_size: size of its structure in the first version of the interface
 * @size: size of its structure that the driver knows
 * @out: the structure has fields to copy back
 * @run: runs the ioctl
 * @commit: makes a new object final, after the caller has got it; may be NULL
 * @abort: destroys a new object that the caller did not get; may be NULL
 */
struct accel_ioctl_entry {
	unsigned int cmd;
	u32 min_size;
	u32 size;
	bool out;
	int (*run)(struct accel_context *ctx, union accel_ioctl_args *args);
	void (*commit)(struct accel_context *ctx, union accel_ioctl_args *args);
	void (*abort)(struct accel_context *ctx, union accel_ioctl_args *args);
};

/* Defines accel_run_NAME(), which calls a handler with the type of its structure. */
#define ACCEL_IOCTL_RUN(name)								\
	static int accel_run_##name(struct accel_context *ctx, union accel_ioctl_args *args) \
	{										\
		return accel_ioctl_##name(ctx, &args->name);				\
	}

ACCEL_IOCTL_RUN(info)
ACCEL_IOCTL_RUN(context_query)
ACCEL_IOCTL_RUN(buffer_create)
ACCEL_IOCTL_RUN(buffer_register)
ACCEL_IOCTL_RUN(buffer_destroy)
ACCEL_IOCTL_RUN(buffer_export)
ACCEL_IOCTL_RUN(buffer_import)
ACCEL_IOCTL_RUN(queue_create)
ACCEL_IOCTL_RUN(queue_destroy)
ACCEL_IOCTL_RUN(queue_reset)
ACCEL_IOCTL_RUN(queue_wait)
ACCEL_IOCTL_RUN(queue_notify)
ACCEL_IOCTL_RUN(queue_query)
ACCEL_IOCTL_RUN(queue_eventfd)

/* Defines accel_abort_NAME(), which destroys the object of a new handle. */
#define ACCEL_IOCTL_ABORT(name, destroy)						\
	static void accel_abort_##name(struct accel_context *ctx, union accel_ioctl_args *args) \
	{										\
		destroy(ctx, args->name.handle);					\
	}

ACCEL_IOCTL_ABORT(buffer_create, accel_buffer_destroy)
ACCEL_IOCTL_ABORT(buffer_register, accel_buffer_destroy)
ACCEL_IOCTL_ABORT(buffer_import, accel_buffer_destroy)
ACCEL_IOCTL_ABORT(queue_create, accel_queue_destroy)

static void accel_commit_buffer_export(struct accel_context *ctx, union accel_ioctl_args *args)
{
	accel_export_commit(&args->buffer_export);
}

static void accel_abort_buffer_export(struct accel_context *ctx, union accel_ioctl_args *args)
{
	accel_export_abort(&args->buffer_export);
}

/* An entry by ioctl number; @last is the last field of the first version of its structure. */
#define ACCEL_IOCTL(number, name, last, ...)						\
	[_IOC_NR(ACCEL_IOCTL_##number)] = {						\
		.cmd = ACCEL_IOCTL_##number,						\
		.min_size = offsetofend(struct accel_##name, last),			\
		.size = sizeof(struct accel_##name),					\
		.run = accel_run_##name,						\
		__VA_ARGS__								\
	}

static const struct accel_ioctl_entry accel_ioctls[] = {
	ACCEL_IOCTL(INFO, info, locked_limit, .out = true),
	ACCEL_IOCTL(CONTEXT_QUERY, context_query, reserved, .out = true),
	ACCEL_IOCTL(BUFFER_CREATE, buffer_create, reserved, .out = true,
		    .abort = accel_abort_buffer_create),
	ACCEL_IOCTL(BUFFER_REGISTER, buffer_register, reserved, .out = true,
		    .abort = accel_abort_buffer_register),
	ACCEL_IOCTL(BUFFER_DESTROY, buffer_destroy, handle),
	ACCEL_IOCTL(BUFFER_EXPORT, buffer_export, fd, .out = true,
		    .commit = accel_commit_buffer_export, .abort = accel_abort_buffer_export),
	ACCEL_IOCTL(BUFFER_IMPORT, buffer_import, reserved2, .out = true,
		    .abort = accel_abort_buffer_import),
	ACCEL_IOCTL(QUEUE_CREATE, queue_create, doorbell, .out = true,
		    .abort = accel_abort_queue_create),
	ACCEL_IOCTL(QUEUE_DESTROY, queue_destroy, handle),
	ACCEL_IOCTL(QUEUE_RESET, queue_reset, handle),
	ACCEL_IOCTL(QUEUE_WAIT, queue_wait, completed, .out = true),
	ACCEL_IOCTL(QUEUE_NOTIFY, queue_notify, sequence),
	ACCEL_IOCTL(QUEUE_QUERY, queue_query, memory_written, .out = true),
	ACCEL_IOCTL(QUEUE_EVENTFD, queue_eventfd, reserved),
};

static const struct accel_ioctl_entry *accel_ioctl_find(unsigned int cmd)
{
	size_t i = array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(accel_ioctls));

	/* An unused entry has the number zero, which no ioctl has. */
	return accel_ioctls[i].run && accel_ioctls[i].cmd == cmd ? &accel_ioctls[i] : NULL;
}

/* Copies the structure back, and commits or aborts. */
static int accel_ioctl_finish(const struct accel_ioctl_entry *entry, struct accel_context *ctx,
			      union accel_ioctl_args *args, void __user *user, u32 size)
{
	if (!entry->out)
		return 0;
	if (copy_to_user(user, args, min(size, entry->size))) {
		if (entry->abort)
			entry->abort(ctx, args);
		return -EFAULT;
	}
	if (entry->commit)
		entry->commit(ctx, args);
	return 0;
}

long accel_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct accel_ioctl_entry *entry = accel_ioctl_find(cmd);
	struct accel_context *ctx = file->private_data;
	void __user *user = (void __user *)arg;
	union accel_ioctl_args args = {};
	u32 size;
	int ret;

	if (!entry)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < entry->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&args, entry->size, user, size);
	if (ret)
		return ret;
	/* Another thread may have changed the size meanwhile; the first value counts. */
	args.size = size;

	ret = entry->run(ctx, &args);
	return ret ? ret : accel_ioctl_finish(entry, ctx, &args, user, size);
}
