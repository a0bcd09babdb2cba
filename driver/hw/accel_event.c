// SPDX-License-Identifier: GPL-2.0
/*
 * accel_event.c - the event ring: messages that the card sends on its own.
 *
 * Events of the card itself are handled here. Events of queues are for files
 * above this one, which register a handler for them.
 *
 * The ring has room for two errors of each queue. If the card loses an event
 * nevertheless, the driver reads the reports of all queues, and handles each error
 * in them as if its event had arrived.
 */
#include <linux/dma-mapping.h>

#include "accel_event.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_mmio.h"
#include "accel_progress.h"
#include "accel_section.h"

#define ACCEL_EVENT_ENTRIES_MAX	8192U
/* Cards without ACCEL_FEATURE_SHARING. */
#define ACCEL_EVENT_ENTRIES_OLD	1024U

static size_t accel_events_bytes(const struct accel_events *events)
{
	return events->entries * sizeof(*events->ring);
}

static u32 accel_events_entries(struct accel_device *adev)
{
	u32 limit = adev->features & ACCEL_FEATURE_SHARING ? ACCEL_EVENT_ENTRIES_MAX :
							     ACCEL_EVENT_ENTRIES_OLD;
	u32 queues = min(adev->queue_count, limit);

	return min_t(u32, roundup_pow_of_two(2 * queues + 64), limit);
}

/**
 * accel_events_init() - allocate the event ring
 * @adev: the card
 * @handlers: handlers of events, in order of priority
 * @count: length of @handlers
 *
 * Return: 0 or -errno.
 */
int accel_events_init(struct accel_device *adev, const struct accel_event_handler *handlers,
		      unsigned int count)
{
	struct device *dev = &adev->pdev->dev;
	struct accel_events *events;

	events = devm_kzalloc(dev, sizeof(*events), GFP_KERNEL);
	if (!events)
		return -ENOMEM;
	mutex_init(&events->lock);
	events->handlers = handlers;
	events->handler_count = count;
	events->reports = devm_kcalloc(dev, ACCEL_REPORTS_MAX, sizeof(*events->reports),
				       GFP_KERNEL);
	if (!events->reports)
		return -ENOMEM;
	events->entries = accel_events_entries(adev);
	events->ring = dma_alloc_coherent(dev, accel_events_bytes(events), &events->ring_dma,
					  GFP_KERNEL);
	if (!events->ring)
		return -ENOMEM;
	adev->events = events;
	return 0;
}

void accel_events_fini(struct accel_device *adev)
{
	struct accel_events *events = adev->events;

	dma_free_coherent(&adev->pdev->dev, accel_events_bytes(events), events->ring,
			  events->ring_dma);
}

/**
 * accel_events_start() - program the event ring of a card that left reset
 * @adev: the card; the caller holds stop_lock
 */
void accel_events_start(struct accel_device *adev)
{
	struct accel_events *events = adev->events;

	accel_section_assert_stopped(adev);
	events->head = 0;
	events->lost = 0;
	memset(events->ring, 0, accel_events_bytes(events));
	accel_write64(adev, ACCEL_REG_EVENT_RING, events->ring_dma);
	accel_write32(adev, ACCEL_REG_EVENT_ENTRIES, events->entries);
	accel_write32(adev, ACCEL_REG_EVENT_HEAD, 0);
}

/* Decodes an event of ACCEL_EVENT_QUEUE_ERROR. */
struct accel_queue_error accel_event_queue_error(const struct accel_event *event)
{
	u32 status = le32_to_cpu(event->status);

	return (struct accel_queue_error) {
		.status = status,
		.reason = status == ACCEL_TIME_LIMIT ? ACCEL_REASON_TIME_LIMIT :
						       ACCEL_REASON_ERROR,
		.sequence = le64_to_cpu(event->command_sequence),
		.address = le64_to_cpu(event->address),
		.list_index = le32_to_cpu(event->list_index),
		.opcode = le32_to_cpu(event->opcode),
	};
}

/* No process can cause it: a process maps only the doorbells of its own queues. */
static bool accel_event_bad_doorbell(struct accel_device *adev, const struct accel_event *event)
{
	u32 queue = le32_to_cpu(event->queue);

	accel_event_log_card(adev, "bad-doorbell", "queue=%u", queue);
	dev_warn_ratelimited(&adev->pdev->dev,
			     "doorbell write ignored: no queue %u; report a bug of the driver\n",
			     queue);
	return true;
}

static bool accel_event_thermal(struct accel_device *adev, const struct accel_event *event)
{
	s32 temperature = accel_read32(adev, ACCEL_REG_TEMPERATURE);

	accel_event_log_card(adev, "hot", "millidegrees=%d", temperature);
	dev_warn_ratelimited(&adev->pdev->dev,
			     "the card lowers its clock: %d C is too hot; check its cooling\n",
			     temperature / 1000);
	return true;
}

static bool accel_event_fatal(struct accel_device *adev, const struct accel_event *event)
{
	accel_event_log_card(adev, "failed", "generation=%llu", adev->generation);
	dev_err_ratelimited(&adev->pdev->dev,
			    "fatal error: all queues stopped; the driver resets the card\n");
	accel_failure(adev, ACCEL_FAILURE_FATAL, NULL);
	return true;
}

static const struct accel_event_handler accel_event_card_handlers[] = {
	{ ACCEL_EVENT_BAD_DOORBELL, accel_event_bad_doorbell },
	{ ACCEL_EVENT_THERMAL, accel_event_thermal },
	{ ACCEL_EVENT_FATAL, accel_event_fatal },
};

static bool accel_event_offer(struct accel_device *adev, const struct accel_event *event,
			      const struct accel_event_handler *handlers, unsigned int count)
{
	u32 type = le32_to_cpu(event->type);
	unsigned int i;

	for (i = 0; i < count; i++)
		if (handlers[i].type == type && handlers[i].handle(adev, event))
			return true;
	return false;
}

static void accel_event_handle(struct accel_device *adev, const struct accel_event *event)
{
	struct accel_events *events = adev->events;

	accel_section_assert(adev);
	lockdep_assert_held(&events->lock);
	if (accel_event_offer(adev, event, events->handlers, events->handler_count) ||
	    accel_event_offer(adev, event, accel_event_card_handlers,
			      ARRAY_SIZE(accel_event_card_handlers)))
		return;
	dev_dbg(&adev->pdev->dev, "event of unknown type %u ignored\n", le32_to_cpu(event->type));
}

static void accel_events_read(struct accel_device *adev)
{
	struct accel_events *events = adev->events;
	struct accel_event event, *slot;

	lockdep_assert_held(&events->lock);
	for (;;) {
		slot = &events->ring[events->head % events->entries];
		if (le64_to_cpu(READ_ONCE(slot->sequence)) != events->head + 1)
			break;
		dma_rmb();
		event = *slot;
		events->head++;
		accel_write32(adev, ACCEL_REG_EVENT_HEAD, lower_32_bits(events->head));
		accel_event_handle(adev, &event);
	}
}

/* Handles the error in the report of a queue like its event. */
static void accel_events_restore(struct accel_device *adev, u32 id,
				 const struct accel_queue_report *report)
{
	struct accel_event event = {
		.type = cpu_to_le32(ACCEL_EVENT_QUEUE_ERROR),
		.context = cpu_to_le32(ACCEL_NO_ID),
		.queue = cpu_to_le32(id),
		.status = report->error,
		.command_sequence = report->error_sequence,
		.address = report->error_address,
		.list_index = report->error_list_index,
		.opcode = report->error_opcode,
	};

	if (report->error)
		accel_event_handle(adev, &event);
}

/**
 * accel_events_restore_queue() - handle the error in the report of one queue
 * @adev: the card; the caller is in a section
 * @id: the queue
 * @report: its report
 */
void accel_events_restore_queue(struct accel_device *adev, u32 id,
				const struct accel_queue_report *report)
{
	mutex_lock(&adev->events->lock);
	accel_events_restore(adev, id, report);
	mutex_unlock(&adev->events->lock);
}

/* Reads the reports of all queues. Return: 0 or -errno. */
static int accel_events_restore_all(struct accel_device *adev)
{
	struct accel_events *events = adev->events;
	u32 first, count, i;
	int ret;

	for (first = 0; first < adev->queue_count; first += count) {
		count = min_t(u32, adev->queue_count - first, ACCEL_REPORTS_MAX);
		ret = accel_progress_read(adev, first, count, events->reports);
		if (ret)
			return ret;
		for (i = 0; i < count; i++)
			accel_events_restore(adev, first + i, &events->reports[i]);
	}
	return 0;
}

/* The ring is empty. So an event that is lost from now on follows others and an interrupt. */
static void accel_events_check_lost(struct accel_device *adev)
{
	u32 lost = accel_read32(adev, ACCEL_REG_EVENT_LOST);
	struct accel_events *events = adev->events;

	lockdep_assert_held(&events->lock);
	/* All ones: the card does not answer any more. */
	if (lost == events->lost || lost == ~0U)
		return;
	if (accel_events_restore_all(adev))
		return;	/* the next drain tries again */
	accel_event_log_card(adev, "events-lost", "count=%u", lost - events->lost);
	dev_warn_ratelimited(&adev->pdev->dev,
			     "%u events lost: the ring was full; the driver asked all queues\n",
			     lost - events->lost);
	events->lost = lost;
}

/**
 * accel_events_drain() - handle all events, and the errors whose events were lost
 * @adev: the card; the caller is in a section, and the hardware is present
 *
 * The card writes the events of a queue before it answers the command that
 * destroys or resets the queue. A caller that drains after the answer has seen
 * every event of that queue, and every report about it that another thread has
 * read. None is left that could be attributed to the next queue of the same id.
 */
void accel_events_drain(struct accel_device *adev)
{
	accel_section_assert(adev);
	mutex_lock(&adev->events->lock);
	accel_events_read(adev);
	accel_events_check_lost(adev);
	mutex_unlock(&adev->events->lock);
}

/* The thread of vector 0. */
void accel_events_thread(struct accel_device *adev)
{
	int section;

	if (accel_section_enter(adev, &section))
		return;
	accel_events_drain(adev);
	accel_section_end(adev, section);
}
