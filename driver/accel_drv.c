// SPDX-License-Identifier: GPL-2.0
/*
 * accel_drv.c - the module and the PCI driver: probe and remove.
 *
 * remove() undoes probe() in reverse order. The node appears last and disappears
 * first. Reset and suspend are in accel_error.c.
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "accel_admin.h"
#include "accel_card.h"
#include "accel_chardev.h"
#include "accel_coherent.h"
#include "accel_compat.h"
#include "accel_copy_queue.h"
#include "accel_coredump.h"
#include "accel_debugfs.h"
#include "accel_error.h"
#include "accel_event.h"
#include "accel_event_log.h"
#include "accel_hwmon.h"
#include "accel_irq.h"
#include "accel_mapping.h"
#include "accel_mmio.h"
#include "accel_progress.h"
#include "accel_queue_control.h"
#include "accel_quota.h"
#include "accel_recovery.h"
#include "accel_vram.h"
#include "accel_wait.h"
#include "accel_watchdog.h"

static unsigned int accel_time_limit_ms = 30000;
module_param_named(time_limit_ms, accel_time_limit_ms, uint, 0644);
MODULE_PARM_DESC(time_limit_ms,
		 "longest device time of a command in ms, for cards bound later; 0: unlimited");

static bool accel_irq_queues(struct accel_device *adev, int vector)
{
	bool more = accel_copy_queue_interrupt(adev, vector);

	return accel_wait_interrupt(adev, vector) || more;
}

static void accel_irq_queues_thread(struct accel_device *adev, int vector)
{
	accel_copy_queue_thread(adev, vector);
	accel_wait_thread(adev, vector);
}

static const struct accel_irq_ops accel_irq_work = {
	.admin = accel_admin_wake,
	.queues = accel_irq_queues,
	.queues_thread = accel_irq_queues_thread,
	.events = accel_events_thread,
};

static const struct accel_event_handler accel_event_handlers[] = {
	{ ACCEL_EVENT_QUEUE_ERROR, accel_copy_queue_event },
	{ ACCEL_EVENT_QUEUE_ERROR, accel_coredump_event },
	{ ACCEL_EVENT_QUEUE_ERROR, accel_queue_event },
};

static void accel_read_limits(struct accel_device *adev)
{
	struct pci_dev *pdev = adev->pdev;

	adev->features = accel_read64(adev, ACCEL_REG_FEATURES);
	adev->queue_count = accel_read32(adev, ACCEL_REG_QUEUES);
	adev->context_count = accel_read32(adev, ACCEL_REG_CONTEXTS);
	adev->ring_entries = accel_read32(adev, ACCEL_REG_RING_ENTRIES);
	adev->engines = accel_read32(adev, ACCEL_REG_ENGINES);
	adev->clock_hz = accel_read32(adev, ACCEL_REG_CLOCK_HZ);
	adev->vram_size = accel_read64(adev, ACCEL_REG_MEMORY_SIZE);
	adev->regs_phys = pci_resource_start(pdev, ACCEL_BAR_REGISTERS);
	adev->doorbells_phys = pci_resource_start(pdev, ACCEL_BAR_DOORBELLS);
	adev->vram_phys = pci_resource_start(pdev, ACCEL_BAR_MEMORY);
}

static bool accel_limits_valid(struct accel_device *adev)
{
	struct pci_dev *pdev = adev->pdev;

	return accel_read32(adev, ACCEL_REG_VA_BITS) == ACCEL_VA_BITS &&
	       (!(adev->features & ACCEL_FEATURE_SCATTER) ||
		accel_read32(adev, ACCEL_REG_SEGMENTS) >= ACCEL_COPY_SEGMENTS) &&
	       adev->queue_count && adev->context_count && adev->clock_hz &&
	       is_power_of_2(adev->ring_entries) && adev->ring_entries <= BIT(20) &&
	       pci_resource_len(pdev, ACCEL_BAR_DOORBELLS) >=
		       (u64)adev->queue_count * ACCEL_DOORBELL_STRIDE &&
	       adev->vram_size <= pci_resource_len(pdev, ACCEL_BAR_MEMORY);
}

/* Maps the registers and checks that the driver supports this card. */
static int accel_bars_init(struct accel_device *adev)
{
	struct pci_dev *pdev = adev->pdev;
	struct device *dev = &pdev->dev;
	u32 magic, version;
	int ret;

	ret = accel_compat_request_regions(pdev, ACCEL_NAME);
	if (ret)
		return dev_err_probe(dev, ret,
				     "cannot claim BARs: another driver uses them; unbind it\n");
	if (pci_resource_len(pdev, ACCEL_BAR_REGISTERS) < ACCEL_REGISTERS_SIZE)
		return dev_err_probe(dev, -ENODEV,
				     "BAR0 has %llu of %u bytes; update the firmware of the card\n",
				     (u64)pci_resource_len(pdev, ACCEL_BAR_REGISTERS),
				     ACCEL_REGISTERS_SIZE);
	adev->regs = pcim_iomap(pdev, ACCEL_BAR_REGISTERS, 0);
	adev->doorbell_regs = pcim_iomap(pdev, ACCEL_BAR_DOORBELLS, 0);
	if (!adev->regs || !adev->doorbell_regs)
		return dev_err_probe(dev, -ENOMEM,
				     "cannot map BARs: no address space; unload other drivers\n");

	magic = accel_read32(adev, ACCEL_REG_MAGIC);
	version = accel_read32(adev, ACCEL_REG_VERSION);
	if (magic != ACCEL_MAGIC)
		return dev_err_probe(dev, -ENODEV,
				     "unknown card: magic %#010x, not %#010x; unbind the driver\n",
				     magic, ACCEL_MAGIC);
	if (version >> 16 != ACCEL_VERSION_MAJOR)
		return dev_err_probe(dev, -ENODEV,
				     "wrong hardware version %u.%u: not %u.x; get another driver\n",
				     version >> 16, version & 0xffff, ACCEL_VERSION_MAJOR);
	accel_read_limits(adev);
	if (!accel_limits_valid(adev))
		return dev_err_probe(dev, -ENODEV,
				     "limits and BARs do not match; update the card's firmware\n");
	/* A page can be mapped write-combining only if the whole range is reserved for that. */
	return devm_arch_io_reserve_memtype_wc(dev, adev->vram_phys, adev->vram_size);
}

/* Allocates the parts of a card that open files may use until their end. */
static int accel_shared_init(struct accel_device *adev)
{
	int ret;

	adev->queues = devm_kcalloc(&adev->pdev->dev, adev->queue_count, sizeof(*adev->queues),
				    GFP_KERNEL);
	if (!adev->queues)
		return -ENOMEM;
	/* accel_device_release() frees these. */
	ret = accel_quota_init(adev);
	if (ret)
		return ret;
	ret = accel_coredump_init(adev);
	if (ret)
		return ret;
	ret = accel_watchdog_init(adev);
	if (ret)
		return ret;
	ret = accel_coherent_init(adev);
	if (ret)
		return ret;
	ret = accel_mapping_init(adev);
	if (ret)
		return ret;
	return accel_vram_init(adev);
}

/* Allocates the driver's own queues and interrupts. */
static int accel_queues_init(struct accel_device *adev)
{
	int ret;

	ret = accel_admin_init(adev);
	if (ret)
		return ret;
	ret = accel_progress_init(adev);
	if (ret)
		goto err_admin;
	ret = accel_events_init(adev, accel_event_handlers, ARRAY_SIZE(accel_event_handlers));
	if (ret)
		goto err_reports;
	ret = accel_copy_queue_init(adev);
	if (ret)
		goto err_events;
	ret = accel_irq_init(adev, &accel_irq_work);
	if (ret)
		goto err_copy;
	return 0;

err_copy:
	accel_copy_queue_fini(adev);
err_events:
	accel_events_fini(adev);
err_reports:
	accel_progress_fini(adev);
err_admin:
	accel_admin_fini(adev);
	return ret;
}

static void accel_queues_fini(struct accel_device *adev)
{
	accel_irq_fini(adev);
	accel_coredump_fini(adev);
	accel_copy_queue_fini(adev);
	accel_events_fini(adev);
	accel_progress_fini(adev);
	accel_admin_fini(adev);
}

static int accel_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct accel_device *adev;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return dev_err_probe(&pdev->dev, ret,
				     "no 64-bit DMA: the platform lacks it; use another slot\n");
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);

	adev = accel_device_alloc(pdev);
	if (IS_ERR(adev))
		return PTR_ERR(adev);
	pci_set_drvdata(pdev, adev);
	adev->time_limit_ms = accel_time_limit_ms;

	ret = accel_bars_init(adev);
	if (ret)
		goto err_put;
	ret = accel_shared_init(adev);
	if (ret)
		goto err_put;
	ret = accel_queues_init(adev);
	if (ret)
		goto err_put;
	ret = accel_card_start(adev);
	if (ret)
		goto err_queues;
	pci_save_state(pdev);	/* for accel_slot_reset() */
	ret = accel_hwmon_add(adev);
	if (ret)
		goto err_stop;
	accel_debugfs_add(adev);
	ret = accel_chardev_add(adev);
	if (ret)
		goto err_debugfs;
	accel_recovery_enable(adev);
	accel_watchdog_start(adev);

	dev_info(&pdev->dev, "%s: serial %016llx, %llu MiB, %u queues, %d vectors\n",
		 dev_name(&adev->dev), accel_read64(adev, ACCEL_REG_SERIAL),
		 adev->vram_size >> 20, adev->queue_count, adev->vector_count);
	return 0;

err_debugfs:
	accel_debugfs_del(adev);
	accel_hwmon_del(adev);
err_stop:
	accel_card_stop(adev, ACCEL_REASON_REMOVED, NULL);
err_queues:
	accel_queues_fini(adev);
err_put:
	put_device(&adev->dev);
	return ret;
}

static void accel_remove(struct pci_dev *pdev)
{
	struct accel_device *adev = pci_get_drvdata(pdev);

	accel_recovery_disable(adev);
	accel_watchdog_stop(adev);
	accel_chardev_del(adev);
	accel_debugfs_del(adev);
	accel_hwmon_del(adev);
	accel_card_stop(adev, ACCEL_REASON_REMOVED, NULL);
	accel_coherent_fini(adev);
	accel_queues_fini(adev);
	put_device(&adev->dev);
}

static const struct pci_device_id accel_ids[] = {
	{ PCI_DEVICE(ACCEL_PCI_VENDOR, ACCEL_PCI_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, accel_ids);

static struct pci_driver accel_driver = {
	.name = ACCEL_NAME,
	.id_table = accel_ids,
	.probe = accel_probe,
	.remove = accel_remove,
	.err_handler = &accel_error_handlers,
	.driver.pm = pm_sleep_ptr(&accel_pm_ops),
};

static int __init accel_init(void)
{
	int ret;

	ret = accel_mapping_mount();
	if (ret)
		return ret;
	ret = accel_chardev_init();
	if (ret)
		goto err_mount;
	accel_debugfs_init();
	ret = pci_register_driver(&accel_driver);
	if (ret)
		goto err_debugfs;
	return 0;

err_debugfs:
	accel_debugfs_fini();
	accel_chardev_fini();
err_mount:
	accel_mapping_unmount();
	return ret;
}
module_init(accel_init);

static void __exit accel_exit(void)
{
	pci_unregister_driver(&accel_driver);
	accel_debugfs_fini();
	accel_chardev_fini();
	accel_mapping_unmount();
}
module_exit(accel_exit);

MODULE_DESCRIPTION("Driver for accel PCI Express machine-learning accelerators");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
