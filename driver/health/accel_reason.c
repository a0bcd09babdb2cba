// SPDX-License-Identifier: GPL-2.0
/*
 * accel_reason.c - the reasons of accel_uapi.h: their errnos and names, and the
 * record of the end of a card or of a file.
 */
#include <linux/pid.h>
#include <linux/ktime.h>

#include "accel_reason.h"

/**
 * struct accel_reason_entry - what the driver knows of a reason
 * @name: its word in the event log and in dumps
 * @error: errno of a call that fails for this reason
 */
struct accel_reason_entry {
	const char *name;
	int error;
};

static const struct accel_reason_entry accel_reasons[] = {
	[ACCEL_REASON_NONE] = { "none", 0 },
	[ACCEL_REASON_ERROR] = { "error", -EIO },
	[ACCEL_REASON_TIME_LIMIT] = { "time-limit", -ETIME },
	[ACCEL_REASON_NO_PROGRESS] = { "no-progress", -ETIME },
	[ACCEL_REASON_STOPPED] = { "stopped", -EIO },
	[ACCEL_REASON_RESET] = { "reset", -ESTALE },
	[ACCEL_REASON_RECOVERY] = { "recovery", -ESTALE },
	[ACCEL_REASON_LINK_ERROR] = { "link-error", -ESTALE },
	[ACCEL_REASON_SUSPEND] = { "suspend", -ESTALE },
	[ACCEL_REASON_REMOVED] = { "removed", -ENODEV },
	[ACCEL_REASON_WEDGED] = { "wedged", -ENOTRECOVERABLE },
};

/**
 * accel_reason_errno() - the errno of a call that fails for a reason
 * @reason: the reason
 *
 * Return: -errno, or 0 for ACCEL_REASON_NONE.
 */
int accel_reason_errno(enum accel_reason reason)
{
	return accel_reasons[reason].error;
}

const char *accel_reason_name(enum accel_reason reason)
{
	return accel_reasons[reason].name;
}

/**
 * accel_end_set() - record that a card ends now
 * @end: the record
 * @reason: why
 * @culprit: process whose queue caused it, or NULL
 *
 * The caller holds accel_device.lock, which protects the record.
 */
void accel_end_set(struct accel_end *end, enum accel_reason reason, struct pid *culprit)
{
	put_pid(end->culprit);
	end->reason = reason;
	end->time = reason == ACCEL_REASON_NONE ? 0 : ktime_get_boottime_ns();
	end->culprit = get_pid(culprit);
}

/**
 * accel_end_copy() - record that a file ends with its card
 * @end: record of the file
 * @from: record of the card
 *
 * The caller holds accel_device.lock, which protects both records.
 */
void accel_end_copy(struct accel_end *end, const struct accel_end *from)
{
	get_pid(from->culprit);
	put_pid(end->culprit);
	*end = *from;
}
