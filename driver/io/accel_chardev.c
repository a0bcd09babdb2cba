// SPDX-License-Identifier: GPL-2.0
/*
 * accel_chardev.c - the node /dev/accelN: class, number, file operations, and the
 * lifetime of struct accel_device.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "accel_chardev.h"
#include "accel_copy_queue.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_fdinfo.h"
#include "accel_file.h"
#include "accel_ioctl.h"
#include "accel_mapping.h"
#include "accel_mmap.h"
#include "accel_quota.h"
#include "accel_sleep.h"
#include "accel_sysfs.h"
#include "accel_transfer.h"
#include "accel_uring.h"
#include "accel_vram.h"

#define ACCEL_MINORS	256

static dev_t accel_first;
static DEFINE_IDA(accel_minors);

/* Newer kernels have their own class "accel". */
static struct class accel_class = {
	.name = "accel-card",
};

static int accel_open(struct inode *inode, struct file *file)
{
	struct accel_device *adev = container_of(inode->i_cdev, struct accel_device, cdev);
	struct accel_context *ctx;

	ctx = accel_file_open(adev, file->f_flags & O_NONBLOCK);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	file->private_data = ctx;
	file->f_mapping = adev->inode->i_mapping;
	/* io_uring begins transfers without a worker: accel_transfer.c honors IOCB_NOWAIT. */
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int accel_flush(struct file *file, fl_owner_t owner)
{
	accel_uring_flush(file->private_data, owner);
	return 0;
}

static int accel_release(struct inode *inode, struct file *file)
{
	accel_file_release(file->private_data);
	return 0;
}

/* Offsets are addresses of the context, so SEEK_END has no meaning. */
static loff_t accel_llseek(struct file *file, loff_t offset, int whence)
{
	return no_seek_end_llseek(file, offset, whence);
}

static __poll_t accel_poll(struct file *file, poll_table *table)
{
	return accel_sleep_poll(file->private_data, file, table);
}

static const struct file_operations accel_fops = {
	.owner = THIS_MODULE,
	.open = accel_open,
	.read_iter = accel_read_iter,
	.write_iter = accel_write_iter,
	.release = accel_release,
	.unlocked_ioctl = accel_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = accel_mmap,
	/* Aligned, so that a fault can map 2 MiB at a time. */
	.get_unmapped_area = thp_get_unmapped_area,
	.poll = accel_poll,
	.uring_cmd = accel_uring_cmd,
	.flush = accel_flush,
	.llseek = accel_llseek,
	.show_fdinfo = accel_fdinfo_show,
};

/* The driver is unbound, and the last file is closed. */
static void accel_device_release(struct device *dev)
{
	struct accel_device *adev = accel_device_of(dev);

	ida_free(&accel_minors, adev->id);
	accel_vram_fini(adev);
	accel_mapping_fini(adev);
	accel_copy_queue_free(adev);
	accel_quota_fini(adev);
	accel_event_log_fini(adev);
	accel_failure_fini(adev);
	put_pid(adev->end.culprit);
	ida_destroy(&adev->context_ids);
	ida_destroy(&adev->queue_ids);
	pci_dev_put(adev->pdev);
	cleanup_srcu_struct(&adev->sections);
	kfree(adev);
}

/**
 * accel_device_alloc() - allocate a card without hardware and node
 * @pdev: the PCI function
 *
 * Return: the card, to be released by put_device(), or ERR_PTR(-errno).
 */
struct accel_device *accel_device_alloc(struct pci_dev *pdev)
{
	struct accel_device *adev;
	int id, ret;

	adev = kzalloc(sizeof(*adev), GFP_KERNEL);
	if (!adev)
		return ERR_PTR(-ENOMEM);
	ret = init_srcu_struct(&adev->sections);
	if (ret)
		goto err_free;
	id = ida_alloc_max(&accel_minors, ACCEL_MINORS - 1, GFP_KERNEL);
	if (id < 0) {
		ret = id;
		goto err_srcu;
	}
	adev->id = id;
	adev->pdev = pci_dev_get(pdev);
	adev->stop_errno = -ENODEV;
	adev->end.reason = ACCEL_REASON_REMOVED;
	mutex_init(&adev->stop_lock);
	init_waitqueue_head(&adev->stop_wait);
	spin_lock_init(&adev->lock);
	INIT_LIST_HEAD(&adev->contexts);
	mutex_init(&adev->exports_lock);
	INIT_LIST_HEAD(&adev->exports);
	spin_lock_init(&adev->imports_lock);
	INIT_LIST_HEAD(&adev->imports);
	ida_init(&adev->context_ids);
	ida_init(&adev->queue_ids);

	device_initialize(&adev->dev);
	adev->dev.class = &accel_class;
	adev->dev.groups = accel_sysfs_groups;
	adev->dev.parent = &pdev->dev;
	adev->dev.devt = MKDEV(MAJOR(accel_first), id);
	adev->dev.release = accel_device_release;
	dev_set_drvdata(&adev->dev, adev);
	ret = dev_set_name(&adev->dev, "accel%d", id);
	if (!ret)
		ret = accel_event_log_init(adev);
	if (!ret)
		ret = accel_failure_init(adev);
	if (ret) {
		put_device(&adev->dev);
		return ERR_PTR(ret);
	}
	return adev;

err_srcu:
	cleanup_srcu_struct(&adev->sections);
err_free:
	kfree(adev);
	return ERR_PTR(ret);
}

int accel_chardev_add(struct accel_device *adev)
{
	int ret;

	cdev_init(&adev->cdev, &accel_fops);
	adev->cdev.owner = THIS_MODULE;
	ret = cdev_device_add(&adev->cdev, &adev->dev);
	if (!ret)
		accel_event_log_publish(adev);
	return ret;
}

void accel_chardev_del(struct accel_device *adev)
{
	accel_event_log_unpublish(adev);
	cdev_device_del(&adev->cdev, &adev->dev);
}

int accel_chardev_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&accel_first, 0, ACCEL_MINORS, "accel-card");
	if (ret)
		return ret;
	ret = class_register(&accel_class);
	if (ret)
		unregister_chrdev_region(accel_first, ACCEL_MINORS);
	return ret;
}

void accel_chardev_fini(void)
{
	class_unregister(&accel_class);
	unregister_chrdev_region(accel_first, ACCEL_MINORS);
	ida_destroy(&accel_minors);
}
