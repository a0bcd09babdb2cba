// SPDX-License-Identifier: GPL-2.0
/*
 * accel_drv.c - the module and the PCI driver: probe, remove, reset, suspend.
 *
 * remove() undoes probe() in reverse. The node appears last and disappears
 * first. Reset and suspend take the hardware half away and bring it back with
 * the very functions that probe and remove use; what was open meanwhile fails
 * with -ESTALE.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "accel.h"

static int accel_bars_init(struct accel_device *adev)
{
	struct pci_dev *pdev = adev->pdev;
	u32 magic, version;
	int ret;

	ret = pci_request_regions(pdev, ACCEL_NAME);	/* managed */
	if (ret)
		return dev_err_probe(&pdev->dev, ret, "the BARs are in use\n");
	if (pci_resource_len(pdev, ACCEL_BAR_REGISTERS) < ACCEL_REGISTERS_SIZE)
		return dev_err_probe(&pdev->dev, -ENODEV, "BAR0 is too small\n");
	adev->regs = pcim_iomap(pdev, ACCEL_BAR_REGISTERS, 0);
	adev->doorbell_regs = pcim_iomap(pdev, ACCEL_BAR_DOORBELLS, 0);
	if (!adev->regs || !adev->doorbell_regs)
		return dev_err_probe(&pdev->dev, -ENOMEM, "cannot map the registers\n");

	magic = readl(adev->regs + ACCEL_REG_MAGIC);
	version = readl(adev->regs + ACCEL_REG_VERSION);
	if (magic != ACCEL_MAGIC)
		return dev_err_probe(&pdev->dev, -ENODEV, "not this card: magic %#010x\n", magic);
	if (version >> 16 != ACCEL_VERSION_MAJOR)
		return dev_err_probe(&pdev->dev, -ENODEV,
				     "hardware version %u.%u, this driver knows %u.x\n",
				     version >> 16, version & 0xffff, ACCEL_VERSION_MAJOR);

	adev->features = accel_read64(adev, ACCEL_REG_FEATURES);
	adev->queue_count = readl(adev->regs + ACCEL_REG_QUEUES);
	adev->context_count = readl(adev->regs + ACCEL_REG_CONTEXTS);
	adev->ring_entries = readl(adev->regs + ACCEL_REG_RING_ENTRIES);
	adev->engines = readl(adev->regs + ACCEL_REG_ENGINES);
	adev->clock_hz = readl(adev->regs + ACCEL_REG_CLOCK_HZ);
	adev->memory_size = accel_read64(adev, ACCEL_REG_MEMORY_SIZE);
	adev->registers = pci_resource_start(pdev, ACCEL_BAR_REGISTERS);
	adev->doorbells = pci_resource_start(pdev, ACCEL_BAR_DOORBELLS);
	adev->memory = pci_resource_start(pdev, ACCEL_BAR_MEMORY);

	if (!adev->queue_count || !adev->context_count || !adev->clock_hz ||
	    !is_power_of_2(adev->ring_entries) || adev->ring_entries > BIT(20) ||
	    pci_resource_len(pdev, ACCEL_BAR_DOORBELLS) <
		    (u64)adev->queue_count * ACCEL_DOORBELL_STRIDE ||
	    adev->memory_size > pci_resource_len(pdev, ACCEL_BAR_MEMORY))
		return dev_err_probe(&pdev->dev, -ENODEV, "limits and BARs do not agree\n");
	accel_account_init(adev);
	/* A page of it is mapped write-combining only if the kernel knows that of the whole. */
	return devm_arch_io_reserve_memtype_wc(&pdev->dev, adev->memory, adev->memory_size);
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
		return dev_err_probe(&pdev->dev, ret, "no 64-bit DMA\n");
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);

	adev = accel_device_alloc(pdev);
	if (IS_ERR(adev))
		return PTR_ERR(adev);
	pci_set_drvdata(pdev, adev);

	ret = accel_bars_init(adev);
	if (ret)
		goto err_put;
	adev->queues = devm_kcalloc(&pdev->dev, adev->queue_count, sizeof(*adev->queues),
				    GFP_KERNEL);
	if (!adev->queues) {
		ret = -ENOMEM;
		goto err_put;
	}
	/* What open files may still need is freed with the device. */
	ret = accel_mmap_init(adev);
	if (ret)
		goto err_put;
	ret = accel_memory_init(adev);
	if (ret)
		goto err_put;
	ret = accel_admin_init(adev);
	if (ret)
		goto err_put;
	ret = accel_events_init(adev);
	if (ret)
		goto err_admin;
	ret = accel_dma_init(adev);
	if (ret)
		goto err_events;
	ret = accel_irq_init(adev);
	if (ret)
		goto err_dma;
	ret = accel_hw_start(adev);
	if (ret)
		goto err_irq;
	pci_save_state(pdev);	/* for accel_slot_reset() */
	ret = accel_hwmon_add(adev);
	if (ret)
		goto err_stop;
	accel_debugfs_add(adev);
	ret = accel_chardev_add(adev);
	if (ret)
		goto err_debugfs;

	dev_info(&pdev->dev, "%s: serial %016llx, %llu MiB, %u queues, %d vectors\n",
		 dev_name(&adev->dev), accel_read64(adev, ACCEL_REG_SERIAL),
		 adev->memory_size >> 20, adev->queue_count, adev->vector_count);
	return 0;

err_debugfs:
	accel_debugfs_del(adev);
	accel_hwmon_del(adev);
err_stop:
	accel_hw_stop(adev, -ENODEV);
err_irq:
	accel_irq_fini(adev);
err_dma:
	accel_dma_fini(adev);
err_events:
	accel_events_fini(adev);
err_admin:
	accel_admin_fini(adev);
err_put:
	put_device(&adev->dev);
	return ret;
}

static void accel_remove(struct pci_dev *pdev)
{
	struct accel_device *adev = pci_get_drvdata(pdev);

	accel_chardev_del(adev);
	accel_debugfs_del(adev);
	accel_hwmon_del(adev);
	accel_hw_stop(adev, -ENODEV);
	accel_irq_fini(adev);
	accel_dma_fini(adev);
	accel_events_fini(adev);
	accel_admin_fini(adev);
	put_device(&adev->dev);
}

static void accel_reset_prepare(struct pci_dev *pdev)
{
	accel_hw_stop(pci_get_drvdata(pdev), -ESTALE);
}

static void accel_reset_done(struct pci_dev *pdev)
{
	struct accel_device *adev = pci_get_drvdata(pdev);

	if (accel_hw_start(adev))
		dev_err(&pdev->dev, "the card did not come back from its reset\n");
}

/*
 * An uncorrectable error of the link. Data may have been lost, and nobody knows
 * whose: all files end, and the card starts afresh.
 */
static pci_ers_result_t accel_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct accel_device *adev = pci_get_drvdata(pdev);

	accel_report(adev, "link-error", "severity=%s",
		     state == pci_channel_io_normal ? "nonfatal" : "fatal");
	if (state == pci_channel_io_perm_failure) {
		accel_hw_stop(adev, -ENODEV);
		return PCI_ERS_RESULT_DISCONNECT;
	}
	accel_hw_stop(adev, -ESTALE);
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t accel_slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	/* For the next time: restoring it used it up. */
	pci_save_state(pdev);
	if (accel_hw_start(pci_get_drvdata(pdev)))
		return PCI_ERS_RESULT_DISCONNECT;
	return PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers accel_err_handlers = {
	.error_detected = accel_error_detected,
	.slot_reset = accel_slot_reset,
	.reset_prepare = accel_reset_prepare,
	.reset_done = accel_reset_done,
};

static int accel_suspend(struct device *dev)
{
	accel_hw_stop(dev_get_drvdata(dev), -ESTALE);
	return 0;
}

static int accel_resume(struct device *dev)
{
	return accel_hw_start(dev_get_drvdata(dev));
}

static DEFINE_SIMPLE_DEV_PM_OPS(accel_pm_ops, accel_suspend, accel_resume);

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
	.err_handler = &accel_err_handlers,
	.driver.pm = pm_sleep_ptr(&accel_pm_ops),
};

static int __init accel_init(void)
{
	int ret;

	ret = accel_fs_init();
	if (ret)
		return ret;
	ret = accel_transfer_init();
	if (ret)
		goto err_fs;
	ret = accel_chardev_init();
	if (ret)
		goto err_transfer;
	accel_debugfs_init();
	ret = pci_register_driver(&accel_driver);
	if (ret)
		goto err_debugfs;
	return 0;

err_debugfs:
	accel_debugfs_fini();
	accel_chardev_fini();
err_transfer:
	accel_transfer_fini();
err_fs:
	accel_fs_fini();
	return ret;
}
module_init(accel_init);

static void __exit accel_exit(void)
{
	pci_unregister_driver(&accel_driver);
	accel_debugfs_fini();
	accel_chardev_fini();
	accel_transfer_fini();
	accel_fs_fini();
}
module_exit(accel_exit);

MODULE_DESCRIPTION("PCIe machine-learning accelerator");
MODULE_LICENSE("GPL");
