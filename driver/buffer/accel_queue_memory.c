// SPDX-License-Identifier: GPL-2.0
/*
 * accel_queue_memory.c - the memory of a queue: its status page and its ring.
 *
 * It is coherent memory of the kernel, so it ends with the card half of the queue: the
 * driver must not free it after it is unbound. Mappings and waiters of the queue may
 * exist longer. They see the last page, a copy of the status page, and mappings show a
 * dummy page in place of the ring.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "accel_coherent.h"
#include "accel_compat.h"
#include "accel_mapping.h"
#include "accel_queue_memory.h"

/**
 * struct accel_queue_memory - the memory of a queue
 * @buffer: the buffer
 * @memory: status page and ring, until the end of the card half
 * @status: the queue's pointer to its status page; readers are in an RCU read section,
 *	or keep the card half from ending
 * @last: replaces the status page after the end
 * @lock: protects @ended, @mappings and the insertion of pages
 * @ended: the card half has ended
 * @mappings: number of mappings
 * @free: frees @memory when no reader uses it any more
 */
struct accel_queue_memory {
	struct accel_buffer buffer;
	struct accel_coherent memory;
	struct accel_queue_status **status;
	struct page *last;
	struct mutex lock;
	bool ended;
	unsigned int mappings;
	struct rcu_work free;
};

static struct accel_queue_memory *accel_queue_memory_of(struct accel_buffer *buffer)
{
	return container_of(buffer, struct accel_queue_memory, buffer);
}

static void accel_queue_memory_vm_open(struct vm_area_struct *vma)
{
	struct accel_queue_memory *memory = accel_queue_memory_of(vma->vm_private_data);

	mutex_lock(&memory->lock);
	memory->mappings++;
	mutex_unlock(&memory->lock);
	accel_buffer_vm_open(vma);
}

static void accel_queue_memory_vm_close(struct vm_area_struct *vma)
{
	struct accel_queue_memory *memory = accel_queue_memory_of(vma->vm_private_data);

	mutex_lock(&memory->lock);
	memory->mappings--;
	mutex_unlock(&memory->lock);
	accel_buffer_vm_close(vma);
}

static vm_fault_t accel_queue_memory_fault(struct vm_fault *vmf)
{
	struct accel_queue_memory *memory = accel_queue_memory_of(vmf->vma->vm_private_data);
	unsigned long index = vmf->pgoff - (memory->buffer.va.start >> PAGE_SHIFT);
	struct accel_context *ctx = vmf->vma->vm_file->private_data;
	vm_fault_t ret;

	if (index >= memory->buffer.bytes >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	mutex_lock(&memory->lock);
	if (memory->ended)
		ret = accel_mapping_insert_dummy(vmf, index ? ctx->dummy : memory->last);
	else
		ret = vmf_insert_pfn_prot(vmf->vma, vmf->address,
					  page_to_pfn(memory->memory.pages[index]),
					  accel_compat_coherent_prot(vmf->vma->vm_page_prot));
	mutex_unlock(&memory->lock);
	return ret;
}

static const struct vm_operations_struct accel_queue_memory_vm_ops = {
	.open = accel_queue_memory_vm_open,
	.close = accel_queue_memory_vm_close,
	.fault = accel_queue_memory_fault,
};

static int accel_queue_memory_mmap(struct accel_buffer *buffer, struct vm_area_struct *vma)
{
	struct accel_queue_memory *memory = accel_queue_memory_of(buffer);

	/* A forked child has no queue. */
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY);
	accel_buffer_vm_setup(buffer, vma, &accel_queue_memory_vm_ops);
	mutex_lock(&memory->lock);
	memory->mappings++;
	mutex_unlock(&memory->lock);
	return 0;
}

static int accel_queue_memory_attach(struct accel_context *ctx, struct accel_buffer *buffer)
{
	/* accel_buffer_dma_unmap() calls the operation @unmap. */
	buffer->mapped = true;
	return 0;
}

static void accel_queue_memory_free(struct work_struct *work)
{
	struct accel_queue_memory *memory =
		container_of(to_rcu_work(work), struct accel_queue_memory, free);

	accel_coherent_free(memory->buffer.adev, &memory->memory);
	/* A mapping may keep the last page, which its process pays for in its memory cgroup. */
	accel_buffer_uncharge(&memory->buffer);
	accel_buffer_put(&memory->buffer);
}

/*
 * The card half has ended: neither the card nor the driver writes the memory any more. The memory
 * is freed after an RCU grace period, because waiters read the status page without a lock.
 */
static void accel_queue_memory_end(struct accel_buffer *buffer)
{
	struct accel_queue_memory *memory = accel_queue_memory_of(buffer);
	bool mapped;

	mutex_lock(&memory->lock);
	memcpy(page_address(memory->last), accel_coherent_address(&memory->memory), PAGE_SIZE);
	memory->ended = true;
	mapped = memory->mappings;
	mutex_unlock(&memory->lock);
	if (mapped)
		unmap_mapping_range(buffer->adev->inode->i_mapping, buffer->va.start,
				    buffer->bytes, 1);
	/* Pairs with the dependency of readers: they see the copy. */
	smp_store_release(memory->status, page_address(memory->last));
	kref_get(&buffer->ref);
	queue_rcu_work(system_unbound_wq, &memory->free);
}

static void accel_queue_memory_release(struct accel_buffer *buffer)
{
	struct accel_queue_memory *memory = accel_queue_memory_of(buffer);

	/* A queue that never had a card half. */
	if (!memory->ended && memory->memory.count)
		accel_coherent_free(buffer->adev, &memory->memory);
	sg_free_table(&buffer->sgt);
	if (memory->last)
		__free_page(memory->last);
	accel_buffer_uncharge(buffer);
	mutex_destroy(&memory->lock);
	kfree(memory);
}

static const struct accel_buffer_ops accel_queue_memory_ops = {
	.kind = ACCEL_KIND_HOST,
	.attach = accel_queue_memory_attach,
	.map = accel_buffer_map_sgtable,
	.unmap = accel_queue_memory_end,
	.mmap = accel_queue_memory_mmap,
	.release = accel_queue_memory_release,
};

static int accel_queue_memory_fill(struct accel_queue_memory *memory)
{
	struct accel_device *adev = memory->buffer.adev;
	int section, ret;

	memory->last = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!memory->last)
		return -ENOMEM;
	/* In a section, because the driver may be unbound at any other time. */
	ret = accel_section_enter(adev, &section);
	if (ret)
		return ret;
	ret = accel_coherent_alloc(adev, memory->buffer.bytes >> PAGE_SHIFT, &memory->memory,
				   &memory->buffer.sgt);
	accel_section_end(adev, section);
	return ret;
}

/**
 * accel_queue_memory_alloc() - allocate the memory of a queue, filled with zeros
 * @ctx: the context; the memory is charged to its user
 * @bytes: length: a page for the status page, and a ring whose pages are a power of two
 * @status: pointer to the status page, which the memory keeps up to date; it lives until
 *	the memory is detached
 *
 * Return: the memory, not attached, or ERR_PTR(-errno).
 */
struct accel_buffer *accel_queue_memory_alloc(struct accel_context *ctx, u64 bytes,
					      struct accel_queue_status **status)
{
	struct accel_queue_memory *memory;
	int ret;

	memory = kzalloc(sizeof(*memory), GFP_KERNEL_ACCOUNT);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	accel_buffer_init(&memory->buffer, ctx->adev, &accel_queue_memory_ops, bytes,
			  ACCEL_BUFFER_PROT);
	mutex_init(&memory->lock);
	INIT_RCU_WORK(&memory->free, accel_queue_memory_free);
	memory->buffer.queue = true;
	memory->status = status;
	ret = accel_buffer_charge(ctx, &memory->buffer, ACCEL_RESOURCE_HOST_MEMORY);
	if (!ret)
		ret = accel_queue_memory_fill(memory);
	if (ret) {
		accel_buffer_put(&memory->buffer);
		return ERR_PTR(ret);
	}
	*status = accel_coherent_address(&memory->memory);
	return &memory->buffer;
}

/**
 * accel_queue_memory_slot() - a command of a ring, for diagnosis
 * @buffer: the memory of a queue
 * @slot: index in the ring
 *
 * The caller keeps the card half from ending. The owner of the queue may write the
 * command at any time.
 *
 * Return: the command, or NULL beyond the end of the ring.
 */
const struct accel_command *accel_queue_memory_slot(struct accel_buffer *buffer, u64 slot)
{
	return accel_coherent_at(&accel_queue_memory_of(buffer)->memory,
				 ACCEL_QUEUE_RING_OFFSET + slot * ACCEL_COMMAND_SIZE);
}
