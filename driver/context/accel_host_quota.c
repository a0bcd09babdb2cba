// SPDX-License-Identifier: GPL-2.0
/*
 * accel_host_quota.c - the quota of host memory of each user, for all cards together.
 *
 * Memory that a card can access is locked: the kernel cannot swap it, and most of
 * it belongs to no process that the kernel could end. So the machine would fail if
 * users could take all of it. One limit is for each user. Another is for all
 * limited users together, whatever the number of users and cards.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "accel_host_quota.h"

/* Memory that allocations for a card leave to the rest of the machine. */
#define ACCEL_RESERVE_SHARE	16
#define ACCEL_RESERVE_MAX	(1ULL << 30)

/**
 * struct accel_host_user - one user of host memory
 * @node: in accel_host.users
 * @id: the user
 * @unlimited: files of the user that were opened with CAP_SYS_RESOURCE
 * @references: number of accel_quota, under accel_host.lock
 * @used: bytes, under accel_host.lock
 */
struct accel_host_user {
	struct list_head node;
	kuid_t id;
	bool unlimited;
	unsigned int references;
	u64 used;
};

/*
 * @lock protects everything here; readers of a limit need no lock. @used has the bytes of all
 * limited users.
 */
static struct {
	spinlock_t lock;
	struct list_head users;
	u64 used;
	u64 limits[ACCEL_HOST_LIMITS];
} accel_host = {
	.lock = __SPIN_LOCK_UNLOCKED(accel_host.lock),
	.users = LIST_HEAD_INIT(accel_host.users),
};

static u64 accel_host_ram(void)
{
	return (u64)totalram_pages() << PAGE_SHIFT;
}

/* Sets the default limits when the first card appears. */
void accel_host_quota_init(void)
{
	spin_lock(&accel_host.lock);
	if (!accel_host.limits[ACCEL_HOST_LIMIT_USER]) {
		WRITE_ONCE(accel_host.limits[ACCEL_HOST_LIMIT_USER], accel_host_ram() / 4);
		WRITE_ONCE(accel_host.limits[ACCEL_HOST_LIMIT_ALL], accel_host_ram() / 2);
	}
	spin_unlock(&accel_host.lock);
}

/**
 * accel_host_user_get() - find or create a user
 * @id: the user
 * @unlimited: the caller may exceed the limits
 *
 * Return: a reference, or NULL if out of memory.
 */
struct accel_host_user *accel_host_user_get(kuid_t id, bool unlimited)
{
	struct accel_host_user *user, *new;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	new->id = id;
	new->unlimited = unlimited;
	new->references = 1;

	spin_lock(&accel_host.lock);
	list_for_each_entry(user, &accel_host.users, node)
		if (uid_eq(user->id, id) && user->unlimited == unlimited)
			goto found;
	list_add(&new->node, &accel_host.users);
	spin_unlock(&accel_host.lock);
	return new;

found:
	user->references++;
	spin_unlock(&accel_host.lock);
	kfree(new);
	return user;
}

void accel_host_user_put(struct accel_host_user *user)
{
	spin_lock(&accel_host.lock);
	if (--user->references) {
		spin_unlock(&accel_host.lock);
		return;
	}
	list_del(&user->node);
	spin_unlock(&accel_host.lock);
	WARN_ON_ONCE(user->used);
	kfree(user);
}

static bool accel_host_fits(u64 used, u64 limit, u64 bytes, bool all,
			    struct accel_host_refusal *refusal)
{
	*refusal = (struct accel_host_refusal) { .used = used, .limit = limit, .all = all };
	return used <= limit && bytes <= limit - used;
}

/**
 * accel_host_charge() - charge host memory to a user
 * @user: the user
 * @bytes: the amount
 * @refusal: why the charge is refused, filled in on failure
 *
 * Return: 0 or -EDQUOT.
 */
int accel_host_charge(struct accel_host_user *user, u64 bytes, struct accel_host_refusal *refusal)
{
	const u64 *limits = accel_host.limits;
	int ret = 0;

	spin_lock(&accel_host.lock);
	if (!user->unlimited &&
	    (!accel_host_fits(user->used, limits[ACCEL_HOST_LIMIT_USER], bytes, false, refusal) ||
	     !accel_host_fits(accel_host.used, limits[ACCEL_HOST_LIMIT_ALL], bytes, true, refusal)))
		ret = -EDQUOT;
	if (!ret) {
		user->used += bytes;
		if (!user->unlimited)
			accel_host.used += bytes;
	}
	spin_unlock(&accel_host.lock);
	return ret;
}

void accel_host_uncharge(struct accel_host_user *user, u64 bytes)
{
	spin_lock(&accel_host.lock);
	user->used -= bytes;
	if (!user->unlimited)
		accel_host.used -= bytes;
	spin_unlock(&accel_host.lock);
}

/**
 * accel_host_query() - read the use and the limit of a user
 * @user: the user
 * @used: bytes in use, filled in
 *
 * Return: the limit in bytes; U64_MAX if there is none.
 */
u64 accel_host_query(struct accel_host_user *user, u64 *used)
{
	u64 limit;

	spin_lock(&accel_host.lock);
	*used = user->used;
	limit = user->unlimited ? U64_MAX : accel_host.limits[ACCEL_HOST_LIMIT_USER];
	spin_unlock(&accel_host.lock);
	return limit;
}

u64 accel_host_limit(enum accel_host_limit which)
{
	return READ_ONCE(accel_host.limits[which]);
}

/* Sets a limit. Return: 0, or -EINVAL for a limit that is zero or beyond the machine's memory. */
int accel_host_set_limit(enum accel_host_limit which, u64 limit)
{
	if (!limit || limit > accel_host_ram())
		return -EINVAL;
	spin_lock(&accel_host.lock);
	WRITE_ONCE(accel_host.limits[which], limit);
	spin_unlock(&accel_host.lock);
	return 0;
}

/**
 * accel_host_memory_low() - check whether an allocation would endanger the machine
 * @bytes: bytes to allocate
 *
 * The limits do not help if other programs already use the memory. The check is for every user,
 * since memory of a card is in no process that the kernel can end to get it back.
 *
 * Return: true if the rest of the machine would get too little.
 */
bool accel_host_memory_low(u64 bytes)
{
	u64 reserve = min(accel_host_ram() / ACCEL_RESERVE_SHARE, ACCEL_RESERVE_MAX);
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;

	return available < reserve || bytes > available - reserve;
}
