/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_recovery.h - the last two steps of the ladder: a function-level reset by the
 * driver, and the end of a card that no reset helps.
 */
#ifndef ACCEL_RECOVERY_H
#define ACCEL_RECOVERY_H

#include "accel_device.h"

void accel_recovery_enable(struct accel_device *adev);
void accel_recovery_disable(struct accel_device *adev);
enum accel_reason accel_recovery_reset_reason(struct accel_device *adev);
void accel_recovery_reset_done(struct accel_device *adev, int error);
void accel_recovery_wedge(struct accel_device *adev, const char *cause, struct pid *culprit);

#endif /* ACCEL_RECOVERY_H */
