// SPDX-License-Identifier: GPL-2.0
/*
 * accel_error.c - the kernel's calls around a reset, an error of the link and a suspend.
 *
 * A reset, an error that may have lost data, and a suspend stop the hardware; the next call
 * starts it again. Files that are open at a stop end. The kernel holds the lock of the device
 * during each call.
 */
#include "accel_card.h"
#include "accel_coredump.h"
#include "accel_error.h"
#include "accel_event_log.h"
#include "accel_recovery.h"

static void accel_reset_prepare(struct pci_dev *pdev)
{
	struct accel_device *adev = pci_get_drvdata(pdev);
	enum accel_reason reason = accel_recovery_reset_reason(adev);

	if (reason == ACCEL_REASON_RESET)
		accel_coredump_reset(adev, "reset", false);
	accel_card_stop(adev, reason, NULL);
}

static void accel_reset_done(struct pci_dev *pdev)
{
	struct accel_device *adev = pci_get_drvdata(pdev);

	accel_recovery_reset_done(adev, accel_card_start(adev));
}

/*
 * The link refused a request to the card, as after a read beyond its registers, and the requester
 * was told. No data of the card is lost.
 */
static bool accel_error_harmless(struct pci_dev *pdev, pci_channel_state_t state)
{
	int aer = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ERR);
	u32 status = 0, mask = 0;

	if (state != pci_channel_io_normal || !aer)
		return false;
	pci_read_config_dword(pdev, aer + PCI_ERR_UNCOR_STATUS, &status);
	pci_read_config_dword(pdev, aer + PCI_ERR_UNCOR_MASK, &mask);
	return (status & ~mask) == PCI_ERR_UNC_UNSUP;
}

/* An error of the link may have lost data of any file. So all files end. */
static pci_ers_result_t accel_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct accel_device *adev = pci_get_drvdata(pdev);
	bool harmless = accel_error_harmless(pdev, state);

	accel_event_log_card(adev, "link-error", "severity=%s",
			     harmless ? "harmless" :
			     state == pci_channel_io_normal ? "nonfatal" : "fatal");
	if (harmless)
		return PCI_ERS_RESULT_CAN_RECOVER;
	if (state == pci_channel_io_perm_failure) {
		accel_card_stop(adev, ACCEL_REASON_REMOVED, NULL);
		return PCI_ERS_RESULT_DISCONNECT;
	}
	accel_coredump_reset(adev, "link-error", true);
	accel_card_stop(adev, ACCEL_REASON_LINK_ERROR, NULL);
	return PCI_ERS_RESULT_NEED_RESET;
}

/* All devices behind the port can continue, and so can a card that was not stopped. */
static pci_ers_result_t accel_error_mmio_enabled(struct pci_dev *pdev)
{
	struct accel_device *adev = pci_get_drvdata(pdev);

	return READ_ONCE(adev->stop_errno) ? PCI_ERS_RESULT_NEED_RESET : PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t accel_error_slot_reset(struct pci_dev *pdev)
{
	struct accel_device *adev = pci_get_drvdata(pdev);
	int ret;

	/* If another device behind the port asked for the reset, the files of this card end now. */
	accel_card_stop(adev, ACCEL_REASON_LINK_ERROR, NULL);
	pci_restore_state(pdev);
	/* Save it again for the next error, because the restore consumed it. */
	pci_save_state(pdev);
	ret = accel_card_start(adev);
	accel_recovery_reset_done(adev, ret);
	return ret ? PCI_ERS_RESULT_DISCONNECT : PCI_ERS_RESULT_RECOVERED;
}

const struct pci_error_handlers accel_error_handlers = {
	.error_detected = accel_error_detected,
	.mmio_enabled = accel_error_mmio_enabled,
	.slot_reset = accel_error_slot_reset,
	.reset_prepare = accel_reset_prepare,
	.reset_done = accel_reset_done,
};

static int accel_suspend(struct device *dev)
{
	accel_card_stop(dev_get_drvdata(dev), ACCEL_REASON_SUSPEND, NULL);
	return 0;
}

static int accel_resume(struct device *dev)
{
	struct accel_device *adev = dev_get_drvdata(dev);
	int ret = accel_card_start(adev);

	accel_recovery_reset_done(adev, ret);
	return ret;
}

DEFINE_SIMPLE_DEV_PM_OPS(accel_pm_ops, accel_suspend, accel_resume);
