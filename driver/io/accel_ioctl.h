/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_ioctl.h - the ioctls of the node.
 */
#ifndef ACCEL_IOCTL_H
#define ACCEL_IOCTL_H

struct file;

long accel_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* ACCEL_IOCTL_H */
