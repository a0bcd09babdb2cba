// SPDX-License-Identifier: GPL-2.0
/*
 * accel_failure.c - reports of failures that only a reset of the card can mend.
 *
 * The files that notice a failure are below those that stop and reset the card. So
 * a report takes the card's right to DMA away, if memory is at stake, and queues the
 * work that accel_recovery.c provides.
 */
#include <linux/pid.h>
#include <linux/slab.h>

#include "accel_failure.h"

static const char *const accel_failure_names[ACCEL_FAILURE_CAUSES] = {
	[ACCEL_FAILURE_NONE] = "none",
	[ACCEL_FAILURE_ADMIN] = "admin",
	[ACCEL_FAILURE_ACCESS] = "access",
	[ACCEL_FAILURE_FATAL] = "fatal",
	[ACCEL_FAILURE_ENGINES] = "engines",
	[ACCEL_FAILURE_COPY] = "copy-queue",
	[ACCEL_FAILURE_LOST] = "lost",
};

/* The word for a cause in the event log and in dumps. */
const char *accel_failure_name(enum accel_failure_cause cause)
{
	return accel_failure_names[cause];
}

int accel_failure_init(struct accel_device *adev)
{
	adev->health = kzalloc(sizeof(*adev->health), GFP_KERNEL);
	if (!adev->health)
		return -ENOMEM;
	adev->health->adev = adev;
	spin_lock_init(&adev->health->lock);
	return 0;
}

/* The last reference of the card is gone. */
void accel_failure_fini(struct accel_device *adev)
{
	if (adev->health)
		put_pid(adev->health->culprit);
	kfree(adev->health);
}

/* A card with such a failure may use memory that the driver frees next. */
static bool accel_failure_unsafe(enum accel_failure_cause cause)
{
	return cause == ACCEL_FAILURE_ADMIN || cause == ACCEL_FAILURE_ACCESS ||
	       cause == ACCEL_FAILURE_LOST;
}

/**
 * accel_failure() - report that the card failed and must be reset
 * @adev: the card
 * @cause: what failed
 * @culprit: process whose queue caused it, or NULL
 *
 * The recovery runs later, as a work item. A report has no effect if another one is
 * pending, or after the next stop of the card.
 *
 * Context: any.
 */
void accel_failure(struct accel_device *adev, enum accel_failure_cause cause,
		   struct pid *culprit)
{
	struct accel_health *health = adev->health;
	unsigned long flags;

	if (accel_failure_unsafe(cause))
		pci_clear_master(adev->pdev);
	spin_lock_irqsave(&health->lock, flags);
	if (health->enabled && health->cause == ACCEL_FAILURE_NONE) {
		WRITE_ONCE(health->cause, cause);
		health->culprit = get_pid(culprit ?: health->suspect);
		/* A recovery during a suspend would reset a card that sleeps. */
		queue_work(system_freezable_wq, &health->recovery);
	}
	spin_unlock_irqrestore(&health->lock, flags);
}

/**
 * accel_failure_suspect() - name the process that is the culprit of a failure from now on
 * @adev: the card
 * @pid: owner of the queue that the driver stops, or NULL after that
 */
void accel_failure_suspect(struct accel_device *adev, struct pid *pid)
{
	struct accel_health *health = adev->health;
	struct pid *before;

	spin_lock_irq(&health->lock);
	before = health->suspect;
	health->suspect = get_pid(pid);
	spin_unlock_irq(&health->lock);
	put_pid(before);
}

/**
 * accel_health_watch() - look at the card
 * @adev: the card
 * @delay: when, in jiffies from now; replaces the time of the next look
 */
void accel_health_watch(struct accel_device *adev, unsigned long delay)
{
	struct accel_health *health = adev->health;

	spin_lock_irq(&health->lock);
	if (health->enabled)
		mod_delayed_work(system_freezable_wq, &health->watch, delay);
	spin_unlock_irq(&health->lock);
}

/* A failure waits for its recovery. It is over as soon as the card starts, under stop_lock. */
bool accel_failure_pending(struct accel_device *adev)
{
	return READ_ONCE(adev->health->cause) != ACCEL_FAILURE_NONE;
}

/* The card has started: the failures before it are over. */
void accel_failure_clear(struct accel_device *adev)
{
	struct accel_health *health = adev->health;
	struct pid *culprit;

	spin_lock_irq(&health->lock);
	culprit = health->culprit;
	health->culprit = NULL;
	WRITE_ONCE(health->cause, ACCEL_FAILURE_NONE);
	spin_unlock_irq(&health->lock);
	put_pid(culprit);
}
