// SPDX-License-Identifier: GPL-2.0
/*
 * accel_event_log.c - recent events of a card, for its operator: the file
 * `events` of the node's device.
 *
 * The file has a line for each recent event, oldest first: number,
 * CLOCK_BOOTTIME in nanoseconds, name, and key=value details. Numbers count from
 * 1 without gaps, so a reader detects missed events. poll() reports POLLPRI for
 * a new event; after the last event of a card its file disappears. A process has
 * the number that it has in the reader's PID namespace, or 0.
 *
 * A process can cause errors of its queues as often as it likes. These events
 * have a ring of their own, so that they do not displace events of the card.
 */
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>

#include "accel_event_log.h"

#define ACCEL_EVENT_LOG_ENTRIES	16
#define ACCEL_EVENT_LOG_TEXT	56

/**
 * struct accel_event_log_entry - one event
 * @sequence: its number
 * @time: CLOCK_BOOTTIME, nanoseconds
 * @name: name of the event
 * @owner: process that the event concerns; a reference, or NULL
 * @text: details, key=value
 */
struct accel_event_log_entry {
	u64 sequence;
	u64 time;
	const char *name;
	struct pid *owner;
	char text[ACCEL_EVENT_LOG_TEXT];
};

/**
 * struct accel_event_log_ring - the newest events of one kind
 * @count: number of events so far
 * @entries: the newest of them
 */
struct accel_event_log_ring {
	u64 count;
	struct accel_event_log_entry entries[ACCEL_EVENT_LOG_ENTRIES];
};

/**
 * struct accel_event_log - recent events of a card
 * @lock: protects the whole structure
 * @node: the sysfs file, while it exists
 * @sequence: number of the newest event
 * @card: events of the card
 * @queues: events of queues
 */
struct accel_event_log {
	spinlock_t lock;
	struct kernfs_node *node;
	u64 sequence;
	struct accel_event_log_ring card;
	struct accel_event_log_ring queues;
};

int accel_event_log_init(struct accel_device *adev)
{
	adev->event_log = kzalloc(sizeof(*adev->event_log), GFP_KERNEL);
	if (!adev->event_log)
		return -ENOMEM;
	spin_lock_init(&adev->event_log->lock);
	return 0;
}

/* The last reference of the card is gone. */
void accel_event_log_fini(struct accel_device *adev)
{
	struct accel_event_log *log = adev->event_log;
	int i;

	if (!log)
		return;
	for (i = 0; i < ACCEL_EVENT_LOG_ENTRIES; i++) {
		put_pid(log->card.entries[i].owner);
		put_pid(log->queues.entries[i].owner);
	}
	kfree(log);
}

/* The sysfs file exists: from now on its readers are notified. */
void accel_event_log_publish(struct accel_device *adev)
{
	struct kernfs_node *node = sysfs_get_dirent(adev->dev.kobj.sd, "events");

	spin_lock_irq(&adev->event_log->lock);
	adev->event_log->node = node;
	spin_unlock_irq(&adev->event_log->lock);
}

void accel_event_log_unpublish(struct accel_device *adev)
{
	struct kernfs_node *node;

	spin_lock_irq(&adev->event_log->lock);
	node = adev->event_log->node;
	adev->event_log->node = NULL;
	spin_unlock_irq(&adev->event_log->lock);
	sysfs_put(node);
}

__printf(5, 0)
static void accel_event_log_add(struct accel_device *adev, struct accel_event_log_ring *ring,
				struct pid *owner, const char *name, const char *format,
				va_list args)
{
	struct accel_event_log *log = adev->event_log;
	struct accel_event_log_entry *entry;
	unsigned long flags;
	struct pid *oldest;

	get_pid(owner);
	spin_lock_irqsave(&log->lock, flags);
	entry = &ring->entries[ring->count++ % ACCEL_EVENT_LOG_ENTRIES];
	entry->sequence = ++log->sequence;
	entry->time = ktime_get_boottime_ns();
	entry->name = name;
	oldest = entry->owner;
	entry->owner = owner;
	vscnprintf(entry->text, sizeof(entry->text), format, args);
	if (log->node)
		sysfs_notify_dirent(log->node);
	spin_unlock_irqrestore(&log->lock, flags);
	put_pid(oldest);
}

/**
 * accel_event_log_card() - log an event of the card
 * @adev: the card
 * @name: name of the event, a literal
 * @format: details: key=value, separated by spaces
 *
 * Context: any.
 */
void accel_event_log_card(struct accel_device *adev, const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	accel_event_log_add(adev, &adev->event_log->card, NULL, name, format, args);
	va_end(args);
}

/**
 * accel_event_log_owner() - log an event of the card that concerns a process
 * @adev: the card
 * @owner: the process; the line of the event ends with its pid. NULL for none
 * @name: name of the event, a literal
 * @format: other details, as for accel_event_log_card()
 *
 * Context: any.
 */
void accel_event_log_owner(struct accel_device *adev, struct pid *owner, const char *name,
			   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	accel_event_log_add(adev, &adev->event_log->card, owner, name, format, args);
	va_end(args);
}

/**
 * accel_event_log_queue() - log an event of a queue
 * @adev: the card
 * @owner: process of the queue
 * @name: name of the event, a literal
 * @format: other details, as for accel_event_log_card()
 *
 * Context: any.
 */
void accel_event_log_queue(struct accel_device *adev, struct pid *owner, const char *name,
			   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	accel_event_log_add(adev, &adev->event_log->queues, owner, name, format, args);
	va_end(args);
}

/* The oldest entry that is not below @next, or NULL. */
static const struct accel_event_log_entry *
accel_event_log_peek(const struct accel_event_log_ring *ring, u64 *next)
{
	if (ring->count > ACCEL_EVENT_LOG_ENTRIES && *next < ring->count - ACCEL_EVENT_LOG_ENTRIES)
		*next = ring->count - ACCEL_EVENT_LOG_ENTRIES;
	return *next < ring->count ? &ring->entries[*next % ACCEL_EVENT_LOG_ENTRIES] : NULL;
}

/* The current process changed a setting of the card, such as a quota. */
void accel_event_log_setting(struct accel_device *adev, const char *name, u64 value)
{
	accel_event_log_owner(adev, task_tgid(current), "setting", "name=%s value=%llu", name,
			      value);
}

ssize_t accel_event_log_show(struct accel_device *adev, char *buf)
{
	const struct accel_event_log_entry *card, *queue, *entry;
	struct accel_event_log *log = adev->event_log;
	u64 next_card = 0, next_queue = 0;
	int used = 0;

	/* The longest output fits the page. */
	BUILD_BUG_ON(2 * ACCEL_EVENT_LOG_ENTRIES *
		     (2 * 20 + 16 + ACCEL_EVENT_LOG_TEXT + 4 + sizeof(" pid=4194304") - 1) >
		     PAGE_SIZE);
	spin_lock_irq(&log->lock);
	for (;;) {
		card = accel_event_log_peek(&log->card, &next_card);
		queue = accel_event_log_peek(&log->queues, &next_queue);
		if (!card && !queue)
			break;
		if (card && (!queue || card->sequence < queue->sequence)) {
			entry = card;
			next_card++;
		} else {
			entry = queue;
			next_queue++;
		}
		used += sysfs_emit_at(buf, used, "%llu %llu %s%s%s", entry->sequence, entry->time,
				      entry->name, entry->text[0] ? " " : "", entry->text);
		if (entry->owner)
			used += sysfs_emit_at(buf, used, " pid=%d", pid_vnr(entry->owner));
		used += sysfs_emit_at(buf, used, "\n");
	}
	spin_unlock_irq(&log->lock);
	return used;
}
