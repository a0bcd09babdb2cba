// SPDX-License-Identifier: GPL-2.0
/*
 * accel_coredump.c - device coredumps: the state of a card at a failure, for root.
 *
 * The kernel keeps one dump of a card, until root writes to its file or five minutes have passed,
 * and drops newer ones meanwhile.
 */
#include <linux/devcoredump.h>
#include <linux/pid.h>
#include <linux/ratelimit.h>
#include <linux/sysfs.h>
#include <linux/vmalloc.h>

#include "accel_coredump.h"
#include "accel_event_log.h"
#include "accel_queue.h"

#define ACCEL_COREDUMP_BYTES	(512 * 1024)
/* A process can cause any number of faults, and an administrator any number of resets. */
#define ACCEL_COREDUMP_INTERVAL	(10 * HZ)

/**
 * struct accel_coredump - dumps that processes and administrators can cause
 * @adev: the card
 * @fault_limit: rate of dumps after faults
 * @reset_limit: rate of dumps before resets
 * @lock: protects @queue and @address
 * @queue: id of the queue that faulted
 * @address: address of the fault
 * @fault: dumps the state after a fault
 * @publish: held while a dump is handed to the kernel, which keeps one; nothing is locked within
 */
struct accel_coredump {
	struct accel_device *adev;
	struct ratelimit_state fault_limit;
	struct ratelimit_state reset_limit;
	spinlock_t lock;
	u32 queue;
	u64 address;
	struct work_struct fault;
	struct mutex publish;
};

/* Whether nobody has taken the last dump yet. */
static bool accel_coredump_exists(struct accel_device *adev)
{
	struct kernfs_node *node = sysfs_get_dirent(adev->pdev->dev.kobj.sd, "devcoredump");

	sysfs_put(node);
	return node;
}

/* Hands a dump to the kernel, unless that of another failure was faster. Takes over @data. */
static void accel_coredump_publish(struct accel_device *adev,
				   const struct accel_coredump_cause *cause, void *data,
				   size_t size)
{
	mutex_lock(&adev->coredump->publish);
	if (accel_coredump_exists(adev)) {
		accel_event_log_card(adev, "coredump-kept", "cause=%s", cause->name);
		vfree(data);
	} else {
		accel_event_log_card(adev, "coredump", "cause=%s", cause->name);
		dev_coredumpv(&adev->pdev->dev, data, size, GFP_KERNEL);
	}
	mutex_unlock(&adev->coredump->publish);
}

/**
 * accel_coredump() - dump the state of a card
 * @adev: the card
 * @cause: why
 *
 * The caller is in no section and holds no lock below stop_lock. The dump lacks what
 * a stopped or silent card cannot tell. Without memory there is no dump. The kernel
 * keeps one dump of a device, so a failure that follows another has none of its own.
 */
void accel_coredump(struct accel_device *adev, const struct accel_coredump_cause *cause)
{
	size_t size;
	void *data;

	if (accel_coredump_exists(adev)) {
		accel_event_log_card(adev, "coredump-kept", "cause=%s", cause->name);
		return;
	}
	data = __vmalloc(ACCEL_COREDUMP_BYTES, GFP_KERNEL | __GFP_NOWARN);
	if (!data)
		return;
	size = accel_coredump_write(adev, cause, data, ACCEL_COREDUMP_BYTES);
	accel_coredump_publish(adev, cause, data, size);
}

/**
 * accel_coredump_reset() - dump the state of a card before a reset that the driver did not begin
 * @adev: the card
 * @name: cause, one word
 * @silent: the card may not answer admin commands
 */
void accel_coredump_reset(struct accel_device *adev, const char *name, bool silent)
{
	struct accel_coredump_cause cause = { .name = name, .silent = silent };

	if (!READ_ONCE(adev->stop_errno) && __ratelimit(&adev->coredump->reset_limit))
		accel_coredump(adev, &cause);
}

static void accel_coredump_fault(struct work_struct *work)
{
	struct accel_coredump *dump = container_of(work, struct accel_coredump, fault);
	struct accel_coredump_cause cause = { .name = "fault", .fault = true };

	spin_lock_irq(&dump->lock);
	cause.id = dump->queue;
	cause.address = dump->address;
	spin_unlock_irq(&dump->lock);
	cause.queue = accel_queue_find(dump->adev, cause.id);
	if (!cause.queue)
		return;
	cause.culprit = cause.queue->ctx->owner;
	dev_warn(&dump->adev->pdev->dev,
		 "queue %u of pid %d stopped: fault at %#llx; see the coredump\n",
		 cause.id, pid_nr(cause.culprit), cause.address);
	accel_coredump(dump->adev, &cause);
	accel_queue_found_put(cause.queue);
}

/**
 * accel_coredump_event() - an event handler that dumps the state after a fault
 * @adev: the card
 * @event: an event of ACCEL_EVENT_QUEUE_ERROR
 *
 * Return: false, so that other handlers get the event, too.
 */
bool accel_coredump_event(struct accel_device *adev, const struct accel_event *event)
{
	struct accel_queue_error error = accel_event_queue_error(event);
	struct accel_coredump *dump = adev->coredump;

	if (error.status < ACCEL_FAULT_UNMAPPED || error.status > ACCEL_BUS_ERROR ||
	    !__ratelimit(&dump->fault_limit))
		return false;
	spin_lock_irq(&dump->lock);
	dump->queue = le32_to_cpu(event->queue);
	dump->address = error.address;
	spin_unlock_irq(&dump->lock);
	/* The page tables need the lock of the context, which is above that of events. */
	queue_work(system_long_wq, &dump->fault);
	return false;
}

int accel_coredump_init(struct accel_device *adev)
{
	struct accel_coredump *dump;

	dump = devm_kzalloc(&adev->pdev->dev, sizeof(*dump), GFP_KERNEL);
	if (!dump)
		return -ENOMEM;
	dump->adev = adev;
	spin_lock_init(&dump->lock);
	mutex_init(&dump->publish);
	ratelimit_state_init(&dump->fault_limit, ACCEL_COREDUMP_INTERVAL, 1);
	ratelimit_set_flags(&dump->fault_limit, RATELIMIT_MSG_ON_RELEASE);
	ratelimit_state_init(&dump->reset_limit, ACCEL_COREDUMP_INTERVAL, 1);
	ratelimit_set_flags(&dump->reset_limit, RATELIMIT_MSG_ON_RELEASE);
	INIT_WORK(&dump->fault, accel_coredump_fault);
	adev->coredump = dump;
	return 0;
}

/* The interrupts of the card are freed: no event queues the work any more. */
void accel_coredump_fini(struct accel_device *adev)
{
	cancel_work_sync(&adev->coredump->fault);
}
