// SPDX-License-Identifier: GPL-2.0
/*
 * accel_admin.c - the admin queue: one command at a time, in order.
 *
 * Admin commands are short and rare (a file opens, a buffer ends), so a deeper
 * queue would gain nothing. If the card does not answer a command, or refuses to
 * end an access to memory, the driver takes its right to DMA away and resets it.
 */
#include <linux/dma-mapping.h>

#include "accel_admin.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_mmio.h"
#include "accel_section.h"

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

/* Cuts the card off: nothing that it still does may reach memory that the caller frees next. */
static void accel_admin_cut_off(struct accel_device *adev, enum accel_failure_cause cause)
{
	WRITE_ONCE(adev->admin->failed, true);
	accel_failure(adev, cause, NULL);
	if (!pci_dev_is_disconnected(adev->pdev))
		pci_wait_for_pending_transaction(adev->pdev);
}

static void accel_admin_give_up(struct accel_device *adev, u8 opcode)
{
	dev_err(&adev->pdev->dev,
		"admin command %u failed: no answer in %d s; the driver resets the card\n",
		opcode, ACCEL_ADMIN_TIMEOUT / HZ);
	accel_event_log_card(adev, "unresponsive", "command=%u", opcode);
	accel_admin_cut_off(adev, ACCEL_FAILURE_ADMIN);
}

/* The caller of such a command frees memory of the card afterwards. */
static bool accel_admin_ends_access(u8 opcode)
{
	return opcode == ACCEL_ADMIN_DESTROY_CONTEXT || opcode == ACCEL_ADMIN_DESTROY_QUEUE ||
	       opcode == ACCEL_ADMIN_INVALIDATE;
}

/* The card answered with an error. No process can cause that with such a command. */
static void accel_admin_refused(struct accel_device *adev, u8 opcode, u32 status)
{
	dev_err(&adev->pdev->dev,
		"admin command %u failed: status %u; the driver resets the card\n",
		opcode, status);
	accel_event_log_card(adev, "refused", "command=%u status=%u", opcode, status);
	accel_admin_cut_off(adev, ACCEL_FAILURE_ACCESS);
}

/* The cause if there is no point in waiting for an answer any longer. */
static enum accel_failure_cause accel_admin_dead(struct accel_device *adev)
{
	u32 status;

	if (pci_dev_is_disconnected(adev->pdev))
		return ACCEL_FAILURE_LOST;
	status = accel_read32(adev, ACCEL_REG_STATUS);
	/* All ones, which includes FATAL, means that the card does not answer. */
	if (status == ~0U)
		return ACCEL_FAILURE_LOST;
	return status & ACCEL_STATUS_FATAL ? ACCEL_FAILURE_FATAL : ACCEL_FAILURE_NONE;
}

/* Waits for the answer to the newest command. Return: 0 or -errno. */
static int accel_admin_wait(struct accel_device *adev, u8 opcode,
			    struct accel_admin_result *result)
{
	unsigned long deadline = jiffies + ACCEL_ADMIN_TIMEOUT;
	struct accel_admin *admin = adev->admin;
	enum accel_failure_cause cause;
	u32 status;

	for (;;) {
		wait_event_timeout(admin->wait, accel_admin_answered(result, admin->tail) ||
				   READ_ONCE(admin->failed), ACCEL_ADMIN_RECHECK);
		if (accel_admin_answered(result, admin->tail)) {
			dma_rmb();
			status = le32_to_cpu(result->status);
			if (status != ACCEL_OK && accel_admin_ends_access(opcode))
				accel_admin_refused(adev, opcode, status);
			return accel_admin_errno(status);
		}
		if (READ_ONCE(admin->failed))
			return accel_admin_failed(adev);
		cause = accel_admin_dead(adev);
		if (cause != ACCEL_FAILURE_NONE) {
			accel_admin_cut_off(adev, cause);
			return -EIO;
		}
		if (time_after(jiffies, deadline)) {
			accel_admin_give_up(adev, opcode);
			return -EIO;
		}
	}
}

/**
 * accel_admin_run() - run one admin command and wait for it
 * @adev: the card; the caller is in a section, and the hardware is present
 * @command: the command
 *
 * The wait is not interruptible, because a caller that takes access away must
 * know that it is gone. The card answers within a bounded time, independent of
 * its queues. If it does not, or if a command that takes access away fails, the card
 * has no DMA on return.
 *
 * Return: 0 or -errno.
 */
int accel_admin_run(struct accel_device *adev, const struct accel_admin_command *command)
{
	struct accel_admin *admin = adev->admin;
	struct accel_admin_result *result;
	unsigned int slot;
	int ret;

	accel_section_assert(adev);
	mutex_lock(&admin->lock);
	if (READ_ONCE(admin->failed)) {
		ret = accel_admin_failed(adev);
		goto out;
	}
	slot = admin->tail++ % ACCEL_ADMIN_ENTRIES;
	result = &admin->results[slot];
	admin->ring[slot] = *command;
	/* writel() orders the command before the doorbell. */
	accel_write32(adev, ACCEL_REG_ADMIN_DOORBELL, lower_32_bits(admin->tail));
	ret = accel_admin_wait(adev, command->opcode, result);
out:
	mutex_unlock(&admin->lock);
	return ret;
}
