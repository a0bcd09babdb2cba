/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_event.h - the event ring of a card and the handlers of its events.
 */
#ifndef ACCEL_EVENT_H
#define ACCEL_EVENT_H

#include "accel_device.h"

/**
 * struct accel_queue_error - the error that stopped a queue
 * @status: enum accel_status; 0 if the queue has no error
 * @reason: enum accel_reason; ACCEL_REASON_NONE if the queue has no error
 * @sequence: sequence number of the failed command
 * @address: context address of a fault
 * @list_index: index of the failed command in its command list
 * @opcode: opcode of the failed command
 */
struct accel_queue_error {
	u32 status;
	u32 reason;
	u64 sequence;
	u64 address;
	u32 list_index;
	u32 opcode;
};

/**
 * struct accel_event_handler - handles the events of one type
 * @type: enum accel_event_type
 * @handle: returns true if the event was for this handler; the caller is in a
 *	section and holds accel_events.lock. After a loss of events the handler may
 *	get the event of an error twice
 */
struct accel_event_handler {
	u32 type;
	bool (*handle)(struct accel_device *adev, const struct accel_event *event);
};

/**
 * struct accel_events - the event ring
 * @lock: serializes the readers of @ring: the thread of vector 0, and callers
 *	that must know that no event of a queue is outstanding
 * @ring: records
 * @ring_dma: bus address of @ring
 * @entries: length of @ring, a power of two
 * @head: sequence number of the newest consumed event
 * @lost: number of lost events for which the driver has read the reports of all
 *	queues
 * @reports: memory for these reports
 * @handlers: registered handlers; the first one that accepts an event ends the
 *	search
 * @handler_count: length of @handlers
 */
struct accel_events {
	struct mutex lock;
	struct accel_event *ring;
	dma_addr_t ring_dma;
	u32 entries;
	u64 head;
	u32 lost;
	struct accel_queue_report *reports;
	const struct accel_event_handler *handlers;
	unsigned int handler_count;
};

int accel_events_init(struct accel_device *adev, const struct accel_event_handler *handlers,
		      unsigned int count);
void accel_events_fini(struct accel_device *adev);
void accel_events_start(struct accel_device *adev);
void accel_events_drain(struct accel_device *adev);
void accel_events_restore_queue(struct accel_device *adev, u32 id,
				const struct accel_queue_report *report);
void accel_events_thread(struct accel_device *adev);
struct accel_queue_error accel_event_queue_error(const struct accel_event *event);

#endif /* ACCEL_EVENT_H */
