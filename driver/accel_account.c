// SPDX-License-Identifier: GPL-2.0
/*
 * accel_account.c - what each user has of a card, and how much he may have.
 *
 * Contexts, queues and device memory are few, and are counted by the user who
 * opened the file. Who may exceed limits (CAP_SYS_RESOURCE when the file was
 * opened) is counted and not limited. The administrator sets the limits in
 * sysfs; a lower one takes nothing away from who has more.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/slab.h>

#include "accel.h"

/**
 * struct accel_account - one user of one card
 * @ref: files, and buffers in device memory, which may outlive them
 * @node: in accel_device.accounts
 * @adev: the card; what holds the account holds it
 * @user: who
 * @used: of each resource, under accel_device.accounts_lock
 */
struct accel_account {
	struct kref ref;
	struct list_head node;
	struct accel_device *adev;
	kuid_t user;
	u64 used[ACCEL_RESOURCES];
};

static const char * const accel_resource_names[ACCEL_RESOURCES] = {
	[ACCEL_RESOURCE_CONTEXTS] = "contexts",
	[ACCEL_RESOURCE_QUEUES] = "queues",
	[ACCEL_RESOURCE_MEMORY] = "bytes of device memory",
};

/**
 * accel_account_init() - the limits a card begins with: half of it for a user
 * @adev: the card, whose totals are known
 */
void accel_account_init(struct accel_device *adev)
{
	int i;

	spin_lock_init(&adev->accounts_lock);
	INIT_LIST_HEAD(&adev->accounts);
	adev->totals[ACCEL_RESOURCE_CONTEXTS] = adev->context_count;
	adev->totals[ACCEL_RESOURCE_QUEUES] = adev->queue_count;
	adev->totals[ACCEL_RESOURCE_MEMORY] = adev->memory_size;
	for (i = 0; i < ACCEL_RESOURCES; i++)
		adev->limits[i] = max(adev->totals[i] / 2, 1ULL);
}

/**
 * accel_account_get() - the account of the current user
 * @adev: the card
 *
 * Return: a reference, or NULL when there is no memory.
 */
struct accel_account *accel_account_get(struct accel_device *adev)
{
	struct accel_account *account, *new;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	kref_init(&new->ref);
	new->adev = adev;
	new->user = current_euid();

	spin_lock(&adev->accounts_lock);
	list_for_each_entry(account, &adev->accounts, node)
		if (uid_eq(account->user, new->user) && kref_get_unless_zero(&account->ref))
			goto found;
	list_add(&new->node, &adev->accounts);
	spin_unlock(&adev->accounts_lock);
	return new;

found:
	spin_unlock(&adev->accounts_lock);
	kfree(new);
	return account;
}

static void accel_account_release(struct kref *ref)
{
	struct accel_account *account = container_of(ref, struct accel_account, ref);
	int i;

	spin_lock(&account->adev->accounts_lock);
	list_del(&account->node);
	spin_unlock(&account->adev->accounts_lock);
	for (i = 0; i < ACCEL_RESOURCES; i++)
		WARN_ON_ONCE(account->used[i]);
	kfree(account);
}

void accel_account_put(struct accel_account *account)
{
	kref_put(&account->ref, accel_account_release);
}

static void accel_account_explain(struct accel_device *adev, enum accel_resource what, u64 used,
				  u64 limit, u64 amount)
{
	dev_notice_ratelimited(&adev->dev,
			       "%s[%d]: user %u may have %llu %s, has %llu, wants %llu more\n",
			       current->comm, task_pid_nr(current),
			       from_kuid(&init_user_ns, current_euid()), limit,
			       accel_resource_names[what], used, amount);
}

/**
 * accel_account_charge() - somebody is about to take of a resource
 * @ctx: for whom
 * @what: the resource
 * @amount: how much
 *
 * Return: 0, or -EDQUOT when that is more than the user may have.
 */
int accel_account_charge(struct accel_context *ctx, enum accel_resource what, u64 amount)
{
	struct accel_account *account = ctx->account;
	struct accel_device *adev = ctx->adev;
	u64 used, limit;
	bool fits;

	spin_lock(&adev->accounts_lock);
	used = account->used[what];
	limit = adev->limits[what];
	fits = ctx->unlimited || (used <= limit && amount <= limit - used);
	if (fits)
		account->used[what] += amount;
	spin_unlock(&adev->accounts_lock);
	if (!fits)
		accel_account_explain(adev, what, used, limit, amount);
	return fits ? 0 : -EDQUOT;
}

void accel_account_uncharge(struct accel_account *account, enum accel_resource what, u64 amount)
{
	spin_lock(&account->adev->accounts_lock);
	account->used[what] -= amount;
	spin_unlock(&account->adev->accounts_lock);
}

/**
 * accel_account_hold() - what is charged may outlive the context
 * @account: that of the context
 *
 * Return: another reference.
 */
struct accel_account *accel_account_hold(struct accel_account *account)
{
	kref_get(&account->ref);
	return account;
}

/**
 * accel_account_look() - what a user has, and may have
 * @ctx: the context
 * @what: the resource
 * @used: how much he has
 *
 * Return: the limit; U64_MAX if there is none.
 */
u64 accel_account_look(struct accel_context *ctx, enum accel_resource what, u64 *used)
{
	struct accel_device *adev = ctx->adev;
	u64 limit;

	spin_lock(&adev->accounts_lock);
	*used = ctx->account->used[what];
	limit = ctx->unlimited ? U64_MAX : adev->limits[what];
	spin_unlock(&adev->accounts_lock);
	return limit;
}

/* Limits in sysfs. */

struct accel_limit_file {
	struct device_attribute attr;
	enum accel_resource what;
};

static ssize_t accel_limit_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = container_of(dev, struct accel_device, dev);
	enum accel_resource what = container_of(attr, struct accel_limit_file, attr)->what;

	return sysfs_emit(buf, "%llu\n", READ_ONCE(adev->limits[what]));
}

static ssize_t accel_limit_store(struct device *dev, struct device_attribute *attr,
				 const char *buf, size_t count)
{
	struct accel_device *adev = container_of(dev, struct accel_device, dev);
	enum accel_resource what = container_of(attr, struct accel_limit_file, attr)->what;
	u64 limit;
	int ret;

	ret = kstrtou64(buf, 0, &limit);
	if (ret)
		return ret;
	if (!limit || limit > adev->totals[what])
		return -EINVAL;
	spin_lock(&adev->accounts_lock);
	adev->limits[what] = limit;
	spin_unlock(&adev->accounts_lock);
	return count;
}

#define ACCEL_LIMIT_FILE(name, resource)						\
	static struct accel_limit_file accel_limit_##name = {				\
		.attr = __ATTR(name, 0644, accel_limit_show, accel_limit_store),	\
		.what = (resource),							\
	}

ACCEL_LIMIT_FILE(contexts, ACCEL_RESOURCE_CONTEXTS);
ACCEL_LIMIT_FILE(queues, ACCEL_RESOURCE_QUEUES);
ACCEL_LIMIT_FILE(memory, ACCEL_RESOURCE_MEMORY);

static struct attribute *accel_limit_attrs[] = {
	&accel_limit_contexts.attr.attr,
	&accel_limit_queues.attr.attr,
	&accel_limit_memory.attr.attr,
	NULL
};

const struct attribute_group accel_limit_group = {
	.name = "quota",
	.attrs = accel_limit_attrs,
};
