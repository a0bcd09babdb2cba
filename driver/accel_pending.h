/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pending.h - stand-ins for functions of files that do not exist yet.
 */
#ifndef ACCEL_PENDING_H
#define ACCEL_PENDING_H

#include "accel_device.h"

#define ACCEL_FAILURE_ACCESS	2

static inline void accel_failure(struct accel_device *adev, int cause, struct pid *culprit)
{
	dev_err(&adev->dev, "the card refused to end an access to memory; reset it\n");
}

static inline u32 accel_time_limit(const struct accel_device *adev)
{
	return 0;
}

static inline u64 accel_time_limit_ticks(const struct accel_device *adev, u32 ms)
{
	return ms ? max_t(u64, mul_u64_u32_div(ms, adev->clock_hz, MSEC_PER_SEC), 1) : 0;
}

static inline u32 accel_quota_priority_max(struct accel_device *adev)
{
	return 1;
}

#endif /* ACCEL_PENDING_H */
