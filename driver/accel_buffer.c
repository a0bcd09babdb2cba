// SPDX-License-Identifier: GPL-2.0
/*
 * accel_buffer.c - buffers: memory of the host or the card at an address of
 * the context.
 *
 * A buffer is made outside the locks (allocating and pinning take long and may
 * fault), then attached: it gets its addresses, its DMA mapping and its
 * page-table entries, and last its handle. The end is the reverse.
 */
#include <linux/dma-mapping.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accel.h"

#define ACCEL_BUFFER_PROT	(ACCEL_BUFFER_CARD_READ | ACCEL_BUFFER_CARD_WRITE)

static void accel_buffer_free_pages(struct accel_buffer *buffer)
{
	unsigned long i;

	for (i = 0; i < buffer->page_count; i++)
		put_page(buffer->pages[i]);
}

static int accel_buffer_alloc_memory(struct accel_context *ctx, struct accel_buffer *buffer)
{
	int ret;

	ret = accel_account_charge(ctx, ACCEL_RESOURCE_MEMORY, buffer->bytes);
	if (ret)
		return ret;
	ret = accel_memory_alloc(ctx->adev, buffer->bytes, &buffer->extents);
	if (ret) {
		accel_account_uncharge(ctx->account, ACCEL_RESOURCE_MEMORY, buffer->bytes);
		return ret;
	}
	buffer->account = accel_account_hold(ctx->account);
	return 0;
}

/**
 * accel_buffer_free_memory() - give device memory back, once
 * @buffer: of ACCEL_KIND_DEVICE
 */
void accel_buffer_free_memory(struct accel_buffer *buffer)
{
	if (!buffer->account)
		return;
	accel_memory_free(buffer->adev, &buffer->extents);
	accel_account_uncharge(buffer->account, ACCEL_RESOURCE_MEMORY, buffer->bytes);
	accel_account_put(buffer->account);
	buffer->account = NULL;
}

static void accel_buffer_release(struct kref *ref)
{
	struct accel_buffer *buffer = container_of(ref, struct accel_buffer, ref);

	WARN_ON_ONCE(buffer->mapped);
	if (buffer->kind == ACCEL_KIND_IMPORT) {
		accel_import_release(buffer);
		return;
	}
	if (buffer->kind == ACCEL_KIND_USER)
		accel_user_unpin(buffer);
	else if (buffer->kind == ACCEL_KIND_HOST)
		accel_buffer_free_pages(buffer);
	else
		accel_buffer_free_memory(buffer);
	kvfree(buffer->pages);
	kfree(buffer);
}

/* Called without the locks of the driver: user pages take mmap_lock, a dma-buf its own. */
void accel_buffer_put(struct accel_buffer *buffer)
{
	kref_put(&buffer->ref, accel_buffer_release);
}

/* Pages in the largest blocks that are to be had, then split, so that each maps alone. */
static int accel_buffer_alloc_pages(struct accel_buffer *buffer, unsigned long count)
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
		/* Nobody is killed to make room for a buffer. */
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

/**
 * accel_buffer_alloc() - make a buffer, not attached yet
 * @adev: the card
 * @bytes: whole pages, not zero
 * @flags: ACCEL_BUFFER_*
 *
 * Device memory is allocated by accel_buffer_attach(), for it takes the card.
 *
 * Return: the buffer or ERR_PTR(-errno).
 */
struct accel_buffer *accel_buffer_alloc(struct accel_device *adev, u64 bytes, u32 flags)
{
	unsigned long count = bytes >> PAGE_SHIFT;
	struct accel_buffer *buffer;
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	kref_init(&buffer->ref);
	INIT_LIST_HEAD(&buffer->extents);
	buffer->adev = adev;
	buffer->bytes = bytes;
	buffer->prot = flags & ACCEL_BUFFER_PROT;
	if (flags & ACCEL_BUFFER_DEVICE) {
		buffer->kind = ACCEL_KIND_DEVICE;
		buffer->source = buffer;
		return buffer;
	}
	buffer->kind = ACCEL_KIND_HOST;
	/* Fails early, with a clear errno, instead of draining the machine first. */
	if (count > si_mem_available()) {
		ret = -ENOMEM;
		goto err;
	}
	buffer->pages = kvmalloc_array(count, sizeof(*buffer->pages), GFP_KERNEL_ACCOUNT);
	ret = buffer->pages ? accel_buffer_alloc_pages(buffer, count) : -ENOMEM;
	if (ret)
		goto err;
	return buffer;

err:
	accel_buffer_put(buffer);
	return ERR_PTR(ret);
}

static int accel_buffer_dma_map(struct accel_buffer *buffer)
{
	struct device *dev = &buffer->adev->pdev->dev;
	int ret;

	ret = sg_alloc_table_from_pages(&buffer->sgt, buffer->pages, buffer->page_count, 0,
					buffer->bytes, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	ret = dma_map_sgtable(dev, &buffer->sgt,
			      buffer->prot & ACCEL_BUFFER_CARD_WRITE ? DMA_BIDIRECTIONAL :
								       DMA_TO_DEVICE, 0);
	if (ret) {
		sg_free_table(&buffer->sgt);
		return ret;
	}
	buffer->mapped = true;
	return 0;
}

/* The card does not reach the buffer any more; done once. */
void accel_buffer_dma_unmap(struct accel_buffer *buffer)
{
	if (!buffer->mapped)
		return;
	dma_unmap_sgtable(&buffer->adev->pdev->dev, &buffer->sgt,
			  buffer->prot & ACCEL_BUFFER_CARD_WRITE ? DMA_BIDIRECTIONAL :
								   DMA_TO_DEVICE, 0);
	sg_free_table(&buffer->sgt);
	buffer->mapped = false;
}

/**
 * accel_buffer_attach() - give the card access to a buffer
 * @ctx: the context, entered
 * @buffer: not attached
 *
 * Return: 0 or -errno; then it is still not attached.
 */
int accel_buffer_attach(struct accel_context *ctx, struct accel_buffer *buffer)
{
	int ret;

	ret = accel_context_attach(ctx);
	if (ret)
		return ret;
	if (buffer->kind == ACCEL_KIND_DEVICE)
		ret = accel_buffer_alloc_memory(ctx, buffer);
	else if (buffer->kind != ACCEL_KIND_IMPORT)
		ret = accel_buffer_dma_map(buffer);
	if (ret)
		return ret;
	ret = accel_va_alloc(ctx, &buffer->va, buffer->bytes);
	if (ret)
		goto err_dma;
	ret = accel_mmu_map(ctx, buffer);
	if (ret)
		goto err_va;
	return 0;

err_va:
	accel_va_free(ctx, &buffer->va);
err_dma:
	accel_buffer_dma_unmap(buffer);
	return ret;
}

/**
 * accel_buffer_detach() - end the card's access to a buffer
 * @ctx: the context, entered
 * @buffer: attached
 *
 * Return: 0, or -errno when the card did not answer; it then does no DMA.
 */
int accel_buffer_detach(struct accel_context *ctx, struct accel_buffer *buffer)
{
	int ret;

	ret = accel_mmu_unmap(ctx, buffer);
	accel_va_free(ctx, &buffer->va);
	accel_buffer_dma_unmap(buffer);
	return ret;
}

/**
 * accel_buffer_publish() - attach a buffer and give it a handle
 * @ctx: the context
 * @buffer: made by the caller; on success the handle owns it
 * @handle: the handle
 * @address: its address in the context
 *
 * Once it has a handle another thread may destroy the buffer at any time.
 *
 * Return: 0 or -errno; then the caller still owns the buffer.
 */
int accel_buffer_publish(struct accel_context *ctx, struct accel_buffer *buffer, u32 *handle,
			 u64 *address)
{
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	ret = accel_buffer_attach(ctx, buffer);
	if (ret)
		goto out;
	*address = buffer->va.start;
	ret = xa_alloc(&ctx->buffers, handle, buffer, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret)
		accel_buffer_detach(ctx, buffer);
out:
	accel_context_leave(ctx);
	return ret;
}

int accel_ioctl_buffer_create(struct accel_context *ctx, void *arg)
{
	struct accel_buffer_create *create = arg;
	struct accel_buffer *buffer;
	u64 bytes;
	int ret;

	if (create->flags & ~(ACCEL_BUFFER_PROT | ACCEL_BUFFER_DEVICE))
		return -EOPNOTSUPP;
	if (!(create->flags & ACCEL_BUFFER_PROT) || create->reserved || !create->bytes)
		return -EINVAL;
	if (create->bytes > BIT_ULL(ACCEL_VA_BITS - 1))
		return create->flags & ACCEL_BUFFER_DEVICE ? -ENOSPC : -ENOMEM;

	bytes = ALIGN(create->bytes, ACCEL_PAGE_SIZE);
	buffer = accel_buffer_alloc(ctx->adev, bytes, create->flags);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = accel_buffer_publish(ctx, buffer, &create->handle, &create->address);
	if (ret)
		accel_buffer_put(buffer);
	return ret;
}

int accel_ioctl_buffer_destroy(struct accel_context *ctx, void *arg)
{
	struct accel_buffer_destroy *destroy = arg;
	struct accel_buffer *buffer;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	buffer = xa_load(&ctx->buffers, destroy->handle);
	if (!buffer) {
		ret = -ENOENT;
	} else if (buffer->transfers) {
		/* They name its memory by bus address. */
		ret = -EBUSY;
		buffer = NULL;
	} else {
		xa_erase(&ctx->buffers, destroy->handle);
		if (buffer->kind != ACCEL_KIND_IMPORT)
			ret = accel_buffer_detach(ctx, buffer);
	}
	accel_context_leave(ctx);
	if (!buffer)
		return ret;
	if (buffer->kind == ACCEL_KIND_IMPORT)
		accel_import_end(buffer);
	if (buffer->exported)
		accel_export_end(buffer);
	accel_buffer_put(buffer);
	return ret;
}
