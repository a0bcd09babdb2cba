/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_hwmon.h - the sensors of a card.
 */
#ifndef ACCEL_HWMON_H
#define ACCEL_HWMON_H

#include "accel_device.h"

int accel_hwmon_add(struct accel_device *adev);
void accel_hwmon_del(struct accel_device *adev);

#endif /* ACCEL_HWMON_H */
