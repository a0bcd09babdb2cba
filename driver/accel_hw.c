// SPDX-License-Identifier: GPL-2.0
/*
 * accel_hw.c - the hardware half of a card comes and goes.
 *
 * Probe, reset and resume start it; removal, reset and suspend stop it. There
 * is one way to take it away, and it is the same for all: every context
 * loses its card half, every sleeper is woken, every mapping of the card is
 * replaced by a page that goes nowhere.
 */
#include <linux/iopoll.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "accel.h"
#include "accel_trace.h"

#define ACCEL_RESET_TIMEOUT_US	(5 * USEC_PER_SEC)

u64 accel_read64(struct accel_device *adev, u32 offset)
{
	return readq(adev->regs + offset);
}

void accel_write64(struct accel_device *adev, u32 offset, u64 value)
{
	writeq(value, adev->regs + offset);
}

static int accel_hw_reset(struct accel_device *adev)
{
	u32 status;
	int ret;

	writel(ACCEL_CONTROL_RESET, adev->regs + ACCEL_REG_CONTROL);
	ret = readl_poll_timeout(adev->regs + ACCEL_REG_STATUS, status,
				 status & ACCEL_STATUS_READY, 50, ACCEL_RESET_TIMEOUT_US);
	/* All ones is a card that is gone, not one that is ready. */
	return status == ~0U ? -ENODEV : ret;
}

/**
 * accel_hw_start() - bring the card from any state to where queues run
 * @adev: the card
 *
 * Return: 0 or -errno.
 */
int accel_hw_start(struct accel_device *adev)
{
	u32 status;
	int ret;

	down_write(&adev->hw_lock);
	pci_set_master(adev->pdev);
	ret = accel_hw_reset(adev);
	if (ret) {
		dev_err(&adev->pdev->dev, "the card does not leave reset\n");
		goto out;
	}

	adev->admin.tail = 0;
	adev->admin.failed = false;
	adev->events.head = 0;
	memset(adev->admin.results, 0, PAGE_SIZE);
	memset(adev->events.ring, 0, PAGE_SIZE);
	accel_write64(adev, ACCEL_REG_ADMIN_RING, adev->admin.ring_dma);
	accel_write64(adev, ACCEL_REG_ADMIN_RESULTS, adev->admin.results_dma);
	writel(PAGE_SIZE / sizeof(*adev->admin.ring), adev->regs + ACCEL_REG_ADMIN_ENTRIES);
	accel_write64(adev, ACCEL_REG_EVENT_RING, adev->events.ring_dma);
	writel(PAGE_SIZE / sizeof(*adev->events.ring), adev->regs + ACCEL_REG_EVENT_ENTRIES);
	writel(0, adev->regs + ACCEL_REG_EVENT_HEAD);
	writel(ACCEL_CONTROL_ENABLE, adev->regs + ACCEL_REG_CONTROL);

	ret = readl_poll_timeout(adev->regs + ACCEL_REG_STATUS, status,
				 status & (ACCEL_STATUS_ENABLED | ACCEL_STATUS_FATAL),
				 50, ACCEL_RESET_TIMEOUT_US);
	if (!ret && (status & ACCEL_STATUS_FATAL))
		ret = -EIO;
	if (ret) {
		dev_err(&adev->pdev->dev, "the card does not start, status %#x\n", status);
		goto out;
	}
	ret = accel_dma_start(adev);
	if (ret) {
		dev_err(&adev->pdev->dev, "the card does not make a queue for transfers\n");
		goto out;
	}
	adev->gone = 0;
	WRITE_ONCE(adev->sharing_stopped, false);
out:
	/* It may be half awake, with rings that are about to be freed. */
	if (ret) {
		accel_hw_reset(adev);
		pci_clear_master(adev->pdev);
	}
	trace_accel_card_start(adev, ret);
	if (ret)
		accel_report(adev, "start-failed", "error=%d", -ret);
	else
		accel_report(adev, "started", "generation=%llu", adev->generation);
	up_write(&adev->hw_lock);
	return ret;
}

/**
 * accel_hw_stop() - take the hardware half away
 * @adev: the card
 * @error: what every open file gets from now on: -ENODEV or -ESTALE
 *
 * When it returns, no DMA of the card is outstanding and none will start.
 */
void accel_hw_stop(struct accel_device *adev, int error)
{
	struct accel_context *ctx;

	/* Other cards and drivers let go first: their locks come before hw_lock. */
	accel_exports_revoke(adev);
	accel_imports_revoke(adev);

	down_write(&adev->hw_lock);
	adev->gone = -ENODEV;
	adev->generation++;
	trace_accel_card_stop(adev, error);
	accel_report(adev, error == -ESTALE ? "stopped" : "gone", "generation=%llu",
		     adev->generation);
	/* The reset ends what is in flight; a card that does not take it is cut off. */
	accel_hw_reset(adev);
	pci_clear_master(adev->pdev);

	/* Files come and go only with hw_lock held for reading. */
	list_for_each_entry(ctx, &adev->contexts, node)
		accel_context_detach(ctx, error);
	accel_dma_stop(adev, error);
	accel_mmap_revoke_all(adev);
	up_write(&adev->hw_lock);
}
