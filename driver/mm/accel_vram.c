// SPDX-License-Identifier: GPL-2.0
/*
 * accel_vram.c - the allocator of device memory, and its page faults.
 *
 * An allocation has as few extents as the free memory permits. An extent of
 * 2 MiB or more is aligned to 2 MiB, so that it uses large pages. The card clears
 * memory before a process gets it, so no process reads the data of another.
 */
#include <linux/genalloc.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "accel_admin.h"
#include "accel_compat.h"
#include "accel_section.h"
#include "accel_vram.h"

/* gen_pool reports failure as address zero, which is a valid offset in device memory. */
#define ACCEL_POOL_BASE		BIT_ULL(62)
/* One admin command clears at most this much, so that other callers get their turn. */
#define ACCEL_CLEAR_BYTES	(16ULL << 20)
/* A page fault maps the surrounding range of this size as well. */
#define ACCEL_FAULT_AROUND	(64ULL << 10)

int accel_vram_init(struct accel_device *adev)
{
	int node = dev_to_node(&adev->pdev->dev);
	int ret;

	adev->vram_pool = gen_pool_create(PAGE_SHIFT, node);
	if (!adev->vram_pool)
		return -ENOMEM;
	ret = gen_pool_add(adev->vram_pool, ACCEL_POOL_BASE, adev->vram_size, node);
	if (ret) {
		gen_pool_destroy(adev->vram_pool);
		adev->vram_pool = NULL;
	}
	return ret;
}

/* The last file is closed, so no extent is in use. */
void accel_vram_fini(struct accel_device *adev)
{
	if (adev->vram_pool)
		gen_pool_destroy(adev->vram_pool);
}

static int accel_vram_clear(struct accel_device *adev, u64 offset, u64 bytes)
{
	struct accel_admin_command command = { .opcode = ACCEL_ADMIN_CLEAR_MEMORY };
	u64 length;
	int ret;

	for (; bytes; offset += length, bytes -= length) {
		if (fatal_signal_pending(current))
			return -EINTR;
		length = min(bytes, ACCEL_CLEAR_BYTES);
		command.clear_memory.address = cpu_to_le64(offset);
		command.clear_memory.bytes = cpu_to_le64(length);
		ret = accel_admin_run(adev, &command);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * accel_vram_alloc() - allocate cleared device memory
 * @adev: the card; the caller is in a section
 * @bytes: length, whole pages
 * @extents: list for the extents
 *
 * Return: 0, -ENOSPC when the card is full, or another -errno.
 */
int accel_vram_alloc(struct accel_device *adev, u64 bytes, struct list_head *extents)
{
	u64 length = bytes;
	int ret;

	accel_section_assert(adev);
	if (bytes > gen_pool_avail(adev->vram_pool))
		return -ENOSPC;
	while (bytes) {
		struct genpool_data_align align = {
			.align = length >= ACCEL_LARGE_SIZE ? ACCEL_LARGE_SIZE : PAGE_SIZE,
		};
		struct accel_extent *extent;
		unsigned long address;

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			goto err;
		}
		address = gen_pool_alloc_algo(adev->vram_pool, length,
					      gen_pool_first_fit_align, &align);
		if (!address) {
			if (length <= PAGE_SIZE) {
				ret = -ENOSPC;
				goto err;
			}
			/* Try the next smaller power of two, which keeps large pages whole. */
			length = rounddown_pow_of_two(length - 1);
			continue;
		}
		extent = kmalloc(sizeof(*extent), GFP_KERNEL_ACCOUNT);
		if (!extent) {
			gen_pool_free(adev->vram_pool, address, length);
			ret = -ENOMEM;
			goto err;
		}
		extent->offset = address - ACCEL_POOL_BASE;
		extent->bytes = length;
		list_add_tail(&extent->list, extents);
		ret = accel_vram_clear(adev, extent->offset, length);
		if (ret)
			goto err;
		bytes -= length;
		length = min(length, bytes);
	}
	return 0;

err:
	accel_vram_free(adev, extents);
	return ret;
}

/**
 * accel_vram_free() - free device memory
 * @adev: the card; the hardware may be absent
 * @extents: extents of accel_vram_alloc(); the list is empty afterwards
 */
void accel_vram_free(struct accel_device *adev, struct list_head *extents)
{
	struct accel_extent *extent, *next;

	list_for_each_entry_safe(extent, next, extents, list) {
		gen_pool_free(adev->vram_pool, ACCEL_POOL_BASE + extent->offset, extent->bytes);
		list_del(&extent->list);
		kfree(extent);
		cond_resched();
	}
}

/* The offset in device memory of a range of an allocation; ~0 if it is not contiguous. */
static u64 accel_vram_offset(const struct list_head *extents, u64 offset, u64 bytes)
{
	struct accel_extent *extent;

	list_for_each_entry(extent, extents, list) {
		if (offset < extent->bytes)
			return bytes <= extent->bytes - offset ? extent->offset + offset : U64_MAX;
		offset -= extent->bytes;
	}
	return U64_MAX;
}

/**
 * accel_vram_insert() - map device memory at a page fault
 * @vmf: the fault, in a mapping of PFNs
 * @adev: the card
 * @extents: the memory; the caller keeps it allocated
 * @start: offset in the allocation of the first byte of the mapping
 *
 * The function maps the page that faulted, and some of its neighbors if it can.
 *
 * Return: the result of a fault handler.
 */
vm_fault_t accel_vram_insert(struct vm_fault *vmf, struct accel_device *adev,
			     const struct list_head *extents, u64 start)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address;
	unsigned long end = min_t(unsigned long, vma->vm_end,
				  ALIGN(address + 1, ACCEL_FAULT_AROUND));
	vm_fault_t ret;

	do {
		u64 offset = accel_vram_offset(extents, start + (address - vma->vm_start),
					       PAGE_SIZE);

		if (offset == U64_MAX) {
			ret = VM_FAULT_SIGBUS;
			break;
		}
		ret = vmf_insert_pfn(vma, address, (adev->vram_phys + offset) >> PAGE_SHIFT);
		address += PAGE_SIZE;
	} while (ret == VM_FAULT_NOPAGE && address < end);
	return address > vmf->address + PAGE_SIZE ? VM_FAULT_NOPAGE : ret;
}

#ifdef ACCEL_HAVE_HUGE_PFN
/**
 * accel_vram_insert_huge() - map 2 MiB of device memory at a page fault
 * @vmf: the fault, in a mapping of PFNs
 * @order: order of the page that the kernel asks for
 * @adev: the card
 * @extents: the memory; the caller keeps it allocated
 * @start: offset in the allocation of the first byte of the mapping
 *
 * Return: VM_FAULT_FALLBACK if 2 MiB do not fit; the kernel then asks for a page.
 */
vm_fault_t accel_vram_insert_huge(struct vm_fault *vmf, unsigned int order,
				  struct accel_device *adev, const struct list_head *extents,
				  u64 start)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address & PMD_MASK;
	u64 offset;

	if (order != PMD_ORDER || address < vma->vm_start || address + PMD_SIZE > vma->vm_end)
		return VM_FAULT_FALLBACK;
	offset = accel_vram_offset(extents, start + (address - vma->vm_start), PMD_SIZE);
	if (offset == U64_MAX || !IS_ALIGNED(adev->vram_phys + offset, PMD_SIZE))
		return VM_FAULT_FALLBACK;
	return accel_compat_insert_huge(vmf, (adev->vram_phys + offset) >> PAGE_SHIFT);
}
#endif
