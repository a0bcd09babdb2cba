/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_quota.h - the quota of each user of a card.
 */
#ifndef ACCEL_QUOTA_H
#define ACCEL_QUOTA_H

#include "accel_device.h"

struct accel_quota;

/* The resources that are limited for each user. */
enum accel_resource {
	ACCEL_RESOURCE_CONTEXTS,
	ACCEL_RESOURCE_QUEUES,
	ACCEL_RESOURCE_MEMORY,		/* bytes of device memory */
	ACCEL_CARD_RESOURCES,
	/*
	 * Bytes of host memory: host buffers, queues, registered memory, transfers in flight, and
	 * what the kernel needs for exports and imports.
	 */
	ACCEL_RESOURCE_HOST_MEMORY = ACCEL_CARD_RESOURCES,
	ACCEL_RESOURCES
};

extern const struct attribute_group accel_quota_group;
int accel_quota_init(struct accel_device *adev);
void accel_quota_fini(struct accel_device *adev);
struct accel_quota *accel_quota_get_current(struct accel_device *adev);
struct accel_quota *accel_quota_get(struct accel_quota *quota);
void accel_quota_put(struct accel_quota *quota);
bool accel_quota_unlimited(const struct accel_quota *quota);
int accel_quota_charge(struct accel_quota *quota, bool unlimited, enum accel_resource resource,
		       u64 amount);
void accel_quota_uncharge(struct accel_quota *quota, enum accel_resource resource, u64 amount);
u32 accel_quota_priority_max(struct accel_device *adev);
u64 accel_quota_query(struct accel_quota *quota, bool unlimited, enum accel_resource resource,
		      u64 *used);

#endif /* ACCEL_QUOTA_H */
