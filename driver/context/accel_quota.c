// SPDX-License-Identifier: GPL-2.0
/*
 * accel_quota.c - the quota of each user of a card.
 *
 * Contexts, queues, device memory and host memory are scarce. The driver counts
 * them for the user that opened the file. Files that were opened with
 * CAP_SYS_RESOURCE are counted apart and not limited. The administrator sets the
 * limits in sysfs; a lower limit takes nothing away from a user that already
 * holds more.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "accel_event_log.h"
#include "accel_host_quota.h"
#include "accel_quota.h"

/* The highest priority of a queue of an ordinary user, unless the administrator changes it. */
#define ACCEL_PRIORITY_DEFAULT	1

/**
 * struct accel_quota - one user of one card
 * @ref: held by files, and by buffers in device memory, which may outlive them
 * @node: in accel_quota_table.users
 * @adev: the card; every holder of the quota also holds the card
 * @user: the user
 * @unlimited: files of the user that were opened with CAP_SYS_RESOURCE
 * @host: the user's host memory, for all cards
 * @used: use of each resource of the card, under accel_quota_table.lock
 */
struct accel_quota {
	struct kref ref;
	struct list_head node;
	struct accel_device *adev;
	kuid_t user;
	bool unlimited;
	struct accel_host_user *host;
	u64 used[ACCEL_CARD_RESOURCES];
};

/**
 * struct accel_quota_table - the users of a card
 * @lock: protects @limits, @users and the use of each user
 * @totals: amount of each resource that the card has
 * @limits: amount of each resource that a user may hold; sysfs reads a limit without @lock
 * @priority: highest priority of a queue of a user without CAP_SYS_NICE
 * @users: users that hold a file or memory
 */
struct accel_quota_table {
	spinlock_t lock;
	u64 totals[ACCEL_CARD_RESOURCES];
	u64 limits[ACCEL_CARD_RESOURCES];
	u32 priority;
	struct list_head users;
};

/* The name of a resource, and its file in sysfs. */
static const struct {
	const char *name;
	const char *file;
} accel_resource_names[ACCEL_CARD_RESOURCES] = {
	[ACCEL_RESOURCE_CONTEXTS] = { "contexts", "quota/contexts in sysfs" },
	[ACCEL_RESOURCE_QUEUES] = { "queues", "quota/queues in sysfs" },
	[ACCEL_RESOURCE_MEMORY] = { "bytes of device memory", "quota/memory in sysfs" },
};

/**
 * accel_quota_init() - set the default limits: half of the card for each user
 * @adev: the card, with its totals known
 *
 * Return: 0 or -ENOMEM.
 */
int accel_quota_init(struct accel_device *adev)
{
	struct accel_quota_table *table;
	int i;

	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	spin_lock_init(&table->lock);
	INIT_LIST_HEAD(&table->users);
	table->totals[ACCEL_RESOURCE_CONTEXTS] = adev->context_count;
	table->totals[ACCEL_RESOURCE_QUEUES] = adev->queue_count;
	table->totals[ACCEL_RESOURCE_MEMORY] = adev->vram_size;
	for (i = 0; i < ACCEL_CARD_RESOURCES; i++)
		table->limits[i] = max(table->totals[i] / 2, 1ULL);
	table->priority = ACCEL_PRIORITY_DEFAULT;
	accel_host_quota_init();
	adev->quotas = table;
	return 0;
}

/* Called when the last reference to the card is dropped. */
void accel_quota_fini(struct accel_device *adev)
{
	kfree(adev->quotas);
}

/*
 * The user whose quota the caller uses. A user can own many ids through user namespaces, so inside
 * of these the owner of the outermost one counts, unless the administrator made it.
 */
static kuid_t accel_quota_user(void)
{
	struct user_namespace *ns = current_user_ns();

	if (ns == &init_user_ns)
		return current_euid();
	while (ns->parent != &init_user_ns)
		ns = ns->parent;
	return uid_eq(ns->owner, GLOBAL_ROOT_UID) ? current_euid() : ns->owner;
}

static void accel_quota_free(struct accel_quota *quota)
{
	if (quota->host)
		accel_host_user_put(quota->host);
	kfree(quota);
}

/**
 * accel_quota_get_current() - find or create the quota of the current user
 * @adev: the card
 *
 * Return: a reference, or NULL if out of memory.
 */
struct accel_quota *accel_quota_get_current(struct accel_device *adev)
{
	struct accel_quota_table *table = adev->quotas;
	struct accel_quota *quota, *new;
	bool unlimited;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	kref_init(&new->ref);
	new->adev = adev;
	new->user = accel_quota_user();
	/* Without audit: a process without the capability is nothing unusual. */
	unlimited = ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
	new->unlimited = unlimited;
	new->host = accel_host_user_get(new->user, unlimited);
	if (!new->host) {
		accel_quota_free(new);
		return NULL;
	}

	spin_lock(&table->lock);
	list_for_each_entry(quota, &table->users, node)
		if (uid_eq(quota->user, new->user) && quota->unlimited == unlimited &&
		    kref_get_unless_zero(&quota->ref))
			goto found;
	list_add(&new->node, &table->users);
	spin_unlock(&table->lock);
	return new;

found:
	spin_unlock(&table->lock);
	accel_quota_free(new);
	return quota;
}

static void accel_quota_release(struct kref *ref)
{
	struct accel_quota *quota = container_of(ref, struct accel_quota, ref);
	struct accel_quota_table *table = quota->adev->quotas;
	int i;

	spin_lock(&table->lock);
	list_del(&quota->node);
	spin_unlock(&table->lock);
	for (i = 0; i < ACCEL_CARD_RESOURCES; i++)
		WARN_ON_ONCE(quota->used[i]);
	accel_quota_free(quota);
}

void accel_quota_put(struct accel_quota *quota)
{
	kref_put(&quota->ref, accel_quota_release);
}

/* The files of the user may exceed the limits. */
bool accel_quota_unlimited(const struct accel_quota *quota)
{
	return quota->unlimited;
}

static void accel_quota_explain(struct accel_quota *quota, enum accel_resource resource, u64 used,
				u64 limit, u64 amount)
{
	dev_notice_ratelimited(&quota->adev->dev,
			       "%s[%d]: user %u wants %llu %s: %llu of %llu in use; raise %s\n",
			       current->comm, task_pid_nr(current),
			       from_kuid(&init_user_ns, quota->user), amount,
			       accel_resource_names[resource].name, used, limit,
			       accel_resource_names[resource].file);
}

static int accel_quota_charge_host(struct accel_quota *quota, u64 bytes)
{
	struct accel_host_refusal refusal;
	int ret;

	ret = accel_host_charge(quota->host, bytes, &refusal);
	if (!ret)
		return 0;
	dev_notice_ratelimited(&quota->adev->dev,
			       "%s[%d]: user %u wants %llu %s: %llu of %llu in use%s; raise %s\n",
			       current->comm, task_pid_nr(current),
			       from_kuid(&init_user_ns, quota->user), bytes,
			       "bytes of host memory", refusal.used, refusal.limit,
			       refusal.all ? " by all users" : "",
			       refusal.all ? "quota/host_memory_total in sysfs" :
					     "quota/host_memory in sysfs");
	return ret;
}

/**
 * accel_quota_charge() - charge a resource to a user before its allocation
 * @quota: the user
 * @unlimited: the file may exceed the limits
 * @resource: the resource
 * @amount: the amount
 *
 * The call does not sleep.
 *
 * Return: 0, or -EDQUOT if the user would exceed the limit.
 */
int accel_quota_charge(struct accel_quota *quota, bool unlimited, enum accel_resource resource,
		       u64 amount)
{
	struct accel_quota_table *table = quota->adev->quotas;
	u64 used, limit;
	bool fits;

	if (resource == ACCEL_RESOURCE_HOST_MEMORY)
		return accel_quota_charge_host(quota, amount);
	spin_lock(&table->lock);
	used = quota->used[resource];
	limit = table->limits[resource];
	fits = unlimited || (used <= limit && amount <= limit - used);
	if (fits)
		quota->used[resource] += amount;
	spin_unlock(&table->lock);
	if (!fits)
		accel_quota_explain(quota, resource, used, limit, amount);
	return fits ? 0 : -EDQUOT;
}

/* Ends a charge. The call does not sleep. */
void accel_quota_uncharge(struct accel_quota *quota, enum accel_resource resource, u64 amount)
{
	struct accel_quota_table *table = quota->adev->quotas;

	if (resource == ACCEL_RESOURCE_HOST_MEMORY) {
		accel_host_uncharge(quota->host, amount);
		return;
	}
	spin_lock(&table->lock);
	quota->used[resource] -= amount;
	spin_unlock(&table->lock);
}

/**
 * accel_quota_get() - take another reference, for an object that may outlive the context
 * @quota: the user
 *
 * Return: @quota.
 */
struct accel_quota *accel_quota_get(struct accel_quota *quota)
{
	kref_get(&quota->ref);
	return quota;
}

/**
 * accel_quota_query() - read the use and the limit of a resource
 * @quota: the user
 * @unlimited: the file may exceed the limits
 * @resource: the resource
 * @used: amount that the user holds, filled in
 *
 * Return: the limit; U64_MAX if there is none.
 */
u64 accel_quota_query(struct accel_quota *quota, bool unlimited, enum accel_resource resource,
		      u64 *used)
{
	struct accel_quota_table *table = quota->adev->quotas;
	u64 limit;

	if (resource == ACCEL_RESOURCE_HOST_MEMORY)
		return accel_host_query(quota->host, used);
	spin_lock(&table->lock);
	*used = quota->used[resource];
	limit = unlimited ? U64_MAX : table->limits[resource];
	spin_unlock(&table->lock);
	return limit;
}

/* The highest priority that the current process may give to a queue. */
u32 accel_quota_priority_max(struct accel_device *adev)
{
	if (ns_capable_noaudit(&init_user_ns, CAP_SYS_NICE))
		return ACCEL_PRIORITIES - 1;
	return READ_ONCE(adev->quotas->priority);
}

/* The limits in sysfs: quota/. */

/**
 * struct accel_quota_file - a file of a limit
 * @attr: the file
 * @which: enum accel_resource or enum accel_host_limit
 */
struct accel_quota_file {
	struct device_attribute attr;
	unsigned int which;
};

static ssize_t accel_quota_limit_show(struct device *dev, struct device_attribute *attr,
				      char *buf)
{
	struct accel_quota_table *table = accel_device_of(dev)->quotas;
	unsigned int resource = container_of(attr, struct accel_quota_file, attr)->which;

	return sysfs_emit(buf, "%llu\n", READ_ONCE(table->limits[resource]));
}

static ssize_t accel_quota_limit_store(struct device *dev, struct device_attribute *attr,
				       const char *buf, size_t count)
{
	struct accel_quota_table *table = accel_device_of(dev)->quotas;
	unsigned int resource = container_of(attr, struct accel_quota_file, attr)->which;
	u64 limit;
	int ret;

	ret = kstrtou64(buf, 0, &limit);
	if (ret)
		return ret;
	if (!limit || limit > table->totals[resource])
		return -EINVAL;
	spin_lock(&table->lock);
	WRITE_ONCE(table->limits[resource], limit);
	spin_unlock(&table->lock);
	accel_event_log_setting(accel_device_of(dev), attr->attr.name, limit);
	return count;
}

/* Host memory belongs to the machine: the files of all cards show and set the same limits. */
static ssize_t accel_quota_host_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	unsigned int which = container_of(attr, struct accel_quota_file, attr)->which;

	return sysfs_emit(buf, "%llu\n", accel_host_limit(which));
}

static ssize_t accel_quota_host_store(struct device *dev, struct device_attribute *attr,
				      const char *buf, size_t count)
{
	unsigned int which = container_of(attr, struct accel_quota_file, attr)->which;
	u64 limit;
	int ret;

	ret = kstrtou64(buf, 0, &limit);
	if (!ret)
		ret = accel_host_set_limit(which, limit);
	if (ret)
		return ret;
	accel_event_log_setting(accel_device_of(dev), attr->attr.name, limit);
	return count;
}

static ssize_t accel_quota_priority_show(struct device *dev, struct device_attribute *attr,
					 char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(accel_device_of(dev)->quotas->priority));
}

static ssize_t accel_quota_priority_store(struct device *dev, struct device_attribute *attr,
					  const char *buf, size_t count)
{
	u32 priority;
	int ret;

	ret = kstrtou32(buf, 0, &priority);
	if (ret)
		return ret;
	if (priority >= ACCEL_PRIORITIES)
		return -EINVAL;
	WRITE_ONCE(accel_device_of(dev)->quotas->priority, priority);
	accel_event_log_setting(accel_device_of(dev), attr->attr.name, priority);
	return count;
}

#define ACCEL_QUOTA_FILE(name, kind, value)						\
	static struct accel_quota_file accel_quota_##name = {				\
		.attr = __ATTR(name, 0644, accel_quota_##kind##_show,			\
			       accel_quota_##kind##_store),				\
		.which = (value),							\
	}

ACCEL_QUOTA_FILE(contexts, limit, ACCEL_RESOURCE_CONTEXTS);
ACCEL_QUOTA_FILE(queues, limit, ACCEL_RESOURCE_QUEUES);
ACCEL_QUOTA_FILE(memory, limit, ACCEL_RESOURCE_MEMORY);
ACCEL_QUOTA_FILE(host_memory, host, ACCEL_HOST_LIMIT_USER);
ACCEL_QUOTA_FILE(host_memory_total, host, ACCEL_HOST_LIMIT_ALL);
ACCEL_QUOTA_FILE(priority, priority, 0);

static struct attribute *accel_quota_attrs[] = {
	&accel_quota_contexts.attr.attr,
	&accel_quota_queues.attr.attr,
	&accel_quota_memory.attr.attr,
	&accel_quota_host_memory.attr.attr,
	&accel_quota_host_memory_total.attr.attr,
	&accel_quota_priority.attr.attr,
	NULL
};

const struct attribute_group accel_quota_group = {
	.name = "quota",
	.attrs = accel_quota_attrs,
};
