// SPDX-License-Identifier: GPL-2.0
/*
 * accel_mapping.c - the address space that all mappings of a card share.
 *
 * Every file of a card uses the address space of one anonymous inode, so that
 * one call finds and revokes every mapping. A revoked mapping faults again, and
 * its fault handler checks the owner of the address at that time.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "accel_mapping.h"
#include "accel_va.h"

static struct vfsmount *accel_mapping_fs_mount;

static int accel_mapping_fs_init(struct fs_context *fc)
{
	return init_pseudo(fc, 0x4143434c) ? 0 : -ENOMEM;
}

/* It has no owner: the module itself holds the mount, and must stay unloadable. */
static struct file_system_type accel_mapping_fs = {
	.name = "accel-card",
	.init_fs_context = accel_mapping_fs_init,
	.kill_sb = kill_anon_super,
};

int accel_mapping_mount(void)
{
	accel_mapping_fs_mount = kern_mount(&accel_mapping_fs);
	return PTR_ERR_OR_ZERO(accel_mapping_fs_mount);
}

/* Every card is gone, and so is every inode. */
void accel_mapping_unmount(void)
{
	kern_unmount(accel_mapping_fs_mount);
}

int accel_mapping_init(struct accel_device *adev)
{
	struct inode *inode;

	BUILD_BUG_ON(PAGE_SIZE != ACCEL_DOORBELL_STRIDE);
	if (accel_mapping_doorbell(adev->queue_count) > ACCEL_VA_START)
		return dev_err_probe(&adev->pdev->dev, -ENODEV,
				     "too many doorbells: %u queues; get a newer driver\n",
				     adev->queue_count);
	inode = alloc_anon_inode(accel_mapping_fs_mount->mnt_sb);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	adev->inode = inode;
	return 0;
}

/* The last file is closed. */
void accel_mapping_fini(struct accel_device *adev)
{
	if (adev->inode)
		iput(adev->inode);
}

/**
 * accel_mapping_revoke_doorbell() - end the access of all processes to a doorbell
 * @adev: the card
 * @queue: id of the queue, which no context owns any more
 */
void accel_mapping_revoke_doorbell(struct accel_device *adev, int queue)
{
	unmap_mapping_range(adev->inode->i_mapping, accel_mapping_doorbell(queue), PAGE_SIZE, 1);
}

/* Removes all pages from all mappings. Addresses of the card fault in a zero page after that. */
void accel_mapping_revoke_all(struct accel_device *adev)
{
	unmap_mapping_range(adev->inode->i_mapping, 0, 0, 1);
}

/**
 * accel_mapping_insert_dummy() - map a page of host memory at a fault, in place of the card
 * @vmf: the fault, in a mapping of PFNs
 * @dummy: the page
 *
 * The kernel cleared the page through the caches. So the mapping is cached, unlike those of
 * the card: another mapping might show what the page had before.
 *
 * Return: the result of a fault handler.
 */
vm_fault_t accel_mapping_insert_dummy(struct vm_fault *vmf, struct page *dummy)
{
	struct vm_area_struct *vma = vmf->vma;

	return vmf_insert_pfn_prot(vma, vmf->address, page_to_pfn(dummy),
				   vm_get_page_prot(vma->vm_flags));
}
