// SPDX-License-Identifier: GPL-2.0
/*
 * accel_mmap.c - mmap() of the node: buffers, queues, doorbells, registers.
 *
 * An offset of ACCEL_VA_START or more is an address of the context: a buffer or
 * the memory of a queue. Doorbells (from ACCEL_MMAP_DOORBELLS, by queue id) and
 * registers have offsets below ACCEL_VA_START. All offsets that a 32-bit program
 * gets are below 2^44, the limit of mmap2().
 *
 * Pages of the card are mapped at page faults, and a fault checks the owner at
 * that time. So the driver revokes a mapping by removing its pages; a later
 * access maps the dummy page.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>

#include "accel_buffer.h"
#include "accel_compat.h"
#include "accel_mapping.h"
#include "accel_mmap.h"
#include "accel_queue.h"

/* vm_private_data of doorbell and register mappings is the context. */

static vm_fault_t accel_doorbell_fault(struct vm_fault *vmf)
{
	struct accel_context *ctx = vmf->vma->vm_private_data;
	u64 offset = ((u64)vmf->pgoff << PAGE_SHIFT) - ACCEL_MMAP_DOORBELLS;

	return accel_queue_doorbell_fault(ctx, offset >> PAGE_SHIFT, vmf);
}

static const struct vm_operations_struct accel_doorbell_vm_ops = {
	.fault = accel_doorbell_fault,
};

static int accel_mmap_doorbell(struct accel_context *ctx, struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	bool owned;
	int ret;

	if (vma->vm_end - vma->vm_start != PAGE_SIZE || offset < ACCEL_MMAP_DOORBELLS)
		return -EINVAL;
	offset -= ACCEL_MMAP_DOORBELLS;
	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	owned = accel_queue_owned(ctx, offset >> PAGE_SHIFT);
	accel_context_leave(ctx);
	if (!owned)
		return -EINVAL;

	/* A forked child has no queue; it must not ring the doorbell of its parent. */
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_private_data = ctx;
	vma->vm_ops = &accel_doorbell_vm_ops;
	return 0;
}

static vm_fault_t accel_registers_fault(struct vm_fault *vmf)
{
	struct accel_context *ctx = vmf->vma->vm_private_data;
	struct accel_device *adev = ctx->adev;
	int section = accel_section_begin(adev);
	vm_fault_t ret;

	if (accel_context_gone(ctx))
		ret = accel_context_insert_dummy(vmf, ctx);
	else
		ret = vmf_insert_pfn(vmf->vma, vmf->address, adev->regs_phys >> PAGE_SHIFT);
	accel_section_end(adev, section);
	return ret;
}

static const struct vm_operations_struct accel_registers_vm_ops = {
	.fault = accel_registers_fault,
};

/* A read of a register has no side effect. Only the driver writes registers. */
static int accel_mmap_registers(struct accel_context *ctx, struct vm_area_struct *vma)
{
	int ret;

	BUILD_BUG_ON(PAGE_SIZE != ACCEL_REGISTER_BLOCK);
	if (vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	accel_context_leave(ctx);

	vm_flags_clear(vma, VM_MAYWRITE);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_private_data = ctx;
	vma->vm_ops = &accel_registers_vm_ops;
	return 0;
}

static int accel_mmap_buffer(struct accel_context *ctx, struct vm_area_struct *vma)
{
	u64 address = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 bytes = vma->vm_end - vma->vm_start;
	struct accel_buffer *buffer;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	buffer = accel_buffer_find(ctx, address);
	if (!buffer || !buffer->ops->mmap ||
	    bytes > buffer->va.start + buffer->va.bytes - address) {
		accel_context_leave(ctx);
		return -EINVAL;
	}
	kref_get(&buffer->ref);
	accel_context_leave(ctx);

	/* Called without our locks: the exporter may take locks that rank before them. */
	ret = buffer->ops->mmap(buffer, vma);
	accel_buffer_put(buffer);
	return ret;
}

int accel_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct accel_context *ctx = file->private_data;

	/* With a private copy, card and process would not see each other's writes. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if ((u64)vma->vm_pgoff << PAGE_SHIFT == ACCEL_MMAP_REGISTERS)
		return accel_mmap_registers(ctx, vma);
	if ((u64)vma->vm_pgoff << PAGE_SHIFT < ACCEL_VA_START)
		return accel_mmap_doorbell(ctx, vma);
	return accel_mmap_buffer(ctx, vma);
}
