/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_card.h - start and stop of the hardware.
 */
#ifndef ACCEL_CARD_H
#define ACCEL_CARD_H

#include "accel_device.h"

int accel_card_start(struct accel_device *adev);
bool accel_card_stop(struct accel_device *adev, enum accel_reason reason,
		     struct pid *culprit);

#endif /* ACCEL_CARD_H */
