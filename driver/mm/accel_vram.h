/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_vram.h - the allocator of device memory, and its page faults.
 */
#ifndef ACCEL_VRAM_H
#define ACCEL_VRAM_H

#include <linux/mm.h>

#include "accel_device.h"

/**
 * struct accel_extent - a contiguous range of device memory
 * @list: in the list of an allocation
 * @offset: start, as an offset in device memory
 * @bytes: length
 */
struct accel_extent {
	struct list_head list;
	u64 offset;
	u64 bytes;
};

int accel_vram_init(struct accel_device *adev);
void accel_vram_fini(struct accel_device *adev);
int accel_vram_alloc(struct accel_device *adev, u64 bytes, struct list_head *extents);
void accel_vram_free(struct accel_device *adev, struct list_head *extents);
vm_fault_t accel_vram_insert(struct vm_fault *vmf, struct accel_device *adev,
			     const struct list_head *extents, u64 start);
vm_fault_t accel_vram_insert_huge(struct vm_fault *vmf, unsigned int order,
				  struct accel_device *adev, const struct list_head *extents,
				  u64 start);

#endif /* ACCEL_VRAM_H */
