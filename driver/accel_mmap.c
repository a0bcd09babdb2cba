// SPDX-License-Identifier: GPL-2.0
/*
 * accel_mmap.c - what a process can map, and how it is taken back.
 *
 * Offsets from ACCEL_VA_START up are addresses of the context: buffers and
 * queue memory. Below, where no address is, lie the doorbells, by queue id;
 * there 32-bit programs reach them, whose mmap2() ends at 2^44. Whatever is on
 * the card is entered by page fault, and a fault asks who owns it now; so a
 * mapping is revoked by zapping it, and what is touched after that is a dummy
 * page. The registers lie below the doorbells, for those who may look.
 *
 * All files of a card share one address space (an anonymous inode), so that
 * one call finds every mapping.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "accel.h"
#include "accel_compat.h"

#define ACCEL_MMAP_DOORBELLS	BIT_ULL(30)

/* On top of a fault, how much of device memory is entered with it. */
#define ACCEL_FAULT_AROUND	(64ULL << 10)

static struct vfsmount *accel_fs_mount;

static int accel_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, 0x4143434c) ? 0 : -ENOMEM;
}

/* No owner: the mount is the module's own, and must not keep it from being unloaded. */
static struct file_system_type accel_fs = {
	.name = "accel-card",
	.init_fs_context = accel_fs_init_context,
	.kill_sb = kill_anon_super,
};

int accel_fs_init(void)
{
	accel_fs_mount = kern_mount(&accel_fs);
	return PTR_ERR_OR_ZERO(accel_fs_mount);
}

/* Called when every card is gone, and so every inode. */
void accel_fs_fini(void)
{
	kern_unmount(accel_fs_mount);
}

u64 accel_mmap_doorbell(int queue)
{
	return ACCEL_MMAP_DOORBELLS + (u64)queue * ACCEL_DOORBELL_STRIDE;
}

int accel_mmap_init(struct accel_device *adev)
{
	struct inode *inode;

	BUILD_BUG_ON(PAGE_SIZE != ACCEL_DOORBELL_STRIDE);
	if (accel_mmap_doorbell(adev->queue_count) > ACCEL_VA_START)
		return dev_err_probe(&adev->pdev->dev, -ENODEV, "too many doorbells\n");
	inode = alloc_anon_inode(accel_fs_mount->mnt_sb);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	adev->inode = inode;
	return 0;
}

/* Called with the last file closed. */
void accel_mmap_fini(struct accel_device *adev)
{
	if (adev->inode)
		iput(adev->inode);
}

/**
 * accel_mmap_revoke_doorbell() - nobody reaches this doorbell any more
 * @adev: the card
 * @queue: id of the queue, which is not in the table any more
 */
void accel_mmap_revoke_doorbell(struct accel_device *adev, int queue)
{
	unmap_mapping_range(adev->inode->i_mapping, accel_mmap_doorbell(queue), PAGE_SIZE, 1);
}

/* Everything is entered again by fault; what is on the card as a dummy. */
void accel_mmap_revoke_all(struct accel_device *adev)
{
	unmap_mapping_range(adev->inode->i_mapping, 0, 0, 1);
}

static vm_fault_t accel_insert_dummy(struct vm_fault *vmf, struct accel_context *ctx)
{
	return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(ctx->dummy));
}

/* Doorbells: vm_private_data is the context. */

static vm_fault_t accel_doorbell_fault(struct vm_fault *vmf)
{
	struct accel_context *ctx = vmf->vma->vm_private_data;
	u64 offset = ((u64)vmf->pgoff << PAGE_SHIFT) - ACCEL_MMAP_DOORBELLS;
	struct accel_device *adev = ctx->adev;
	vm_fault_t ret;

	down_read(&adev->hw_lock);
	mutex_lock(&ctx->lock);
	if (!ctx->dead && accel_queue_owned(ctx, offset >> PAGE_SHIFT))
		ret = vmf_insert_pfn(vmf->vma, vmf->address,
				     (adev->doorbells + offset) >> PAGE_SHIFT);
	else
		ret = accel_insert_dummy(vmf, ctx);
	accel_context_leave(ctx);
	return ret;
}

static const struct vm_operations_struct accel_doorbell_ops = {
	.fault = accel_doorbell_fault,
};

static int accel_mmap_one_doorbell(struct accel_context *ctx, struct vm_area_struct *vma)
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

	/* A forked child has no queue; it must not ring its parent's. */
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_private_data = ctx;
	vma->vm_ops = &accel_doorbell_ops;
	return 0;
}

/* The register block: vm_private_data is the context. */

static vm_fault_t accel_registers_fault(struct vm_fault *vmf)
{
	struct accel_context *ctx = vmf->vma->vm_private_data;
	struct accel_device *adev = ctx->adev;
	vm_fault_t ret;

	down_read(&adev->hw_lock);
	if (ctx->dead)
		ret = accel_insert_dummy(vmf, ctx);
	else
		ret = vmf_insert_pfn(vmf->vma, vmf->address, adev->registers >> PAGE_SHIFT);
	up_read(&adev->hw_lock);
	return ret;
}

static const struct vm_operations_struct accel_registers_ops = {
	.fault = accel_registers_fault,
};

/* Reading a register changes nothing; writing one is the driver's alone. */
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
	vma->vm_ops = &accel_registers_ops;
	return 0;
}

/* Buffers: vm_private_data is the buffer, of which the mapping holds a reference. */

static void accel_buffer_vm_open(struct vm_area_struct *vma)
{
	struct accel_buffer *buffer = vma->vm_private_data;

	kref_get(&buffer->ref);
}

static void accel_buffer_vm_close(struct vm_area_struct *vma)
{
	accel_buffer_put(vma->vm_private_data);
}

static vm_fault_t accel_host_fault(struct vm_fault *vmf)
{
	struct accel_buffer *buffer = vmf->vma->vm_private_data;
	unsigned long index = vmf->pgoff - (buffer->va.start >> PAGE_SHIFT);

	if (index >= buffer->page_count)
		return VM_FAULT_SIGBUS;
	vmf->page = buffer->pages[index];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct accel_host_ops = {
	.open = accel_buffer_vm_open,
	.close = accel_buffer_vm_close,
	.fault = accel_host_fault,
};

/* Where a piece of the buffer is in device memory; ~0: nowhere, or not in one piece. */
static u64 accel_device_offset(struct accel_buffer *buffer, u64 offset, u64 bytes)
{
	struct accel_extent *extent;

	list_for_each_entry(extent, &buffer->extents, list) {
		if (offset < extent->bytes)
			return bytes <= extent->bytes - offset ? extent->offset + offset : U64_MAX;
		offset -= extent->bytes;
	}
	return U64_MAX;
}

/**
 * accel_mmap_insert() - enter device memory at a fault
 * @vmf: the fault; its mapping is one of PFNs
 * @source: whose memory it is; the caller sees to it that it stays
 * @start: offset in @source of the first byte of the mapping
 *
 * What is entered beyond the page that faulted is a bonus.
 *
 * Return: as a fault handler does.
 */
vm_fault_t accel_mmap_insert(struct vm_fault *vmf, struct accel_buffer *source, u64 start)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address;
	unsigned long end = min_t(unsigned long, vma->vm_end,
				  ALIGN(address + 1, ACCEL_FAULT_AROUND));
	vm_fault_t ret;

	do {
		u64 offset = accel_device_offset(source, start + (address - vma->vm_start),
						 PAGE_SIZE);

		if (offset == U64_MAX) {
			ret = VM_FAULT_SIGBUS;
			break;
		}
		ret = vmf_insert_pfn(vma, address, (source->adev->memory + offset) >> PAGE_SHIFT);
		address += PAGE_SIZE;
	} while (ret == VM_FAULT_NOPAGE && address < end);
	return address > vmf->address + PAGE_SIZE ? VM_FAULT_NOPAGE : ret;
}

#ifdef ACCEL_HAVE_HUGE_PFN
/**
 * accel_mmap_insert_huge() - enter 2 MiB of device memory at a fault
 * @vmf: the fault; its mapping is one of PFNs
 * @order: what the kernel would like to have entered
 * @source: whose memory it is; the caller sees to it that it stays
 * @start: offset in @source of the first byte of the mapping
 *
 * Return: VM_FAULT_FALLBACK where it does not fit; then a page is asked for.
 */
vm_fault_t accel_mmap_insert_huge(struct vm_fault *vmf, unsigned int order,
				  struct accel_buffer *source, u64 start)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address & PMD_MASK;
	u64 offset;

	if (order != PMD_ORDER || address < vma->vm_start || address + PMD_SIZE > vma->vm_end)
		return VM_FAULT_FALLBACK;
	offset = accel_device_offset(source, start + (address - vma->vm_start), PMD_SIZE);
	if (offset == U64_MAX || !IS_ALIGNED(source->adev->memory + offset, PMD_SIZE))
		return VM_FAULT_FALLBACK;
	return accel_compat_insert_huge(vmf, (source->adev->memory + offset) >> PAGE_SHIFT);
}

static vm_fault_t accel_device_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_buffer *buffer = vma->vm_private_data;
	struct accel_context *ctx = vma->vm_file->private_data;
	struct accel_device *adev = ctx->adev;
	vm_fault_t ret = VM_FAULT_FALLBACK;

	down_read(&adev->hw_lock);
	if (!ctx->dead)
		ret = accel_mmap_insert_huge(vmf, order, buffer,
					     ((u64)vma->vm_pgoff << PAGE_SHIFT) -
						     buffer->va.start);
	up_read(&adev->hw_lock);
	return ret;
}
#endif

static vm_fault_t accel_device_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct accel_buffer *buffer = vma->vm_private_data;
	struct accel_context *ctx = vma->vm_file->private_data;
	struct accel_device *adev = ctx->adev;
	vm_fault_t ret;

	down_read(&adev->hw_lock);
	if (ctx->dead)
		ret = accel_insert_dummy(vmf, ctx);
	else
		ret = accel_mmap_insert(vmf, buffer,
					((u64)vma->vm_pgoff << PAGE_SHIFT) - buffer->va.start);
	up_read(&adev->hw_lock);
	return ret;
}

static const struct vm_operations_struct accel_device_ops = {
	.open = accel_buffer_vm_open,
	.close = accel_buffer_vm_close,
	.fault = accel_device_fault,
#ifdef ACCEL_HAVE_HUGE_PFN
	.huge_fault = accel_device_huge_fault,
#endif
};

static int accel_mmap_buffer(struct accel_context *ctx, struct vm_area_struct *vma)
{
	u64 address = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 bytes = vma->vm_end - vma->vm_start;
	struct accel_buffer *buffer;
	struct accel_va *va;
	int ret;

	ret = accel_context_enter(ctx);
	if (ret)
		return ret;
	va = accel_va_find(ctx, address);
	if (!va || bytes > va->start + va->bytes - address) {
		ret = -EINVAL;
		goto out;
	}
	buffer = container_of(va, struct accel_buffer, va);
	if (buffer->kind == ACCEL_KIND_USER) {
		ret = -EINVAL;
		goto out;
	}
	if (buffer->kind == ACCEL_KIND_IMPORT) {
		/* It becomes a mapping of the dma-buf, whose exporter may take locks that come first. */
		kref_get(&buffer->ref);
		accel_context_leave(ctx);
		ret = accel_import_mmap(buffer, vma);
		accel_buffer_put(buffer);
		return ret;
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (buffer->queue)
		vm_flags_set(vma, VM_DONTCOPY);
	if (buffer->kind == ACCEL_KIND_DEVICE) {
		vm_flags_set(vma, VM_IO | VM_PFNMAP);
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
		vma->vm_ops = &accel_device_ops;
	} else {
		vma->vm_ops = &accel_host_ops;
	}
	vma->vm_private_data = buffer;
	kref_get(&buffer->ref);
out:
	accel_context_leave(ctx);
	return ret;
}

int accel_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct accel_context *ctx = file->private_data;

	/* A private copy of memory that the card writes would show neither side. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if ((u64)vma->vm_pgoff << PAGE_SHIFT == ACCEL_MMAP_REGISTERS)
		return accel_mmap_registers(ctx, vma);
	if ((u64)vma->vm_pgoff << PAGE_SHIFT < ACCEL_VA_START)
		return accel_mmap_one_doorbell(ctx, vma);
	return accel_mmap_buffer(ctx, vma);
}
