// SPDX-License-Identifier: GPL-2.0
/*
 * accel_host_buffer.c - buffers in host memory of the driver.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accel_host_buffer.h"
#include "accel_host_quota.h"

/* After so many pages other tasks may run, or the driver looks at the free memory. */
#define ACCEL_CHECK_PAGES	(ACCEL_LARGE_SIZE / PAGE_SIZE)

static vm_fault_t accel_host_buffer_fault(struct vm_fault *vmf)
{
	struct accel_buffer *buffer = vmf->vma->vm_private_data;
	unsigned long index = vmf->pgoff - (buffer->va.start >> PAGE_SHIFT);

	if (index >= buffer->page_count)
		return VM_FAULT_SIGBUS;
	vmf->page = buffer->pages[index];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct accel_host_buffer_vm_ops = {
	.open = accel_buffer_vm_open,
	.close = accel_buffer_vm_close,
	.fault = accel_host_buffer_fault,
};

static int accel_host_buffer_mmap(struct accel_buffer *buffer, struct vm_area_struct *vma)
{
	accel_buffer_vm_setup(buffer, vma, &accel_host_buffer_vm_ops);
	return 0;
}

static void accel_host_buffer_release(struct accel_buffer *buffer)
{
	unsigned long i;

	sg_free_table(&buffer->sgt);
	for (i = 0; i < buffer->page_count; i++) {
		put_page(buffer->pages[i]);
		if (!(i % ACCEL_CHECK_PAGES))
			cond_resched();
	}
	kvfree(buffer->pages);
	accel_buffer_uncharge(buffer);
	kfree(buffer);
}

static const struct accel_buffer_ops accel_host_buffer_ops = {
	.kind = ACCEL_KIND_HOST,
	.exportable = true,
	.attach = accel_buffer_attach_pages,
	.map = accel_buffer_map_sgtable,
	.unmap = accel_buffer_unmap_pages,
	.mmap = accel_host_buffer_mmap,
	.release = accel_host_buffer_release,
};

/* Allocates the largest blocks that are free, and splits them so that each page maps alone. */
static int accel_host_buffer_alloc_pages(struct accel_buffer *buffer, unsigned long count)
{
	int node = dev_to_node(&buffer->adev->pdev->dev);
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN;
	int order = ilog2(ACCEL_LARGE_SIZE / PAGE_SIZE);

	while (buffer->page_count < count) {
		unsigned long left = count - buffer->page_count;
		struct page *page;
		int i;

		if (fatal_signal_pending(current))
			return -EINTR;
		while (order && (1UL << order) > left)
			order--;
		/* Again and again, because other programs allocate at the same time. */
		if (!(buffer->page_count % ACCEL_CHECK_PAGES) &&
		    accel_host_memory_low(ACCEL_LARGE_SIZE))
			return -ENOMEM;
		/* The kernel must not kill a process to make room for a buffer. */
		page = alloc_pages_node(node, gfp | (order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL),
					order);
		if (!page) {
			if (!order)
				return -ENOMEM;
			order--;
			continue;
		}
		split_page(page, order);
		for (i = 0; i < 1 << order; i++)
			buffer->pages[buffer->page_count++] = page + i;
		cond_resched();
	}
	return 0;
}

static int accel_host_buffer_fill(struct accel_buffer *buffer)
{
	unsigned long count = buffer->bytes >> PAGE_SHIFT;
	int ret;

	buffer->pages = kvmalloc_array(count, sizeof(*buffer->pages),
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!buffer->pages)
		return -ENOMEM;
	ret = accel_host_buffer_alloc_pages(buffer, count);
	if (ret)
		return ret;
	return sg_alloc_table_from_pages(&buffer->sgt, buffer->pages, count, 0, buffer->bytes,
					 GFP_KERNEL_ACCOUNT);
}

/**
 * accel_host_buffer_alloc() - allocate a buffer in host memory
 * @ctx: the context; the memory is charged to its user
 * @bytes: length, whole pages, not zero
 * @prot: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 *
 * Return: the buffer, not attached, or ERR_PTR(-errno).
 */
struct accel_buffer *accel_host_buffer_alloc(struct accel_context *ctx, u64 bytes, u32 prot)
{
	struct accel_buffer *buffer;
	int ret;

	if (!ctx->adev->host_memory)
		return ERR_PTR(-EOPNOTSUPP);
	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	accel_buffer_init(buffer, ctx->adev, &accel_host_buffer_ops, bytes, prot);
	ret = accel_buffer_charge(ctx, buffer, ACCEL_RESOURCE_HOST_MEMORY);
	/* Fail early with a clear errno, before the machine runs out of memory. */
	if (!ret && accel_host_memory_low(bytes))
		ret = -ENOMEM;
	if (!ret)
		ret = accel_host_buffer_fill(buffer);
	if (ret) {
		accel_buffer_put(buffer);
		return ERR_PTR(ret);
	}
	return buffer;
}
