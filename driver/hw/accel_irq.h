/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_irq.h - the MSI-X vectors of a card and the handlers behind them.
 */
#ifndef ACCEL_IRQ_H
#define ACCEL_IRQ_H

#include <linux/bitops.h>

#include "accel_device.h"

/**
 * struct accel_irq_ops - the work of an interrupt
 * @admin: the admin queue may have answered; hard interrupt
 * @queues: a queue of @vector may have completed a command; hard interrupt. It
 *	does a bounded amount of work, and returns true if @queues_thread must do
 *	the rest
 * @queues_thread: the rest; interrupt thread of @vector
 * @events: the event ring may have a new event; interrupt thread
 */
struct accel_irq_ops {
	void (*admin)(struct accel_device *adev);
	bool (*queues)(struct accel_device *adev, int vector);
	void (*queues_thread)(struct accel_device *adev, int vector);
	void (*events)(struct accel_device *adev);
};

/* Iterates over the ids of all queues of processes that interrupt on @vector. */
#define accel_irq_for_each_queue(adev, vector, id)				\
	for_each_set_bit(id, accel_irq_queue_ids(adev, vector), (adev)->queue_count)

int accel_irq_init(struct accel_device *adev, const struct accel_irq_ops *ops);
void accel_irq_fini(struct accel_device *adev);
int accel_irq_vector(struct accel_device *adev, int queue);
void accel_irq_use(struct accel_device *adev, int queue, bool used);
const unsigned long *accel_irq_queue_ids(struct accel_device *adev, int vector);

#endif /* ACCEL_IRQ_H */
