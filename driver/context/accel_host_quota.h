/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_host_quota.h - the quota of host memory of each user, for all cards together.
 */
#ifndef ACCEL_HOST_QUOTA_H
#define ACCEL_HOST_QUOTA_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/uidgid.h>

struct accel_host_user;

/**
 * struct accel_host_refusal - why host memory was refused
 * @used: bytes in use
 * @limit: the limit in bytes
 * @all: use and limit are those of all users together
 */
struct accel_host_refusal {
	u64 used;
	u64 limit;
	bool all;
};

/* The limits: for each user, and for all users together. */
enum accel_host_limit {
	ACCEL_HOST_LIMIT_USER,
	ACCEL_HOST_LIMIT_ALL,
	ACCEL_HOST_LIMITS
};

void accel_host_quota_init(void);
struct accel_host_user *accel_host_user_get(kuid_t id, bool unlimited);
void accel_host_user_put(struct accel_host_user *user);
int accel_host_charge(struct accel_host_user *user, u64 bytes, struct accel_host_refusal *refusal);
void accel_host_uncharge(struct accel_host_user *user, u64 bytes);
u64 accel_host_query(struct accel_host_user *user, u64 *used);
u64 accel_host_limit(enum accel_host_limit which);
int accel_host_set_limit(enum accel_host_limit which, u64 limit);
bool accel_host_memory_low(u64 bytes);

#endif /* ACCEL_HOST_QUOTA_H */
