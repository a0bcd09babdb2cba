/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_fdinfo.h - resources of a file in /proc/PID/fdinfo.
 */
#ifndef ACCEL_FDINFO_H
#define ACCEL_FDINFO_H

struct file;
struct seq_file;

void accel_fdinfo_show(struct seq_file *m, struct file *file);

#endif /* ACCEL_FDINFO_H */
