// SPDX-License-Identifier: GPL-2.0
/*
 * accel_event.c - the event ring: messages that the card sends on its own.
 *
 * Events of the card itself are handled here. Events of queues are for files
 * above this one, which register a handler for them.
 */
#include <linux/dma-mapping.h>

#include "accel_event.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_mmio.h"
#include "accel_section.h"

#define ACCEL_EVENT_ENTRIES	(PAGE_SIZE / sizeof(struct accel_event))

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
	events->ring = dma_alloc_coherent(dev, PAGE_SIZE, &events->ring_dma, GFP_KERNEL);
	if (!events->ring)
		return -ENOMEM;
	adev->events = events;
	return 0;
}

void accel_events_fini(struct accel_device *adev)
{
	dma_free_coherent(&adev->pdev->dev, PAGE_SIZE, adev->events->ring,
			  adev->events->ring_dma);
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
	memset(events->ring, 0, PAGE_SIZE);
	accel_write64(adev, ACCEL_REG_EVENT_RING, events->ring_dma);
	accel_write32(adev, ACCEL_REG_EVENT_ENTRIES, ACCEL_EVENT_ENTRIES);
	accel_write32(adev, ACCEL_REG_EVENT_HEAD, 0);
}

/* Decodes an event of ACCEL_EVENT_QUEUE_ERROR. */
struct accel_queue_error accel_event_queue_error(const struct accel_event *event)
{
	return (struct accel_queue_error) {
		.status = le32_to_cpu(event->status),
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
			     "the card lowers its clock: it has %d C; check its cooling\n",
			     temperature / 1000);
	return true;
}

static bool accel_event_fatal(struct accel_device *adev, const struct accel_event *event)
{
	accel_event_log_card(adev, "failed", "generation=%llu", adev->generation);
	dev_err_ratelimited(&adev->pdev->dev,
			    "all queues stopped: the card has a fatal error; the driver resets it\n");
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

/**
 * accel_events_drain() - handle all events in the ring
 * @adev: the card; the caller is in a section, and the hardware is present
 *
 * The card writes the events of a queue before it answers the command that
 * destroys or resets the queue. A caller that drains after the answer has seen
 * every event of that queue. No event is left that could be attributed to the
 * next queue of the same id.
 */
void accel_events_drain(struct accel_device *adev)
{
	struct accel_events *events = adev->events;
	struct accel_event event, *slot;

	accel_section_assert(adev);
	mutex_lock(&events->lock);
	for (;;) {
		slot = &events->ring[events->head % ACCEL_EVENT_ENTRIES];
		if (le64_to_cpu(READ_ONCE(slot->sequence)) != events->head + 1)
			break;
		dma_rmb();
		event = *slot;
		events->head++;
		accel_write32(adev, ACCEL_REG_EVENT_HEAD, lower_32_bits(events->head));
		accel_event_handle(adev, &event);
	}
	mutex_unlock(&events->lock);
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
