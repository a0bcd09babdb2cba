// SPDX-License-Identifier: GPL-2.0
/*
 * accel_irq.c - MSI-X: one vector for events and the admin queue, one for each
 * queue.
 *
 * If the kernel grants fewer vectors, queues share them, down to one vector for
 * everything. A handler wakes waiters, and each waiter checks whether its command
 * has finished. Transfers and events are handled in the thread of their vector.
 */
#include <linux/interrupt.h>
#include <linux/slab.h>

#include "accel_irq.h"
#include "accel_trace.h"

/**
 * struct accel_irq_vector - argument of an interrupt handler
 * @adev: the card
 * @index: index of the vector
 */
struct accel_irq_vector {
	struct accel_device *adev;
	int index;
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

static irqreturn_t accel_irq_queue(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	trace_accel_irq(adev, vector->index);
	return adev->irq->ops->queues(adev, vector->index) ? IRQ_WAKE_THREAD : IRQ_HANDLED;
}

static irqreturn_t accel_irq_queue_thread(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	adev->irq->ops->copy(adev);
	return IRQ_HANDLED;
}

static irqreturn_t accel_irq_events(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	trace_accel_irq(adev, vector->index);
	adev->irq->ops->admin(adev);
	if (adev->vector_count == 1)
		adev->irq->ops->queues(adev, ACCEL_VECTOR_EVENTS);
	return IRQ_WAKE_THREAD;
}

static irqreturn_t accel_irq_events_thread(int irq, void *data)
{
	struct accel_irq_vector *vector = data;
	struct accel_device *adev = vector->adev;

	if (adev->vector_count == 1)
		adev->irq->ops->copy(adev);
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
	return pci_request_irq(adev->pdev, index, accel_irq_queue, accel_irq_queue_thread, vector,
			       ACCEL_NAME "%d-vector%d", adev->id, index);
}

int accel_irq_init(struct accel_device *adev, const struct accel_irq_ops *ops)
{
	struct pci_dev *pdev = adev->pdev;
	int ret, i;

	ret = pci_alloc_irq_vectors(pdev, 1, adev->queue_count + 1, PCI_IRQ_MSIX);
	if (ret < 0)
		return dev_err_probe(&pdev->dev, ret,
				     "no MSI-X vector: none is free; check that MSI is enabled\n");
	adev->vector_count = ret;
	adev->irq = devm_kzalloc(&pdev->dev, struct_size(adev->irq, vectors, ret), GFP_KERNEL);
	if (!adev->irq) {
		ret = -ENOMEM;
		goto err_vectors;
	}
	adev->irq->ops = ops;

	for (i = 0; i < adev->vector_count; i++) {
		ret = accel_irq_request(adev, i);
		if (ret)
			goto err_irqs;
	}
	return 0;

err_irqs:
	while (--i >= 0)
		pci_free_irq(pdev, i, &adev->irq->vectors[i]);
err_vectors:
	pci_free_irq_vectors(pdev);
	return ret;
}

void accel_irq_fini(struct accel_device *adev)
{
	int i;

	for (i = 0; i < adev->vector_count; i++)
		pci_free_irq(adev->pdev, i, &adev->irq->vectors[i]);
	pci_free_irq_vectors(adev->pdev);
}
