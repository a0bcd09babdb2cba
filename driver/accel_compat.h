/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_compat.h - what differs between kernels, in one place.
 *
 * ACCEL_HAVE_* come from compile probes: Kbuild tries each file in compat/
 * against the kernel at hand. No version is ever compared, for vendors
 * backport.
 */
#ifndef ACCEL_COMPAT_H
#define ACCEL_COMPAT_H

#include <linux/mm.h>

#ifndef ACCEL_HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}
#endif

#endif /* ACCEL_COMPAT_H */
