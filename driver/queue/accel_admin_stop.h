/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_admin_stop.h - an administrator stops a queue of any process.
 */
#ifndef ACCEL_ADMIN_STOP_H
#define ACCEL_ADMIN_STOP_H

#include "accel_device.h"

int accel_admin_stop_queue(struct accel_device *adev, unsigned int id);

#endif /* ACCEL_ADMIN_STOP_H */
