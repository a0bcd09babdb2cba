/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_mmap.h - mmap() of the node.
 */
#ifndef ACCEL_MMAP_H
#define ACCEL_MMAP_H

struct file;
struct vm_area_struct;

int accel_mmap(struct file *file, struct vm_area_struct *vma);

#endif /* ACCEL_MMAP_H */
