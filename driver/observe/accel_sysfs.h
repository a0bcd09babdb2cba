/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_sysfs.h - the attributes of the node's device.
 */
#ifndef ACCEL_SYSFS_H
#define ACCEL_SYSFS_H

struct attribute_group;

extern const struct attribute_group *accel_sysfs_groups[];

#endif /* ACCEL_SYSFS_H */
