/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_failure.h - reports of failures that only a reset of the card can mend.
 */
#ifndef ACCEL_FAILURE_H
#define ACCEL_FAILURE_H

#include <linux/workqueue.h>

#include "accel_device.h"

struct accel_watchdog;

/**
 * enum accel_failure_cause - what a reset of the card must mend
 * @ACCEL_FAILURE_NONE: nothing
 * @ACCEL_FAILURE_ADMIN: the card does not answer an admin command
 * @ACCEL_FAILURE_ACCESS: the card refused to end an access to memory
 * @ACCEL_FAILURE_FATAL: the card reported a fatal error
 * @ACCEL_FAILURE_ENGINES: work is ready, and no engine makes progress
 * @ACCEL_FAILURE_COPY: the copy queue makes no progress
 * @ACCEL_FAILURE_LOST: the card does not answer register reads
 */
enum accel_failure_cause {
	ACCEL_FAILURE_NONE,
	ACCEL_FAILURE_ADMIN,
	ACCEL_FAILURE_ACCESS,
	ACCEL_FAILURE_FATAL,
	ACCEL_FAILURE_ENGINES,
	ACCEL_FAILURE_COPY,
	ACCEL_FAILURE_LOST,
	ACCEL_FAILURE_CAUSES
};

/* The most recoveries of a card within ACCEL_RECOVERY_PERIOD (accel_recovery.c). */
#define ACCEL_RECOVERIES_MAX	3

/**
 * struct accel_health - the failure of a card that waits for its recovery
 * @adev: the card
 * @lock: protects @enabled, @cause, @culprit and @suspect
 * @enabled: @recovery and @watch may be queued
 * @recovery: resets the card
 * @watch: looks at the card periodically (accel_watchdog.c)
 * @watchdog: what @watch has seen
 * @cause: the first failure since the last start of the card, or ACCEL_FAILURE_NONE
 * @culprit: process whose queue caused it; a reference, or NULL
 * @suspect: process whose queue the driver stops now, and therefore the culprit of a
 *	failure at this time; a reference, or NULL
 * @resetter: the thread that resets the card for a recovery, or NULL
 * @recoveries: jiffies of the last recoveries
 * @recovery_count: number of recoveries since an administrator reset the card
 */
struct accel_health {
	struct accel_device *adev;
	spinlock_t lock;
	bool enabled;
	struct work_struct recovery;
	struct delayed_work watch;
	struct accel_watchdog *watchdog;
	enum accel_failure_cause cause;
	struct pid *culprit;
	struct pid *suspect;
	struct task_struct *resetter;
	unsigned long recoveries[ACCEL_RECOVERIES_MAX];
	unsigned int recovery_count;
};

int accel_failure_init(struct accel_device *adev);
void accel_failure_fini(struct accel_device *adev);
void accel_failure(struct accel_device *adev, enum accel_failure_cause cause,
		   struct pid *culprit);
void accel_failure_suspect(struct accel_device *adev, struct pid *pid);
void accel_health_watch(struct accel_device *adev, unsigned long delay);
void accel_failure_clear(struct accel_device *adev);
bool accel_failure_pending(struct accel_device *adev);
const char *accel_failure_name(enum accel_failure_cause cause);

#endif /* ACCEL_FAILURE_H */
