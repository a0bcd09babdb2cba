// SPDX-License-Identifier: GPL-2.0
/*
 * accel_admin.c - the admin queue: one command at a time, in order.
 *
 * Admin commands are short and rare (a file opens, a buffer ends), so a deeper
 * queue would gain nothing. If the card does not answer a command, the driver
 * takes its right to DMA away.
 */
#include <linux/dma-mapping.h>

#include "accel_admin.h"
#include "accel_event_log.h"
#include "accel_mmio.h"
#include "accel_section.h"

#define ACCEL_ADMIN_ENTRIES	(PAGE_SIZE / sizeof(struct accel_admin_command))
#define ACCEL_ADMIN_TIMEOUT	(10 * HZ)
/* The driver notices a lost interrupt within this time. */
#define ACCEL_ADMIN_RECHECK	max(HZ / 50, 1)

int accel_admin_init(struct accel_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	struct accel_admin *admin;

	BUILD_BUG_ON(sizeof(struct accel_admin_command) != ACCEL_COMMAND_SIZE);
	admin = devm_kzalloc(dev, sizeof(*admin), GFP_KERNEL);
	if (!admin)
		return -ENOMEM;
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
	adev->admin = admin;
	return 0;
}

void accel_admin_fini(struct accel_device *adev)
{
	struct accel_admin *admin = adev->admin;
	struct device *dev = &adev->pdev->dev;

	dma_free_coherent(dev, PAGE_SIZE, admin->results, admin->results_dma);
	dma_free_coherent(dev, PAGE_SIZE, admin->ring, admin->ring_dma);
}

/**
 * accel_admin_start() - program the admin queue of a card that left reset
 * @adev: the card; the caller holds stop_lock
 */
void accel_admin_start(struct accel_device *adev)
{
	struct accel_admin *admin = adev->admin;

	accel_section_assert_stopped(adev);
	admin->tail = 0;
	WRITE_ONCE(admin->failed, false);
	memset(admin->results, 0, PAGE_SIZE);
	accel_write64(adev, ACCEL_REG_ADMIN_RING, admin->ring_dma);
	accel_write64(adev, ACCEL_REG_ADMIN_RESULTS, admin->results_dma);
	accel_write32(adev, ACCEL_REG_ADMIN_ENTRIES, ACCEL_ADMIN_ENTRIES);
}

/* The card stops: ends the waits for answers. DMA is off, so the commands have no effect. */
void accel_admin_abort(struct accel_device *adev)
{
	WRITE_ONCE(adev->admin->failed, true);
	wake_up_all(&adev->admin->wait);
}

/* The interrupt of vector 0. */
void accel_admin_wake(struct accel_device *adev)
{
	wake_up_all(&adev->admin->wait);
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

static bool accel_admin_answered(struct accel_admin_result *result, u64 sequence)
{
	return le64_to_cpu(READ_ONCE(result->sequence)) == sequence;
}

/* The errno of a command that the card did not answer. */
static int accel_admin_failed(struct accel_device *adev)
{
	return READ_ONCE(adev->stop_errno) ?: -EIO;
}

/* Cuts the card off: nothing that it still does may reach memory that the driver frees. */
static void accel_admin_give_up(struct accel_device *adev, u8 opcode)
{
	dev_err(&adev->pdev->dev,
		"admin command %u failed: no answer in %d s; DMA is off, reset the card\n",
		opcode, ACCEL_ADMIN_TIMEOUT / HZ);
	accel_event_log_card(adev, "unresponsive", "command=%u", opcode);
	pci_clear_master(adev->pdev);
	WRITE_ONCE(adev->admin->failed, true);
}

/**
 * accel_admin_run() - run one admin command and wait for it
 * @adev: the card; the caller is in a section, and the hardware is present
 * @command: the command
 *
 * The wait is not interruptible, because a caller that takes access away must
 * know that it is gone. The card answers within a bounded time, independent of
 * its queues.
 *
 * Return: 0 or -errno.
 */
int accel_admin_run(struct accel_device *adev, const struct accel_admin_command *command)
{
	struct accel_admin *admin = adev->admin;
	struct accel_admin_result *result;
	unsigned long deadline;
	unsigned int slot;
	u64 sequence;
	int ret;

	accel_section_assert(adev);
	mutex_lock(&admin->lock);
	deadline = jiffies + ACCEL_ADMIN_TIMEOUT;
	if (READ_ONCE(admin->failed)) {
		ret = accel_admin_failed(adev);
		goto out;
	}
	sequence = ++admin->tail;
	slot = (sequence - 1) % ACCEL_ADMIN_ENTRIES;
	result = &admin->results[slot];
	admin->ring[slot] = *command;
	/* writel() orders the command before the doorbell. */
	accel_write32(adev, ACCEL_REG_ADMIN_DOORBELL, lower_32_bits(sequence));

	for (;;) {
		wait_event_timeout(admin->wait, accel_admin_answered(result, sequence) ||
				   READ_ONCE(admin->failed), ACCEL_ADMIN_RECHECK);
		if (accel_admin_answered(result, sequence)) {
			dma_rmb();
			ret = accel_admin_errno(le32_to_cpu(result->status));
			break;
		}
		if (READ_ONCE(admin->failed)) {
			ret = accel_admin_failed(adev);
			break;
		}
		if (time_after(jiffies, deadline)) {
			accel_admin_give_up(adev, command->opcode);
			ret = -EIO;
			break;
		}
	}
out:
	mutex_unlock(&admin->lock);
	return ret;
}
