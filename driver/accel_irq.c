// SPDX-License-Identifier: GPL-2.0
/*
 * accel_irq.c - MSI-X: one vector for events and admin, one a queue.
 *
 * With fewer vectors than that, queues share them, down to a single one for
 * everything. A handler only wakes sleepers; they look for themselves whether
 * they are due.
 */
#include <linux/interrupt.h>

#include "accel.h"
#include "accel_trace.h"

/**
 * accel_irq_vector() - the vector that a queue interrupts on
 * @adev: the card
 * @queue: its id
 *
 * Return: the index of the vector.
 */
int accel_irq_vector(struct accel_device *adev, int queue)
{
	if (adev->vector_count == 1)
		return ACCEL_VECTOR_EVENTS;
	return 1 + queue % (adev->vector_count - 1);
}

static void accel_irq_wake_queues(struct accel_device *adev, int vector)
{
	int first = vector ? vector - 1 : 0;
	int step = max(adev->vector_count - 1, 1);
	int i;

	i = READ_ONCE(adev->dma.queue);
	if (i >= 0 && accel_irq_vector(adev, i) == vector)
		wake_up_all(&adev->dma.wait);

	spin_lock(&adev->lock);
	for (i = first; i < adev->queue_count; i += step)
		if (adev->queues[i])
			accel_wait_wake(adev->queues[i]);
	spin_unlock(&adev->lock);
}

static irqreturn_t accel_irq_queue(int irq, void *data)
{
	struct accel_vector *vector = data;

	trace_accel_irq(vector->adev, vector->index);
	accel_irq_wake_queues(vector->adev, vector->index);
	return IRQ_HANDLED;
}

static irqreturn_t accel_irq_events(int irq, void *data)
{
	struct accel_vector *vector = data;
	struct accel_device *adev = vector->adev;

	trace_accel_irq(adev, vector->index);
	wake_up_all(&adev->admin.wait);
	if (adev->vector_count == 1)
		accel_irq_wake_queues(adev, ACCEL_VECTOR_EVENTS);
	return IRQ_WAKE_THREAD;
}

static irqreturn_t accel_irq_events_thread(int irq, void *data)
{
	struct accel_vector *vector = data;

	accel_events_thread(vector->adev);
	return IRQ_HANDLED;
}

int accel_irq_init(struct accel_device *adev)
{
	struct pci_dev *pdev = adev->pdev;
	int ret, i;

	ret = pci_alloc_irq_vectors(pdev, 1, adev->queue_count + 1, PCI_IRQ_MSIX);
	if (ret < 0)
		return dev_err_probe(&pdev->dev, ret, "no MSI-X vector\n");
	adev->vector_count = ret;
	adev->vectors = devm_kcalloc(&pdev->dev, ret, sizeof(*adev->vectors), GFP_KERNEL);
	if (!adev->vectors) {
		ret = -ENOMEM;
		goto err_vectors;
	}

	for (i = 0; i < adev->vector_count; i++) {
		struct accel_vector *vector = &adev->vectors[i];

		vector->adev = adev;
		vector->index = i;
		if (i == ACCEL_VECTOR_EVENTS)
			ret = pci_request_irq(pdev, i, accel_irq_events, accel_irq_events_thread,
					      vector, ACCEL_NAME "%d-events", adev->id);
		else
			ret = pci_request_irq(pdev, i, accel_irq_queue, NULL, vector,
					      ACCEL_NAME "%d-vector%d", adev->id, i);
		if (ret)
			goto err_irqs;
	}
	return 0;

err_irqs:
	while (--i >= 0)
		pci_free_irq(pdev, i, &adev->vectors[i]);
err_vectors:
	pci_free_irq_vectors(pdev);
	return ret;
}

void accel_irq_fini(struct accel_device *adev)
{
	int i;

	for (i = 0; i < adev->vector_count; i++)
		pci_free_irq(adev->pdev, i, &adev->vectors[i]);
	pci_free_irq_vectors(adev->pdev);
}
