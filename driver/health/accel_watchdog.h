/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_watchdog.h - notices queues, engines and cards that make no progress.
 */
#ifndef ACCEL_WATCHDOG_H
#define ACCEL_WATCHDOG_H

#include "accel_device.h"

int accel_watchdog_init(struct accel_device *adev);
void accel_watchdog_start(struct accel_device *adev);
void accel_watchdog_stop(struct accel_device *adev);

#endif /* ACCEL_WATCHDOG_H */
