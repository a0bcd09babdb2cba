// SPDX-License-Identifier: GPL-2.0
/*
 * accel_event.c - the event ring: what the card reports without being asked.
 */
#include <linux/dma-mapping.h>
#include <linux/io.h>

#include "accel.h"

#define ACCEL_EVENT_ENTRIES	(PAGE_SIZE / sizeof(struct accel_event))

int accel_events_init(struct accel_device *adev)
{
	mutex_init(&adev->events.lock);
	adev->events.ring = dma_alloc_coherent(&adev->pdev->dev, PAGE_SIZE,
					       &adev->events.ring_dma, GFP_KERNEL);
	return adev->events.ring ? 0 : -ENOMEM;
}

void accel_events_fini(struct accel_device *adev)
{
	dma_free_coherent(&adev->pdev->dev, PAGE_SIZE, adev->events.ring,
			  adev->events.ring_dma);
}

static void accel_event_handle(struct accel_device *adev, const struct accel_event *event)
{
	struct accel_queue_error error;
	u32 queue = le32_to_cpu(event->queue);

	switch (le32_to_cpu(event->type)) {
	case ACCEL_EVENT_QUEUE_ERROR:
		error = (struct accel_queue_error) {
			.status = le32_to_cpu(event->status),
			.sequence = le64_to_cpu(event->command_sequence),
			.address = le64_to_cpu(event->address),
			.list_index = le32_to_cpu(event->list_index),
			.opcode = le32_to_cpu(event->opcode),
		};
		accel_queue_failed(adev, queue, &error);
		break;
	case ACCEL_EVENT_BAD_DOORBELL:
		/* Cannot come from a process: it maps only doorbells it owns. */
		accel_report(adev, "bad-doorbell", "queue=%u", queue);
		dev_warn_ratelimited(&adev->pdev->dev, "doorbell of queue %u, which is none\n",
				     queue);
		break;
	case ACCEL_EVENT_THERMAL:
		accel_report(adev, "hot", "millidegrees=%d",
			     (s32)readl(adev->regs + ACCEL_REG_TEMPERATURE));
		dev_warn_ratelimited(&adev->pdev->dev, "the card is hot\n");
		break;
	case ACCEL_EVENT_FATAL:
		accel_report(adev, "failed", "generation=%llu", adev->generation);
		dev_err_ratelimited(&adev->pdev->dev, "the card failed, reset it\n");
		break;
	default:
		dev_dbg(&adev->pdev->dev, "unknown event %u\n", le32_to_cpu(event->type));
	}
}

/**
 * accel_events_drain() - handle every event there is
 * @adev: the card; the caller holds hw_lock and has seen that it is not gone
 *
 * The card writes the event of a queue before it answers the command that ends
 * or resets the queue. So whoever calls this after the answer has seen all that
 * there is of the queue, and none can be taken for the next queue of that id.
 */
void accel_events_drain(struct accel_device *adev)
{
	struct accel_events *events = &adev->events;
	struct accel_event event, *slot;

	mutex_lock(&events->lock);
	for (;;) {
		slot = &events->ring[events->head % ACCEL_EVENT_ENTRIES];
		if (le64_to_cpu(READ_ONCE(slot->sequence)) != events->head + 1)
			break;
		dma_rmb();
		event = *slot;
		events->head++;
		writel(lower_32_bits(events->head), adev->regs + ACCEL_REG_EVENT_HEAD);
		accel_event_handle(adev, &event);
	}
	mutex_unlock(&events->lock);
}

/* The thread of vector 0. */
void accel_events_thread(struct accel_device *adev)
{
	down_read(&adev->hw_lock);
	if (!adev->gone)
		accel_events_drain(adev);
	up_read(&adev->hw_lock);
}
