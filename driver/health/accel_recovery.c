// SPDX-License-Identifier: GPL-2.0
/*
 * accel_recovery.c - the last two steps of the ladder: a function-level reset by the
 * driver, and the end of a card that no reset helps (docs/concepts/states.md).
 *
 * accel_failure() queues the work. The work first reports the failure, then stops the
 * card, then resets it. Each step is bounded. A card that fails again and again, or
 * does not start, is wedged: it stays stopped until an administrator resets it or
 * binds the driver anew.
 */
#include <linux/delay.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "accel_card.h"
#include "accel_coredump.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_reason.h"
#include "accel_recovery.h"

#define ACCEL_RECOVERY_PERIOD	(10 * 60 * HZ)
/* Another thread may hold the lock of the device, for a reset of its own or for removal. */
#define ACCEL_RECOVERY_PATIENCE	(10 * HZ)

#define ACCEL_UEVENT_TEXT	64

/* Sends KOBJ_CHANGE with @first, and the process that caused the failure if it is known. */
static void accel_recovery_uevent(struct accel_device *adev, char *first, struct pid *culprit)
{
	char pid[ACCEL_UEVENT_TEXT], comm[ACCEL_UEVENT_TEXT], name[TASK_COMM_LEN];
	struct task_struct *task = get_pid_task(culprit, PIDTYPE_TGID);
	char *env[4] = {};

	env[0] = first;
	if (culprit) {
		snprintf(pid, sizeof(pid), "PID=%d", pid_nr(culprit));
		env[1] = pid;
	}
	if (task) {
		snprintf(comm, sizeof(comm), "COMM=%s", get_task_comm(name, task));
		env[2] = comm;
		put_task_struct(task);
	}
	kobject_uevent_env(&adev->dev.kobj, KOBJ_CHANGE, env);
}

/**
 * accel_recovery_wedge() - give a card up
 * @adev: the card
 * @cause: why, one word for the event log
 * @culprit: process whose queue caused it, or NULL
 *
 * Every call and every wait fails with -ENOTRECOVERABLE, DMA is off, and mappings
 * of the card show a dummy page. The uevent is that of the kernel's graphics
 * drivers: WEDGED= lists what may help, the gentlest first.
 */
void accel_recovery_wedge(struct accel_device *adev, const char *cause, struct pid *culprit)
{
	char text[] = "WEDGED=rebind,bus-reset";

	accel_card_stop(adev, ACCEL_REASON_WEDGED, culprit);
	dev_err_ratelimited(&adev->pdev->dev,
			    "%s is wedged (%s, pid %d): accelctl doctor shows the steps\n",
			    dev_name(&adev->dev), cause, pid_nr(culprit));
	accel_event_log_owner(adev, culprit, "wedged", "cause=%s", cause);
	accel_recovery_uevent(adev, text, culprit);
}

/* Counts a recovery. Return: false if there were too many in a row. */
static bool accel_recovery_count(struct accel_health *health)
{
	unsigned long *slot = &health->recoveries[health->recovery_count % ACCEL_RECOVERIES_MAX];

	/* The slot holds the oldest of the last ones. */
	if (health->recovery_count >= ACCEL_RECOVERIES_MAX &&
	    time_before(jiffies, *slot + ACCEL_RECOVERY_PERIOD))
		return false;
	*slot = jiffies;
	health->recovery_count++;
	return true;
}

/* Resets the function, which starts the card again by way of the reset handlers. */
static int accel_recovery_reset(struct accel_device *adev)
{
	unsigned long deadline = jiffies + ACCEL_RECOVERY_PATIENCE;
	struct accel_health *health = adev->health;
	int ret;

	for (;;) {
		WRITE_ONCE(health->resetter, current);
		ret = pci_try_reset_function(adev->pdev);
		WRITE_ONCE(health->resetter, NULL);
		/* remove() holds the lock and waits for this work, or a thread resets the card. */
		if (ret != -EAGAIN || !READ_ONCE(health->enabled) ||
		    !READ_ONCE(adev->stop_errno) || time_after(jiffies, deadline))
			return ret;
		msleep(20);
	}
}

static void accel_recovery_dump(struct accel_device *adev, enum accel_failure_cause cause,
				struct pid *culprit)
{
	struct accel_coredump_cause dump = {
		.name = "recovery",
		.detail = accel_failure_name(cause),
		.culprit = culprit,
		.silent = cause != ACCEL_FAILURE_ENGINES && cause != ACCEL_FAILURE_COPY,
	};

	accel_coredump(adev, &dump);
}

static void accel_recovery_tell(struct accel_device *adev, enum accel_failure_cause cause,
				struct pid *culprit)
{
	char text[ACCEL_UEVENT_TEXT];

	dev_warn_ratelimited(&adev->pdev->dev,
			     "%s failed (%s, pid %d): the driver resets it, open files end\n",
			     dev_name(&adev->dev), accel_failure_name(cause), pid_nr(culprit));
	accel_event_log_owner(adev, culprit, "recovery", "cause=%s", accel_failure_name(cause));
	snprintf(text, sizeof(text), "RECOVERY=%s", accel_failure_name(cause));
	accel_recovery_uevent(adev, text, culprit);
}

static void accel_recovery_work(struct work_struct *work)
{
	struct accel_health *health = container_of(work, struct accel_health, recovery);
	struct accel_device *adev = health->adev;
	enum accel_failure_cause cause;
	struct pid *culprit;
	bool stopped;

	/* Waits for the end of a start of the card, which ends all failures before it. */
	mutex_lock(&adev->stop_lock);
	stopped = adev->stop_errno;
	mutex_unlock(&adev->stop_lock);
	spin_lock_irq(&health->lock);
	cause = health->cause;
	culprit = get_pid(health->culprit);
	spin_unlock_irq(&health->lock);
	/* The card was stopped meanwhile. The thread that stopped it also starts it. */
	if (cause == ACCEL_FAILURE_NONE || stopped)
		goto out;

	accel_recovery_dump(adev, cause, culprit);
	if (!accel_recovery_count(health)) {
		accel_recovery_wedge(adev, "too-many-recoveries", culprit);
		goto out;
	}
	accel_recovery_tell(adev, cause, culprit);
	if (!accel_card_stop(adev, ACCEL_REASON_RECOVERY, culprit))
		goto out;
	accel_recovery_reset(adev);
	if (READ_ONCE(adev->stop_errno) == -ESTALE && READ_ONCE(health->enabled))
		accel_recovery_wedge(adev, accel_failure_name(cause), culprit);
out:
	put_pid(culprit);
}

/**
 * accel_recovery_reset_reason() - whether the driver or an administrator resets the card
 * @adev: the card; the caller is its reset handler
 *
 * Return: the reason for which files end.
 */
enum accel_reason accel_recovery_reset_reason(struct accel_device *adev)
{
	struct accel_health *health = adev->health;

	if (READ_ONCE(health->resetter) == current)
		return ACCEL_REASON_RECOVERY;
	/* An administrator acts on the card, so the driver has all its attempts again. */
	health->recovery_count = 0;
	return ACCEL_REASON_RESET;
}

/**
 * accel_recovery_reset_done() - the kernel has reset the card, or brought it back
 * @adev: the card
 * @error: result of its start
 */
void accel_recovery_reset_done(struct accel_device *adev, int error)
{
	/* accel_recovery_work() itself handles the result of its reset. */
	if (error && READ_ONCE(adev->health->resetter) != current)
		accel_recovery_wedge(adev, "start-failed", NULL);
}

/* From now on a failure resets the card. */
void accel_recovery_enable(struct accel_device *adev)
{
	struct accel_health *health = adev->health;

	INIT_WORK(&health->recovery, accel_recovery_work);
	spin_lock_irq(&health->lock);
	health->enabled = true;
	spin_unlock_irq(&health->lock);
}

/**
 * accel_recovery_disable() - the driver leaves the card: failures have no effect any more
 * @adev: the card
 *
 * The caller may hold the lock of the device: the work does not wait for it.
 */
void accel_recovery_disable(struct accel_device *adev)
{
	struct accel_health *health = adev->health;

	spin_lock_irq(&health->lock);
	WRITE_ONCE(health->enabled, false);
	spin_unlock_irq(&health->lock);
	cancel_work_sync(&health->recovery);
}
