// SPDX-License-Identifier: GPL-2.0
/*
 * accel_vram_buffer.c - buffers in device memory.
 *
 * A mapping of such a buffer has no struct pages. Its pages are mapped at page
 * faults, and a fault after the card has stopped maps the dummy page.
 */
#include <linux/slab.h>

#include "accel_compat.h"
#include "accel_mmu.h"
#include "accel_quota.h"
#include "accel_vram.h"
#include "accel_vram_buffer.h"

static vm_fault_t accel_vram_buffer_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_buffer *buffer = vma->vm_private_data;
	struct accel_context *ctx = vma->vm_file->private_data;
	struct accel_device *adev = ctx->adev;
	int section = accel_section_begin(adev);
	vm_fault_t ret;

	if (accel_context_gone(ctx))
		ret = accel_context_insert_dummy(vmf, ctx);
	else
		ret = accel_vram_insert(vmf, adev, &buffer->extents,
					((u64)vma->vm_pgoff << PAGE_SHIFT) - buffer->va.start);
	accel_section_end(adev, section);
	return ret;
}

#ifdef ACCEL_HAVE_HUGE_PFN
static vm_fault_t accel_vram_buffer_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_buffer *buffer = vma->vm_private_data;
	struct accel_context *ctx = vma->vm_file->private_data;
	struct accel_device *adev = ctx->adev;
	int section = accel_section_begin(adev);
	vm_fault_t ret = VM_FAULT_FALLBACK;

	if (!accel_context_gone(ctx))
		ret = accel_vram_insert_huge(vmf, order, adev, &buffer->extents,
					     ((u64)vma->vm_pgoff << PAGE_SHIFT) -
						     buffer->va.start);
	accel_section_end(adev, section);
	return ret;
}
#endif

static const struct vm_operations_struct accel_vram_buffer_vm_ops = {
	.open = accel_buffer_vm_open,
	.close = accel_buffer_vm_close,
	.fault = accel_vram_buffer_fault,
#ifdef ACCEL_HAVE_HUGE_PFN
	.huge_fault = accel_vram_buffer_huge_fault,
#endif
};

static int accel_vram_buffer_mmap(struct accel_buffer *buffer, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_IO | VM_PFNMAP);
	vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	accel_buffer_vm_setup(buffer, vma, &accel_vram_buffer_vm_ops);
	return 0;
}

/* Allocation needs the card, which clears the memory. */
static int accel_vram_buffer_attach(struct accel_context *ctx, struct accel_buffer *buffer)
{
	u64 tables = accel_mmu_table_bytes(buffer->bytes);
	int ret;

	ret = accel_buffer_charge(ctx, buffer, ACCEL_RESOURCE_MEMORY);
	if (ret)
		return ret;
	ret = accel_quota_charge(ctx->quota, ctx->unlimited, ACCEL_RESOURCE_HOST_MEMORY, tables);
	if (ret)
		goto err_charge;
	ret = accel_vram_alloc(ctx->adev, buffer->bytes, &buffer->extents);
	if (ret)
		goto err_tables;
	return 0;

err_tables:
	accel_quota_uncharge(ctx->quota, ACCEL_RESOURCE_HOST_MEMORY, tables);
err_charge:
	accel_buffer_uncharge(buffer);
	return ret;
}

/* Frees the device memory, once. */
static void accel_vram_buffer_free_memory(struct accel_buffer *buffer)
{
	accel_vram_free(buffer->adev, &buffer->extents);
	if (buffer->quota)
		accel_quota_uncharge(buffer->quota, ACCEL_RESOURCE_HOST_MEMORY,
				     accel_mmu_table_bytes(buffer->bytes));
	accel_buffer_uncharge(buffer);
}

static void accel_vram_buffer_release(struct accel_buffer *buffer)
{
	accel_vram_buffer_free_memory(buffer);
	kfree(buffer);
}

static const struct accel_buffer_ops accel_vram_buffer_ops = {
	.kind = ACCEL_KIND_VRAM,
	.exportable = true,
	.driver_writes = true,
	.attach = accel_vram_buffer_attach,
	.map = accel_buffer_map_extents,
	.stop = accel_vram_buffer_free_memory,
	.mmap = accel_vram_buffer_mmap,
	.release = accel_vram_buffer_release,
};

/**
 * accel_vram_buffer_alloc() - create a buffer in device memory
 * @adev: the card
 * @bytes: length, whole pages, not zero
 * @prot: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 *
 * accel_buffer_attach() allocates the memory.
 *
 * Return: the buffer, not attached, or ERR_PTR(-ENOMEM).
 */
struct accel_buffer *accel_vram_buffer_alloc(struct accel_device *adev, u64 bytes, u32 prot)
{
	struct accel_buffer *buffer;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	accel_buffer_init(buffer, adev, &accel_vram_buffer_ops, bytes, prot);
	buffer->source = buffer;
	return buffer;
}
