// SPDX-License-Identifier: GPL-2.0
/*
 * accel_export_vm.c - the mappings of exports.
 *
 * vm_private_data of a mapping is the export. The file of the mapping keeps the
 * export alive. A mapping of a revoked export shows the dummy page.
 */
#include <linux/dma-buf.h>
#include <linux/mm.h>

#include "accel_compat.h"
#include "accel_export_vm.h"
#include "accel_mapping.h"
#include "accel_vram.h"

static void accel_export_vm_open(struct vm_area_struct *vma)
{
	struct accel_export *export = vma->vm_private_data;

	mutex_lock(&export->lock);
	export->mappings++;
	mutex_unlock(&export->lock);
}

static void accel_export_vm_close(struct vm_area_struct *vma)
{
	struct accel_export *export = vma->vm_private_data;

	mutex_lock(&export->lock);
	export->mappings--;
	mutex_unlock(&export->lock);
}

static vm_fault_t accel_export_host_fault(struct vm_fault *vmf)
{
	struct accel_export *export = vmf->vma->vm_private_data;
	struct accel_buffer *buffer = export->buffer;
	vm_fault_t ret = 0;
	struct page *page;

	if (vmf->pgoff >= buffer->page_count)
		return VM_FAULT_SIGBUS;
	mutex_lock(&export->lock);
	page = export->revoked ? export->dummy : buffer->pages[vmf->pgoff];
	if (vmf->vma->vm_flags & VM_PFNMAP) {
		ret = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
	} else {
		vmf->page = page;
		get_page(page);
	}
	mutex_unlock(&export->lock);
	return ret;
}

static const struct vm_operations_struct accel_export_host_vm_ops = {
	.open = accel_export_vm_open,
	.close = accel_export_vm_close,
	.fault = accel_export_host_fault,
};

static vm_fault_t accel_export_vram_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_export *export = vma->vm_private_data;
	vm_fault_t ret;

	mutex_lock(&export->lock);
	if (export->revoked)
		ret = accel_mapping_insert_dummy(vmf, export->dummy);
	else
		ret = accel_vram_insert(vmf, export->adev, &export->buffer->extents,
					(u64)vma->vm_pgoff << PAGE_SHIFT);
	mutex_unlock(&export->lock);
	return ret;
}

#ifdef ACCEL_HAVE_HUGE_PFN
static vm_fault_t accel_export_vram_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_export *export = vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_FALLBACK;

	mutex_lock(&export->lock);
	if (!export->revoked)
		ret = accel_vram_insert_huge(vmf, order, export->adev,
					     &export->buffer->extents,
					     (u64)vma->vm_pgoff << PAGE_SHIFT);
	mutex_unlock(&export->lock);
	return ret;
}
#endif

static const struct vm_operations_struct accel_export_vram_vm_ops = {
	.open = accel_export_vm_open,
	.close = accel_export_vm_close,
	.fault = accel_export_vram_fault,
#ifdef ACCEL_HAVE_HUGE_PFN
	.huge_fault = accel_export_vram_huge_fault,
#endif
};

int accel_export_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct accel_export *export = dmabuf->priv;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (export->buffer->source) {
		vm_flags_set(vma, VM_IO | VM_PFNMAP);
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
		vma->vm_ops = &accel_export_vram_vm_ops;
	} else {
		/* Pages that can be revoked must not be pinned through a mapping. */
		if (export->flags & ACCEL_EXPORT_REVOKE)
			vm_flags_set(vma, VM_IO | VM_PFNMAP);
		vma->vm_ops = &accel_export_host_vm_ops;
	}
	vma->vm_private_data = export;
	accel_export_vm_open(vma);
	return 0;
}
