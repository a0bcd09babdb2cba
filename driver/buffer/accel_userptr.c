// SPDX-License-Identifier: GPL-2.0
/*
 * accel_userptr.c - buffers in registered memory: pages of a process, pinned
 * for the card.
 *
 * The driver pins pages in bounded chunks without a lock of its own, and keeps them
 * in a scatterlist, in which contiguous pages need one entry. It asks for write
 * access only where the card or the process may write, so that read-only file
 * mappings can be input.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accel_buffer.h"
#include "accel_userptr.h"

/* The driver checks for a fatal signal after each chunk. */
#define ACCEL_PIN_PAGES	512UL

/**
 * struct accel_userptr - a buffer in registered memory
 * @buffer: the buffer
 * @append: the pages pinned so far
 * @pinned: their number
 * @mm: address space whose RLIMIT_MEMLOCK the pages are charged to
 */
struct accel_userptr {
	struct accel_buffer buffer;
	struct sg_append_table append;
	unsigned long pinned;
	struct mm_struct *mm;
};

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

/* Appends pages that are pinned to the scatterlist. */
static int accel_userptr_append(struct accel_userptr *userptr, struct page **pages,
				unsigned long count, unsigned long left)
{
	int ret;

	ret = sg_alloc_append_table_from_pages(&userptr->append, pages, count, 0,
					       count << PAGE_SHIFT, UINT_MAX, left,
					       GFP_KERNEL_ACCOUNT);
	if (ret)
		unpin_user_pages(pages, count);
	else
		userptr->pinned += count;
	return ret;
}

/*
 * Finds pages of a file that is written back. The card's writes would be lost, and the owner of the
 * file system can keep such a page locked for as long as it likes: the release, which marks it
 * dirty, would wait in whatever thread it runs. Kernels since 6.5 do not pin them for writing.
 */
static bool accel_userptr_written_back(struct page **pages, unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		struct folio *folio = page_folio(pages[i]);

		if (!folio_test_swapbacked(folio) && !PageHuge(pages[i]) && folio_mapping(folio))
			return true;
	}
	return false;
}

/* Takes mmap_lock for reading if pages are not present. */
static int accel_userptr_pin_chunk(struct accel_userptr *userptr, unsigned long start,
				   unsigned long count, struct page **pages)
{
	unsigned long address = start + (userptr->pinned << PAGE_SHIFT);
	unsigned long left = count - userptr->pinned;
	unsigned long chunk = min(left, ACCEL_PIN_PAGES);
	unsigned int flags = FOLL_LONGTERM;
	long got;
	int ret;

	if (userptr->buffer.prot & ACCEL_BUFFER_CARD_WRITE) {
		flags |= FOLL_WRITE;
	} else {
		ret = accel_userptr_input(address, &chunk, &flags);
		if (ret)
			return ret;
	}
	got = pin_user_pages_fast(address, chunk, flags, pages);
	if (got < 0)
		return got;
	if (!got)
		return -EFAULT;
	if (userptr->buffer.prot & ACCEL_BUFFER_CARD_WRITE &&
	    accel_userptr_written_back(pages, got)) {
		unpin_user_pages(pages, got);
		return -EFAULT;
	}
	return accel_userptr_append(userptr, pages, got, left - got);
}

static int accel_userptr_pin(struct accel_userptr *userptr, unsigned long start,
			     unsigned long count)
{
	struct page **pages;
	int ret = 0;

	pages = kmalloc_array(min(count, ACCEL_PIN_PAGES), sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	while (!ret && userptr->pinned < count) {
		ret = fatal_signal_pending(current) ? -EINTR :
			accel_userptr_pin_chunk(userptr, start, count, pages);
		cond_resched();
	}
	kfree(pages);
	/* A copy for the DMA mapping; @append owns the table. */
	userptr->buffer.sgt = userptr->append.sgt;
	return ret;
}

/* Unpins the pages, and ends their charge. */
static void accel_userptr_release(struct accel_buffer *buffer)
{
	struct accel_userptr *userptr = container_of(buffer, struct accel_userptr, buffer);
	bool dirty = buffer->prot & ACCEL_BUFFER_CARD_WRITE;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(&userptr->append.sgt, sg, i) {
		unpin_user_page_range_dirty_lock(sg_page(sg), sg->length >> PAGE_SHIFT, dirty);
		cond_resched();
	}
	sg_free_append_table(&userptr->append);
	if (userptr->mm) {
		account_locked_vm(userptr->mm, buffer->bytes >> PAGE_SHIFT, false);
		mmdrop(userptr->mm);
	}
	accel_buffer_uncharge(buffer);
	kfree(userptr);
}

static const struct accel_buffer_ops accel_userptr_ops = {
	.kind = ACCEL_KIND_USERPTR,
	.attach = accel_buffer_attach_pages,
	.map = accel_buffer_map_sgtable,
	.unmap = accel_buffer_unmap_pages,
	.release = accel_userptr_release,
};

/* Charges the memory to the quota of the user and to the limit of the process. */
static int accel_userptr_charge(struct accel_context *ctx, struct accel_userptr *userptr)
{
	unsigned long count = userptr->buffer.bytes >> PAGE_SHIFT;
	int ret;

	ret = accel_buffer_charge(ctx, &userptr->buffer, ACCEL_RESOURCE_HOST_MEMORY);
	if (ret)
		return ret;
	ret = account_locked_vm(current->mm, count, true);
	if (ret) {
		accel_userptr_explain_limit(ctx->adev, count);
		return -EDQUOT;
	}
	userptr->mm = current->mm;
	mmgrab(userptr->mm);
	return 0;
}

int accel_ioctl_buffer_register(struct accel_context *ctx, struct accel_buffer_register *args)
{
	struct accel_userptr *userptr;
	unsigned long count;
	u64 start, end;
	int ret;

	if (args->flags & ~ACCEL_BUFFER_PROT || !ctx->adev->host_memory)
		return -EOPNOTSUPP;
	if (!args->flags || args->reserved || !args->bytes)
		return -EINVAL;
	if (check_add_overflow(args->pointer, args->bytes, &end) || end > TASK_SIZE_MAX)
		return -EFAULT;
	start = ALIGN_DOWN(args->pointer, PAGE_SIZE);
	count = (ALIGN(end, PAGE_SIZE) - start) >> PAGE_SHIFT;
	if (count > totalram_pages())
		return -ENOMEM;

	userptr = kzalloc(sizeof(*userptr), GFP_KERNEL_ACCOUNT);
	if (!userptr)
		return -ENOMEM;
	accel_buffer_init(&userptr->buffer, ctx->adev, &accel_userptr_ops,
			  (u64)count << PAGE_SHIFT, args->flags);
	ret = accel_userptr_charge(ctx, userptr);
	if (ret)
		goto err;
	ret = accel_userptr_pin(userptr, start, count);
	if (ret)
		goto err;
	ret = accel_buffer_publish(ctx, &userptr->buffer, &args->handle, &args->address);
	if (ret)
		goto err;
	args->address += offset_in_page(args->pointer);
	return 0;

err:
	accel_buffer_put(&userptr->buffer);
	return ret;
}
