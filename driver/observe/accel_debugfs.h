/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_debugfs.h - the debugfs files of a card.
 */
#ifndef ACCEL_DEBUGFS_H
#define ACCEL_DEBUGFS_H

#include "accel_device.h"

void accel_debugfs_init(void);
void accel_debugfs_fini(void);
void accel_debugfs_add(struct accel_device *adev);
void accel_debugfs_del(struct accel_device *adev);

#endif /* ACCEL_DEBUGFS_H */
