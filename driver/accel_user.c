// SPDX-License-Identifier: GPL-2.0
/*
 * accel_user.c - memory of the caller, pinned so that the card can use it.
 *
 * Pages are pinned in bounded pieces without a lock of the driver held, and
 * are asked for writing only where somebody may write them, so that read-only
 * file mappings serve as input.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accel.h"

/* Between two pieces a fatal signal is honoured. */
#define ACCEL_PIN_PAGES	512UL

static void accel_user_explain_limit(struct accel_device *adev, unsigned long pages)
{
	dev_notice_ratelimited(&adev->dev,
			       "%s[%d] may lock %lu KiB (RLIMIT_MEMLOCK), has %lu KiB, wants %lu KiB more\n",
			       current->comm, task_pid_nr(current),
			       rlimit(RLIMIT_MEMLOCK) >> 10,
			       READ_ONCE(current->mm->locked_vm) << (PAGE_SHIFT - 10),
			       pages << (PAGE_SHIFT - 10));
}

/**
 * accel_user_input() - how to pin memory that the card only reads
 * @address: where
 * @count: how many pages; cut to those that are of one kind
 * @flags: for the pinning
 *
 * A private page may still be one that others see too: of zeros, of a file.
 * The process's first write gives it one of its own, and the card would go on
 * reading the other. So what the process may write is pinned as if the card
 * wrote it. The kernel does this by itself only since 6.2.
 *
 * Return: 0 or -errno.
 */
static int accel_user_input(unsigned long address, unsigned long *count, unsigned int *flags)
{
	struct vm_area_struct *vma;
	int ret = -EFAULT;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	vma = find_vma(current->mm, address);
	if (vma && vma->vm_start <= address) {
		*count = min(*count, (vma->vm_end - address) >> PAGE_SHIFT);
		if ((vma->vm_flags & (VM_SHARED | VM_WRITE)) == VM_WRITE)
			*flags |= FOLL_WRITE;
		ret = 0;
	}
	mmap_read_unlock(current->mm);
	return ret;
}

/* Takes mmap_lock for reading where it has to fault pages in. */
static int accel_user_pin(struct accel_buffer *buffer, unsigned long start, unsigned long count)
{
	while (buffer->page_count < count) {
		unsigned long address = start + (buffer->page_count << PAGE_SHIFT);
		unsigned long piece = min(count - buffer->page_count, ACCEL_PIN_PAGES);
		unsigned int flags = FOLL_LONGTERM;
		long got;

		if (fatal_signal_pending(current))
			return -EINTR;
		if (buffer->prot & ACCEL_BUFFER_CARD_WRITE) {
			flags |= FOLL_WRITE;
		} else {
			int ret = accel_user_input(address, &piece, &flags);

			if (ret)
				return ret;
		}
		got = pin_user_pages_fast(address, piece, flags,
					  buffer->pages + buffer->page_count);
		if (got < 0)
			return got;
		if (!got)
			return -EFAULT;
		buffer->page_count += got;
		cond_resched();
	}
	return 0;
}

/**
 * accel_user_unpin() - give the pages back, and what they counted against
 * @buffer: of ACCEL_KIND_USER
 */
void accel_user_unpin(struct accel_buffer *buffer)
{
	bool dirty = buffer->prot & ACCEL_BUFFER_CARD_WRITE;

	unpin_user_pages_dirty_lock(buffer->pages, buffer->page_count, dirty);
	if (buffer->mm) {
		account_locked_vm(buffer->mm, buffer->bytes >> PAGE_SHIFT, false);
		mmdrop(buffer->mm);
	}
}

int accel_ioctl_buffer_register(struct accel_context *ctx, void *arg)
{
	struct accel_buffer_register *reg = arg;
	struct accel_buffer *buffer;
	unsigned long count;
	u64 start, end;
	int ret;

	if (reg->flags & ~(ACCEL_BUFFER_CARD_READ | ACCEL_BUFFER_CARD_WRITE))
		return -EOPNOTSUPP;
	if (!reg->flags || reg->reserved || !reg->bytes)
		return -EINVAL;
	if (check_add_overflow(reg->pointer, reg->bytes, &end) || end > TASK_SIZE_MAX)
		return -EFAULT;
	start = ALIGN_DOWN(reg->pointer, PAGE_SIZE);
	count = (ALIGN(end, PAGE_SIZE) - start) >> PAGE_SHIFT;
	if (count > totalram_pages())
		return -ENOMEM;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return -ENOMEM;
	kref_init(&buffer->ref);
	INIT_LIST_HEAD(&buffer->extents);
	buffer->adev = ctx->adev;
	buffer->kind = ACCEL_KIND_USER;
	buffer->prot = reg->flags;
	buffer->bytes = (u64)count << PAGE_SHIFT;

	buffer->pages = kvmalloc_array(count, sizeof(*buffer->pages), GFP_KERNEL_ACCOUNT);
	if (!buffer->pages) {
		ret = -ENOMEM;
		goto err;
	}
	ret = account_locked_vm(current->mm, count, true);
	if (ret) {
		accel_user_explain_limit(ctx->adev, count);
		ret = -EDQUOT;
		goto err;
	}
	buffer->mm = current->mm;
	mmgrab(buffer->mm);
	ret = accel_user_pin(buffer, start, count);
	if (ret)
		goto err;
	ret = accel_buffer_publish(ctx, buffer, &reg->handle, &reg->address);
	if (ret)
		goto err;
	reg->address += offset_in_page(reg->pointer);
	return 0;

err:
	accel_buffer_put(buffer);
	return ret;
}
