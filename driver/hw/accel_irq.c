// SPDX-License-Identifier: GPL-2.0
/*
 * accel_irq.c - MSI-X: one vector for events and the admin queue, and others for
 * the queues.
 *
 * More vectors than CPUs would gain nothing, so queues share them, down to one
 * vector for everything. A hard interrupt handler wakes a bounded number of
 * waiters, and the thread of its vector wakes the others.
 */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/slab.h>

#include "accel_irq.h"
#include "accel_trace.h"

/**
 * struct accel_irq_vector - argument of an interrupt handler
 * @adev: the card
 * @index: index of the vector
 * @queues: a bit for each id of a queue that interrupts on it
 */
struct accel_irq_vector {
	struct accel_device *adev;
	int index;
	unsigned long *queues;
};

/**
 * struct accel_irq - the interrupts of a card
 * @ops: work of an interrupt
 * @vectors: one entry for each vector
 */
struct accel_irq {
	const struct accel_irq_ops *ops;
	struct accel_irq_vector vectors[];
};

/**
 * accel_irq_vector() - the vector that a queue interrupts on
 * @adev: the card
 * @queue: id of the queue
 *
 * Return: the index of the vector.
 */
int accel_irq_vector(struct accel_device *adev, int queue)
{
	if (adev->vector_count == 1)
		return ACCEL_VECTOR_EVENTS;
	return 1 + queue % (adev->vector_count - 1);
}

/**
 * accel_irq_use() - add a queue to those that an interrupt serves, or remove it
 * @adev: the card
 * @queue: id of the queue
 * @used: the queue exists
 */
void accel_irq_use(struct accel_device *adev, int queue, bool used)
{
	assign_bit(queue, adev->irq->vectors[accel_irq_vector(adev, queue)].queues, used);
}

/* The ids of the queues that a vector serves, as a bitmap. */
const unsigned long *accel_irq_queue_ids(struct accel_device *adev, int vector)
{
	return adev->irq->vectors[vector].queues;
}

static irqreturn_t accel_irq_queues(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	trace_accel_irq(adev, vector->index);
	return adev->irq->ops->queues(adev, vector->index) ? IRQ_WAKE_THREAD : IRQ_HANDLED;
}

static irqreturn_t accel_irq_queues_thread(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	adev->irq->ops->queues_thread(adev, vector->index);
	return IRQ_HANDLED;
}

static irqreturn_t accel_irq_events(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	trace_accel_irq(adev, vector->index);
	adev->irq->ops->admin(adev);
	/* The thread runs in any case. */
	if (adev->vector_count == 1)
		adev->irq->ops->queues(adev, ACCEL_VECTOR_EVENTS);
	return IRQ_WAKE_THREAD;
}

static irqreturn_t accel_irq_events_thread(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	if (adev->vector_count == 1)
		adev->irq->ops->queues_thread(adev, ACCEL_VECTOR_EVENTS);
	adev->irq->ops->events(adev);
	return IRQ_HANDLED;
}

static int accel_irq_request(struct accel_device *adev, int index)
{
	struct accel_irq_vector *vector = &adev->irq->vectors[index];

	vector->adev = adev;
	vector->index = index;
	if (index == ACCEL_VECTOR_EVENTS)
		return pci_request_irq(adev->pdev, index, accel_irq_events, accel_irq_events_thread,
				       vector, ACCEL_NAME "%d-events", adev->id);
	return pci_request_irq(adev->pdev, index, accel_irq_queues, accel_irq_queues_thread,
			       vector, ACCEL_NAME "%d-vector%d", adev->id, index);
}

static void accel_irq_free(struct accel_device *adev, int count)
{
	int i;

	for (i = 0; i < count; i++)
		pci_free_irq(adev->pdev, i, &adev->irq->vectors[i]);
	pci_free_irq_vectors(adev->pdev);
}

/* Allocates and requests at most @count vectors. Return: 0, or -errno without a vector. */
static int accel_irq_try(struct accel_device *adev, int count)
{
	int ret, i;

	ret = pci_alloc_irq_vectors(adev->pdev, 1, count, PCI_IRQ_MSIX);
	if (ret < 0)
		return ret;
	adev->vector_count = ret;
	for (i = 0; i < adev->vector_count; i++) {
		ret = accel_irq_request(adev, i);
		if (ret) {
			accel_irq_free(adev, i);
			return ret;
		}
	}
	return 0;
}

/**
 * accel_irq_init() - allocate and request the vectors of a card
 * @adev: the card
 * @ops: work of an interrupt
 *
 * The kernel can grant a vector and still have no room on a CPU for its interrupt.
 * So the number is halved until all vectors work.
 *
 * Return: 0 or -errno.
 */
int accel_irq_init(struct accel_device *adev, const struct accel_irq_ops *ops)
{
	int count = min(adev->queue_count, num_online_cpus()) + 1;
	struct device *dev = &adev->pdev->dev;
	int ret, i;

	adev->irq = devm_kzalloc(dev, struct_size(adev->irq, vectors, count), GFP_KERNEL);
	if (!adev->irq)
		return -ENOMEM;
	adev->irq->ops = ops;
	for (i = 0; i < count; i++) {
		adev->irq->vectors[i].queues = devm_bitmap_zalloc(dev, adev->queue_count,
								  GFP_KERNEL);
		if (!adev->irq->vectors[i].queues)
			return -ENOMEM;
	}
	for (;;) {
		ret = accel_irq_try(adev, count);
		if (!ret || count == 1)
			break;
		count /= 2;
	}
	if (ret)
		return dev_err_probe(dev, ret,
				     "no MSI-X vector: none is free; check that MSI is enabled\n");
	return 0;
}

void accel_irq_fini(struct accel_device *adev)
{
	accel_irq_free(adev, adev->vector_count);
}
