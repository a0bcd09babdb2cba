// SPDX-License-Identifier: GPL-2.0
/*
 * accel_report.c - what happened to a card, for whoever looks after it: the file
 * `events` of the node's device.
 *
 * A line for each of the last events, oldest first: number, CLOCK_BOOTTIME in
 * nanoseconds, name, and key=value for what the name alone does not tell. Numbers
 * count from 1 without gaps, so a reader sees what he missed. poll() reports POLLPRI
 * when there is a new one; the last event of a card is that its file is gone.
 *
 * Errors of queues are what a process can cause as often as it likes. They have
 * places of their own, so that they do not push out what concerns the card.
 */
#include <linux/sysfs.h>
#include <linux/timekeeping.h>

#include "accel.h"

void accel_reports_init(struct accel_device *adev)
{
	spin_lock_init(&adev->reports.lock);
}

/* The file is there: who sleeps in it can be told. */
void accel_reports_add(struct accel_device *adev)
{
	struct kernfs_node *node = sysfs_get_dirent(adev->dev.kobj.sd, "events");

	spin_lock_irq(&adev->reports.lock);
	adev->reports.node = node;
	spin_unlock_irq(&adev->reports.lock);
}

void accel_reports_del(struct accel_device *adev)
{
	struct kernfs_node *node;

	spin_lock_irq(&adev->reports.lock);
	node = adev->reports.node;
	adev->reports.node = NULL;
	spin_unlock_irq(&adev->reports.lock);
	sysfs_put(node);
}

__printf(5, 0)
static void accel_report_enter(struct accel_device *adev, struct accel_report *places,
			       u64 *count, const char *name, const char *format, va_list args)
{
	struct accel_reports *reports = &adev->reports;
	struct accel_report *report;
	unsigned long flags;

	spin_lock_irqsave(&reports->lock, flags);
	report = &places[(*count)++ % ACCEL_REPORTS];
	report->sequence = ++reports->sequence;
	report->time = ktime_get_boottime_ns();
	report->name = name;
	vscnprintf(report->text, sizeof(report->text), format, args);
	if (reports->node)
		sysfs_notify_dirent(reports->node);
	spin_unlock_irqrestore(&reports->lock, flags);
}

/**
 * accel_report() - something happened to the card
 * @adev: the card
 * @name: of the event, a literal
 * @format: what else there is to say: key=value, separated by spaces
 *
 * Any context.
 */
void accel_report(struct accel_device *adev, const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	accel_report_enter(adev, adev->reports.card, &adev->reports.card_count, name, format,
			   args);
	va_end(args);
}

/**
 * accel_report_queue() - something happened to a queue
 * @adev: the card
 * @name: of the event, a literal
 * @format: what else there is to say, as accel_report()
 *
 * Any context.
 */
void accel_report_queue(struct accel_device *adev, const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	accel_report_enter(adev, adev->reports.queues, &adev->reports.queue_count, name, format,
			   args);
	va_end(args);
}

static const struct accel_report *accel_report_at(const struct accel_report *places, u64 count,
						  u64 *next)
{
	if (count > ACCEL_REPORTS && *next < count - ACCEL_REPORTS)
		*next = count - ACCEL_REPORTS;
	return *next < count ? &places[*next % ACCEL_REPORTS] : NULL;
}

ssize_t accel_reports_show(struct accel_device *adev, char *buf)
{
	struct accel_reports *reports = &adev->reports;
	const struct accel_report *card, *queue, *report;
	u64 next_card = 0, next_queue = 0;
	int used = 0;

	/* The longest answer fits the page. */
	BUILD_BUG_ON(2 * ACCEL_REPORTS * (2 * 20 + 16 + ACCEL_REPORT_TEXT + 4) > PAGE_SIZE);
	spin_lock_irq(&reports->lock);
	for (;;) {
		card = accel_report_at(reports->card, reports->card_count, &next_card);
		queue = accel_report_at(reports->queues, reports->queue_count, &next_queue);
		if (!card && !queue)
			break;
		if (card && (!queue || card->sequence < queue->sequence)) {
			report = card;
			next_card++;
		} else {
			report = queue;
			next_queue++;
		}
		used += sysfs_emit_at(buf, used, "%llu %llu %s%s%s\n", report->sequence,
				      report->time, report->name, report->text[0] ? " " : "",
				      report->text);
	}
	spin_unlock_irq(&reports->lock);
	return used;
}
