// SPDX-License-Identifier: GPL-2.0
/*
 * accel_userptr.c - buffers in registered memory: pages of a process, pinned
 * for the card.
 *
 * The driver pins pages in bounded chunks without a lock of its own. It asks for
 * write access only where the card or the process may write, so that read-only
 * file mappings can be input.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accel_buffer.h"
#include "accel_userptr.h"

/* The driver checks for a fatal signal after each chunk. */
#define ACCEL_PIN_PAGES	512UL

static void accel_userptr_explain_limit(struct accel_device *adev, unsigned long pages)
{
	dev_notice_ratelimited(&adev->dev,
			       "%s[%d]: cannot register %lu KiB: %lu of %lu KiB are locked; %s\n",
			       current->comm, task_pid_nr(current), pages << (PAGE_SHIFT - 10),
			       READ_ONCE(current->mm->locked_vm) << (PAGE_SHIFT - 10),
			       rlimit(RLIMIT_MEMLOCK) >> 10,
			       "raise RLIMIT_MEMLOCK with ulimit -l");
}

/**
 * accel_userptr_input() - choose how to pin memory that the card only reads
 * @address: start
 * @count: number of pages; reduced to the pages of one mapping
 * @flags: flags for pinning
 *
 * A private page may still be shared: the zero page, or a page of a file. The
 * first write of the process would give it a copy, and the card would keep
 * reading the old page. So memory that the process may write is pinned for
 * writing. The kernel does this on its own only since 6.2.
 *
 * Return: 0 or -errno.
 */
static int accel_userptr_input(unsigned long address, unsigned long *count, unsigned int *flags)
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

/* Takes mmap_lock for reading if pages are not present. */
static int accel_userptr_pin(struct accel_buffer *buffer, unsigned long start, unsigned long count)
{
	while (buffer->page_count < count) {
		unsigned long address = start + (buffer->page_count << PAGE_SHIFT);
		unsigned long chunk = min(count - buffer->page_count, ACCEL_PIN_PAGES);
		unsigned int flags = FOLL_LONGTERM;
		long got;

		if (fatal_signal_pending(current))
			return -EINTR;
		if (buffer->prot & ACCEL_BUFFER_CARD_WRITE) {
			flags |= FOLL_WRITE;
		} else {
			int ret = accel_userptr_input(address, &chunk, &flags);

			if (ret)
				return ret;
		}
		got = pin_user_pages_fast(address, chunk, flags,
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

/* Unpins the pages, and ends their charge. */
static void accel_userptr_release(struct accel_buffer *buffer)
{
	bool dirty = buffer->prot & ACCEL_BUFFER_CARD_WRITE;

	unpin_user_pages_dirty_lock(buffer->pages, buffer->page_count, dirty);
	if (buffer->mm) {
		account_locked_vm(buffer->mm, buffer->bytes >> PAGE_SHIFT, false);
		mmdrop(buffer->mm);
	}
	kvfree(buffer->pages);
	kfree(buffer);
}

static const struct accel_buffer_ops accel_userptr_ops = {
	.kind = ACCEL_KIND_USERPTR,
	.attach = accel_buffer_dma_map,
	.release = accel_userptr_release,
};

int accel_ioctl_buffer_register(struct accel_context *ctx, struct accel_buffer_register *args)
{
	struct accel_buffer *buffer;
	unsigned long count;
	u64 start, end;
	int ret;

	if (args->flags & ~ACCEL_BUFFER_PROT)
		return -EOPNOTSUPP;
	if (!args->flags || args->reserved || !args->bytes)
		return -EINVAL;
	if (check_add_overflow(args->pointer, args->bytes, &end) || end > TASK_SIZE_MAX)
		return -EFAULT;
	start = ALIGN_DOWN(args->pointer, PAGE_SIZE);
	count = (ALIGN(end, PAGE_SIZE) - start) >> PAGE_SHIFT;
	if (count > totalram_pages())
		return -ENOMEM;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return -ENOMEM;
	accel_buffer_init(buffer, ctx->adev, &accel_userptr_ops, (u64)count << PAGE_SHIFT,
			  args->flags);

	buffer->pages = kvmalloc_array(count, sizeof(*buffer->pages), GFP_KERNEL_ACCOUNT);
	if (!buffer->pages) {
		ret = -ENOMEM;
		goto err;
	}
	ret = account_locked_vm(current->mm, count, true);
	if (ret) {
		accel_userptr_explain_limit(ctx->adev, count);
		ret = -EDQUOT;
		goto err;
	}
	buffer->mm = current->mm;
	mmgrab(buffer->mm);
	ret = accel_userptr_pin(buffer, start, count);
	if (ret)
		goto err;
	ret = accel_buffer_publish(ctx, buffer, &args->handle, &args->address);
	if (ret)
		goto err;
	args->address += offset_in_page(args->pointer);
	return 0;

err:
	accel_buffer_put(buffer);
	return ret;
}
