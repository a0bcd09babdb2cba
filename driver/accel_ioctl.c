// SPDX-License-Identifier: GPL-2.0
/*
 * accel_ioctl.c - one table for every ioctl; the rules of accel_uapi.h that
 * hold for all of them are kept here and nowhere else.
 */
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/sched/mm.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "accel.h"

union accel_arg {
	__u32 size;		/* first in each of them */
	struct accel_info info;
	struct accel_buffer_create buffer_create;
	struct accel_buffer_register buffer_register;
	struct accel_buffer_destroy buffer_destroy;
	struct accel_export_call buffer_export;
	struct accel_buffer_import buffer_import;
	struct accel_queue_create queue_create;
	struct accel_queue_destroy queue_destroy;
	struct accel_queue_reset queue_reset;
	struct accel_queue_wait queue_wait;
	struct accel_queue_notify queue_notify;
	struct accel_queue_query queue_query;
	struct accel_queue_eventfd queue_eventfd;
};

static int accel_ioctl_info(struct accel_context *ctx, void *arg)
{
	struct accel_device *adev = ctx->adev;
	struct accel_info *info = arg;
	unsigned long limit = rlimit(RLIMIT_MEMLOCK);
	/* The driver has one of each for itself. */
	u32 own = READ_ONCE(adev->dma.queue) >= 0;
	u64 used;
	int ret;

	if (info->flags)
		return -EOPNOTSUPP;
	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	*info = (struct accel_info) {
		.size = info->size,
		.hw_version = readl(adev->regs + ACCEL_REG_VERSION),
		.firmware = readl(adev->regs + ACCEL_REG_FIRMWARE),
		.features = adev->features,
		.capabilities = ACCEL_CAP_REGISTER | ACCEL_CAP_POLL | ACCEL_CAP_EVENTFD |
				ACCEL_CAP_URING | ACCEL_CAP_DMABUF |
				ACCEL_CAP_REGISTERS | (own ? ACCEL_CAP_TRANSFER : 0),
		.serial = accel_read64(adev, ACCEL_REG_SERIAL),
		.memory_size = adev->memory_size,
		.memory_free = gen_pool_avail(adev->memory_pool),
		.queues = adev->queue_count - own,
		.contexts = adev->context_count - own,
		.ring_entries = adev->ring_entries,
		.list_commands = readl(adev->regs + ACCEL_REG_LIST_COMMANDS),
		.va_bits = readl(adev->regs + ACCEL_REG_VA_BITS),
		.engines = readl(adev->regs + ACCEL_REG_ENGINES),
		.clock_hz = readl(adev->regs + ACCEL_REG_CLOCK_HZ),
		.vectors = adev->vector_count,
		.pci_domain = pci_domain_nr(adev->pdev->bus),
		.pci_bus = adev->pdev->bus->number,
		.pci_device = PCI_SLOT(adev->pdev->devfn),
		.pci_function = PCI_FUNC(adev->pdev->devfn),
		.numa_node = dev_to_node(&adev->pdev->dev),
		.generation = adev->generation,
		.locked = (u64)READ_ONCE(current->mm->locked_vm) << PAGE_SHIFT,
		.locked_limit = limit == RLIM_INFINITY ? U64_MAX : limit,
	};
	accel_context_leave(ctx);
	info->memory_quota = accel_account_look(ctx, ACCEL_RESOURCE_MEMORY, &used);
	info->memory_used = used;
	info->contexts_quota = accel_account_look(ctx, ACCEL_RESOURCE_CONTEXTS, &used);
	info->contexts_used = used;
	info->queues_quota = accel_account_look(ctx, ACCEL_RESOURCE_QUEUES, &used);
	info->queues_used = used;
	return 0;
}

/* The caller never learnt of what was made: unmake it. */
static void accel_undo_buffer_create(struct accel_context *ctx, union accel_arg *arg)
{
	struct accel_buffer_destroy destroy = { .handle = arg->buffer_create.handle };

	accel_ioctl_buffer_destroy(ctx, &destroy);
}

static void accel_undo_buffer_register(struct accel_context *ctx, union accel_arg *arg)
{
	struct accel_buffer_destroy destroy = { .handle = arg->buffer_register.handle };

	accel_ioctl_buffer_destroy(ctx, &destroy);
}

/* Now that the caller knows its number. */
static void accel_done_buffer_export(union accel_arg *arg)
{
	fd_install(arg->buffer_export.uapi.fd, arg->buffer_export.dmabuf->file);
}

static void accel_undo_buffer_export(struct accel_context *ctx, union accel_arg *arg)
{
	put_unused_fd(arg->buffer_export.uapi.fd);
	dma_buf_put(arg->buffer_export.dmabuf);
}

static void accel_undo_buffer_import(struct accel_context *ctx, union accel_arg *arg)
{
	struct accel_buffer_destroy destroy = { .handle = arg->buffer_import.handle };

	accel_ioctl_buffer_destroy(ctx, &destroy);
}

static void accel_undo_queue_create(struct accel_context *ctx, union accel_arg *arg)
{
	struct accel_queue_destroy destroy = { .handle = arg->queue_create.handle };

	accel_ioctl_queue_destroy(ctx, &destroy);
}

/**
 * struct accel_call_entry - one ioctl
 * @cmd: its number
 * @first: size of the structure in the first version of the interface
 * @size: size that we know
 * @out: it has fields to write back
 * @run: does it, with a zero-extended copy of the argument
 * @undo: takes it back when the result cannot be delivered
 * @done: completes it when the result was delivered
 */
struct accel_call_entry {
	unsigned int cmd;
	u32 first;
	u32 size;
	bool out;
	int (*run)(struct accel_context *ctx, void *arg);
	void (*undo)(struct accel_context *ctx, union accel_arg *arg);
	void (*done)(union accel_arg *arg);
};

#define ACCEL_CALL(number, type, version1, writes, function, takes_back)	\
	[_IOC_NR(number)] = {						\
		.cmd = (number), .first = (version1),			\
		.size = sizeof(struct type), .out = (writes),		\
		.run = (function), .undo = (takes_back),		\
	}

/* By the number in the call. */
static const struct accel_call_entry accel_calls[] = {
	ACCEL_CALL(ACCEL_IOCTL_INFO, accel_info, 136, true, accel_ioctl_info, NULL),
	ACCEL_CALL(ACCEL_IOCTL_BUFFER_CREATE, accel_buffer_create, 32, true,
		   accel_ioctl_buffer_create, accel_undo_buffer_create),
	ACCEL_CALL(ACCEL_IOCTL_BUFFER_REGISTER, accel_buffer_register, 40, true,
		   accel_ioctl_buffer_register, accel_undo_buffer_register),
	ACCEL_CALL(ACCEL_IOCTL_BUFFER_DESTROY, accel_buffer_destroy, 8, false,
		   accel_ioctl_buffer_destroy, NULL),
	[_IOC_NR(ACCEL_IOCTL_BUFFER_EXPORT)] = {
		.cmd = ACCEL_IOCTL_BUFFER_EXPORT, .first = 16, .out = true,
		.size = sizeof(struct accel_buffer_export), .run = accel_ioctl_buffer_export,
		.undo = accel_undo_buffer_export, .done = accel_done_buffer_export,
	},
	ACCEL_CALL(ACCEL_IOCTL_BUFFER_IMPORT, accel_buffer_import, 40, true,
		   accel_ioctl_buffer_import, accel_undo_buffer_import),
	ACCEL_CALL(ACCEL_IOCTL_QUEUE_CREATE, accel_queue_create, 48, true,
		   accel_ioctl_queue_create, accel_undo_queue_create),
	ACCEL_CALL(ACCEL_IOCTL_QUEUE_DESTROY, accel_queue_destroy, 8, false,
		   accel_ioctl_queue_destroy, NULL),
	ACCEL_CALL(ACCEL_IOCTL_QUEUE_RESET, accel_queue_reset, 8, false,
		   accel_ioctl_queue_reset, NULL),
	ACCEL_CALL(ACCEL_IOCTL_QUEUE_WAIT, accel_queue_wait, 32, true,
		   accel_ioctl_queue_wait, NULL),
	ACCEL_CALL(ACCEL_IOCTL_QUEUE_NOTIFY, accel_queue_notify, 16, false,
		   accel_ioctl_queue_notify, NULL),
	ACCEL_CALL(ACCEL_IOCTL_QUEUE_QUERY, accel_queue_query, 120, true,
		   accel_ioctl_queue_query, NULL),
	ACCEL_CALL(ACCEL_IOCTL_QUEUE_EVENTFD, accel_queue_eventfd, 16, false,
		   accel_ioctl_queue_eventfd, NULL),
};

static const struct accel_call_entry *accel_call_find(unsigned int cmd)
{
	size_t i = array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(accel_calls));

	/* An empty entry has no number either: that of no call is zero. */
	return accel_calls[i].run && accel_calls[i].cmd == cmd ? &accel_calls[i] : NULL;
}

long accel_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct accel_call_entry *call = accel_call_find(cmd);
	struct accel_context *ctx = file->private_data;
	void __user *user = (void __user *)arg;
	union accel_arg copy = {};
	u32 size;
	int ret;

	if (!call)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < call->first)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&copy, call->size, user, size);
	if (ret)
		return ret;
	/* It was read twice; the first reading is the one that counts. */
	copy.size = size;

	ret = call->run(ctx, &copy);
	if (ret || !call->out)
		return ret;
	if (copy_to_user(user, &copy, min(size, call->size))) {
		if (call->undo)
			call->undo(ctx, &copy);
		return -EFAULT;
	}
	if (call->done)
		call->done(&copy);
	return 0;
}
