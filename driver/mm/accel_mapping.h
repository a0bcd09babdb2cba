/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_mapping.h - the address space that all mappings of a card share, and
 * the offsets of doorbells in it.
 */
#ifndef ACCEL_MAPPING_H
#define ACCEL_MAPPING_H

#include <linux/mm.h>

#include "accel_device.h"

/* The offset of the doorbell of queue 0. */
#define ACCEL_MMAP_DOORBELLS	BIT_ULL(30)

static inline u64 accel_mapping_doorbell(int queue)
{
	return ACCEL_MMAP_DOORBELLS + (u64)queue * ACCEL_DOORBELL_STRIDE;
}

int accel_mapping_mount(void);
void accel_mapping_unmount(void);
int accel_mapping_init(struct accel_device *adev);
void accel_mapping_fini(struct accel_device *adev);
void accel_mapping_revoke_doorbell(struct accel_device *adev, int queue);
void accel_mapping_revoke_all(struct accel_device *adev);
vm_fault_t accel_mapping_insert_dummy(struct vm_fault *vmf, struct page *dummy);

#endif /* ACCEL_MAPPING_H */
