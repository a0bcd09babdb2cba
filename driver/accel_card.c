// SPDX-License-Identifier: GPL-2.0
/*
 * accel_card.c - start and stop of the hardware.
 *
 * Probe, reset and resume start it; removal, reset, recovery and suspend stop it. There is
 * one way to stop: every context loses its card half, every sleeper wakes up, and
 * every mapping of the card shows a dummy page.
 */
#include <linux/iopoll.h>
#include <linux/pid.h>

#include "accel_admin.h"
#include "accel_card.h"
#include "accel_copy_queue.h"
#include "accel_event.h"
#include "accel_event_log.h"
#include "accel_export.h"
#include "accel_failure.h"
#include "accel_file.h"
#include "accel_import.h"
#include "accel_mapping.h"
#include "accel_mmio.h"
#include "accel_reason.h"
#include "accel_section.h"
#include "accel_trace.h"

#define ACCEL_RESET_TIMEOUT_US	(5 * USEC_PER_SEC)

/* Resets the card without the kernel's help. Return: 0 or -errno. */
static int accel_card_reset(struct accel_device *adev)
{
	u32 status;
	int ret;

	accel_write32(adev, ACCEL_REG_CONTROL, ACCEL_CONTROL_RESET);
	ret = readl_poll_timeout(adev->regs + ACCEL_REG_STATUS, status,
				 status & ACCEL_STATUS_READY, 50, ACCEL_RESET_TIMEOUT_US);
	/* All ones: the card does not answer any more. */
	return status == ~0U ? -ENODEV : ret;
}

/* The last resort against DMA in flight. It clears the configuration of the function. */
static void accel_card_reset_function(struct pci_dev *pdev)
{
	dev_warn(&pdev->dev, "DMA in flight does not end: the driver resets the function\n");
	pci_save_state(pdev);
	if (pcie_reset_flr(pdev, PCI_RESET_DO_RESET))
		dev_err(&pdev->dev, "no function-level reset: power-cycle the card\n");
	pci_restore_state(pdev);
}

/*
 * Ends all DMA. A card that does not leave its reset has no right to DMA, but requests may be in
 * flight: they end within the bounds of PCIe, or with a function-level reset.
 */
static void accel_card_quiesce(struct accel_device *adev)
{
	struct pci_dev *pdev = adev->pdev;

	pci_clear_master(pdev);
	if (!accel_card_reset(adev) || pci_dev_is_disconnected(pdev) || pci_channel_offline(pdev))
		return;
	if (!pci_wait_for_pending_transaction(pdev))
		accel_card_reset_function(pdev);
}

/* Lets the queues of a card run that has left reset. */
static int accel_card_enable(struct accel_device *adev)
{
	u32 status;
	int ret;

	accel_admin_start(adev);
	accel_events_start(adev);
	accel_write32(adev, ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
	ret = readl_poll_timeout(adev->regs + ACCEL_REG_STATUS, status,
				 status & (ACCEL_STATUS_ENABLED | ACCEL_STATUS_FATAL),
				 50, ACCEL_RESET_TIMEOUT_US);
	if (!ret && (status & ACCEL_STATUS_FATAL))
		ret = -EIO;
	if (ret)
		dev_err(&adev->pdev->dev,
			"start failed: the queues stay disabled, status %#x; reset the card\n",
			status);
	return ret;
}

/* Starts a card that has left reset. On failure it is in reset, or cut off. */
static int accel_card_bring_up(struct accel_device *adev)
{
	int ret;

	/* Not before the reset: a card that was not reset may still access old rings. */
	pci_set_master(adev->pdev);
	ret = accel_card_enable(adev);
	if (ret)
		goto err_quiesce;
	ret = accel_copy_queue_start(adev);
	if (ret) {
		dev_err(&adev->pdev->dev,
			"start failed: no copy queue (errno %d); reset the card\n",
			-ret);
		goto err_quiesce;
	}
	return 0;

err_quiesce:
	/* A half-started card may still access rings that are about to be freed. */
	accel_card_quiesce(adev);
	return ret;
}

/**
 * accel_card_start() - bring the card from any state to running queues
 * @adev: the card
 *
 * Return: 0 or -errno; the card then stays as accel_card_stop() left it.
 */
int accel_card_start(struct accel_device *adev)
{
	int ret;

	mutex_lock(&adev->stop_lock);
	ret = accel_card_reset(adev);
	if (ret)
		dev_err(&adev->pdev->dev,
			"start failed: the card stays in reset (errno %d); see accelctl doctor\n",
			-ret);
	else
		ret = accel_card_bring_up(adev);
	if (!ret) {
		WRITE_ONCE(adev->sharing_errno, 0);
		accel_failure_clear(adev);
		spin_lock_irq(&adev->lock);
		accel_end_set(&adev->end, ACCEL_REASON_NONE, NULL);
		spin_unlock_irq(&adev->lock);
		/* Everything above is visible to a section that sees it. */
		smp_store_release(&adev->stop_errno, 0);
		wake_up_all(&adev->stop_wait);
	}
	trace_accel_card_start(adev, ret);
	if (ret)
		accel_event_log_card(adev, "start-failed", "error=%d", -ret);
	else
		accel_event_log_card(adev, "started", "generation=%llu", adev->generation);
	mutex_unlock(&adev->stop_lock);
	return ret;
}

/* Stops the hardware. On return no DMA of the card is outstanding, and none will start. */
static void accel_card_stop_hardware(struct accel_device *adev)
{
	/*
	 * Without DMA the card cannot reach memory that the sections below free, and cannot
	 * answer. The admin commands that sections wait for end at once.
	 */
	pci_clear_master(adev->pdev);
	accel_admin_abort(adev);
	synchronize_srcu(&adev->sections);
	/* The reset ends work in flight. */
	accel_card_quiesce(adev);
}

/*
 * A card that is stopped may stop again for another reason. Only the end of the card then ends
 * the files that are open: a reset has nothing to take from them.
 */
static bool accel_card_ends_again(enum accel_reason before, enum accel_reason reason)
{
	return before != ACCEL_REASON_REMOVED &&
	       (reason == ACCEL_REASON_REMOVED || reason == ACCEL_REASON_WEDGED);
}

/**
 * accel_card_stop() - stop the hardware
 * @adev: the card
 * @reason: why; every open file ends for this reason
 * @culprit: process whose queue caused it, or NULL
 *
 * On return no DMA of the card is outstanding, and none will start. The call has
 * no effect on files if the card is stopped, unless the card is now lost for good.
 * The time is bounded: no step waits for a process or for the queues of the card.
 *
 * Return: true if the card was running; a recovery has no effect otherwise, or if the
 * failure is over.
 */
bool accel_card_stop(struct accel_device *adev, enum accel_reason reason, struct pid *culprit)
{
	int error = accel_reason_errno(reason);
	enum accel_reason before;
	struct accel_context *ctx;
	bool running;

	mutex_lock(&adev->stop_lock);
	running = !adev->stop_errno;
	before = adev->end.reason;
	/* Another thread may have reset the card after the recovery began: it works again. */
	if (reason == ACCEL_REASON_RECOVERY && (!running || !accel_failure_pending(adev))) {
		running = false;
		goto out;
	}
	/* While the card still answers, other cards and drivers end their access. */
	if (running)
		accel_exports_revoke(adev, error);
	WRITE_ONCE(adev->stopping, true);
	spin_lock_irq(&adev->lock);
	accel_end_set(&adev->end, reason, culprit);
	spin_unlock_irq(&adev->lock);
	/* Pairs with smp_load_acquire() in accel_context_gone(). */
	smp_store_release(&adev->stop_errno, error);
	if (running)
		accel_card_stop_hardware(adev);
	if (running || reason == ACCEL_REASON_RESET)
		WRITE_ONCE(adev->generation, adev->generation + 1);
	dev_info_ratelimited(&adev->pdev->dev,
			     "%s stopped: %s, pid %d; open files end with errno %d\n",
			     dev_name(&adev->dev), accel_reason_name(reason), pid_nr(culprit),
			     -error);
	trace_accel_card_stop(adev, error);
	accel_event_log_owner(adev, culprit, error == -ENODEV ? "gone" : "stopped",
			      "generation=%llu reason=%s", adev->generation,
			      accel_reason_name(reason));

	if (running || accel_card_ends_again(before, reason)) {
		/* The list changes only in a section without stop_errno, or under stop_lock. */
		list_for_each_entry(ctx, &adev->contexts, node)
			accel_file_detach(ctx);
		accel_copy_queue_stop(adev, error);
		accel_mapping_revoke_all(adev);
	}
	WRITE_ONCE(adev->stopping, false);
	wake_up_all(&adev->stop_wait);
	/* Their transfers have ended. A thread that waited above may hold the lock of a dma-buf. */
	accel_imports_revoke(adev);
out:
	mutex_unlock(&adev->stop_lock);
	return running;
}
