// SPDX-License-Identifier: GPL-2.0
/*
 * accel_admin.c - the admin queue: one command at a time, in order.
 *
 * Admin commands are rare (a file is opened, a buffer ends) and short, so there
 * is no depth to win. A card that does not answer one is not trusted with DMA
 * any more.
 */
#include <linux/dma-mapping.h>
#include <linux/io.h>

#include "accel.h"

#define ACCEL_ADMIN_ENTRIES	(PAGE_SIZE / sizeof(struct accel_admin_command))
#define ACCEL_ADMIN_TIMEOUT	(10 * HZ)
/* How long a lost interrupt may go unnoticed. */
#define ACCEL_ADMIN_RECHECK	max(HZ / 50, 1)

int accel_admin_init(struct accel_device *adev)
{
	struct accel_admin *admin = &adev->admin;
	struct device *dev = &adev->pdev->dev;

	BUILD_BUG_ON(sizeof(struct accel_admin_command) != ACCEL_COMMAND_SIZE);
	mutex_init(&admin->lock);
	init_waitqueue_head(&admin->wait);
	admin->ring = dma_alloc_coherent(dev, PAGE_SIZE, &admin->ring_dma, GFP_KERNEL);
	if (!admin->ring)
		return -ENOMEM;
	admin->results = dma_alloc_coherent(dev, PAGE_SIZE, &admin->results_dma, GFP_KERNEL);
	if (!admin->results) {
		dma_free_coherent(dev, PAGE_SIZE, admin->ring, admin->ring_dma);
		return -ENOMEM;
	}
	return 0;
}

void accel_admin_fini(struct accel_device *adev)
{
	struct accel_admin *admin = &adev->admin;
	struct device *dev = &adev->pdev->dev;

	dma_free_coherent(dev, PAGE_SIZE, admin->results, admin->results_dma);
	dma_free_coherent(dev, PAGE_SIZE, admin->ring, admin->ring_dma);
}

static int accel_admin_errno(u32 status)
{
	switch (status) {
	case ACCEL_OK:
		return 0;
	case ACCEL_BUSY:
		return -EBUSY;
	case ACCEL_EXISTS:
		return -EEXIST;
	case ACCEL_NOT_FOUND:
		return -ENOENT;
	default:
		return -EIO;
	}
}

/**
 * accel_admin_run() - run one admin command and wait for it
 * @adev: the card; the caller holds hw_lock and has seen that it is not gone
 * @command: what to do
 *
 * Not interruptible: whoever asks to take access away must know that it is.
 * The card answers within a bounded time whatever its queues do.
 *
 * Return: 0 or -errno.
 */
int accel_admin_run(struct accel_device *adev, const struct accel_admin_command *command)
{
	struct accel_admin *admin = &adev->admin;
	unsigned long deadline = jiffies + ACCEL_ADMIN_TIMEOUT;
	struct accel_admin_result *result;
	unsigned int slot;
	u64 sequence;
	int ret;

	mutex_lock(&admin->lock);
	if (admin->failed) {
		ret = -EIO;
		goto out;
	}
	sequence = ++admin->tail;
	slot = (sequence - 1) % ACCEL_ADMIN_ENTRIES;
	result = &admin->results[slot];
	admin->ring[slot] = *command;
	/* writel() orders the command before the doorbell. */
	writel(lower_32_bits(sequence), adev->regs + ACCEL_REG_ADMIN_DOORBELL);

	for (;;) {
		if (wait_event_timeout(admin->wait,
				       le64_to_cpu(READ_ONCE(result->sequence)) == sequence,
				       ACCEL_ADMIN_RECHECK)) {
			dma_rmb();
			ret = accel_admin_errno(le32_to_cpu(result->status));
			break;
		}
		if (time_after(jiffies, deadline)) {
			/* Nothing that it still does may reach memory we free. */
			dev_err(&adev->pdev->dev,
				"admin command %u is not answered, DMA is off until a reset\n",
				command->opcode);
			accel_report(adev, "unresponsive", "command=%u", command->opcode);
			pci_clear_master(adev->pdev);
			WRITE_ONCE(admin->failed, true);
			ret = -EIO;
			break;
		}
	}
out:
	mutex_unlock(&admin->lock);
	return ret;
}
