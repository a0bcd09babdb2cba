// SPDX-License-Identifier: GPL-2.0
/*
 * accel_progress.c - the card's own reports about the progress and errors of queues.
 *
 * The owner of a queue can write its status page, and an event can be lost. A report
 * depends on neither, so every decision that concerns other users is based on reports.
 */
#include <linux/dma-mapping.h>

#include "accel_admin.h"
#include "accel_progress.h"
#include "accel_section.h"

/**
 * struct accel_progress - memory for the answer of the card
 * @lock: serializes the readers of @page
 * @page: reports of up to ACCEL_REPORTS_MAX queues
 * @dma: bus address of @page
 */
struct accel_progress {
	struct mutex lock;
	struct accel_queue_report *page;
	dma_addr_t dma;
};

#define ACCEL_PROGRESS_BYTES	(ACCEL_REPORTS_MAX * sizeof(struct accel_queue_report))

int accel_progress_init(struct accel_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	struct accel_progress *progress;

	progress = devm_kzalloc(dev, sizeof(*progress), GFP_KERNEL);
	if (!progress)
		return -ENOMEM;
	mutex_init(&progress->lock);
	progress->page = dma_alloc_coherent(dev, ACCEL_PROGRESS_BYTES, &progress->dma, GFP_KERNEL);
	if (!progress->page)
		return -ENOMEM;
	adev->progress = progress;
	return 0;
}

void accel_progress_fini(struct accel_device *adev)
{
	struct accel_progress *progress = adev->progress;

	dma_free_coherent(&adev->pdev->dev, ACCEL_PROGRESS_BYTES, progress->page, progress->dma);
}

/**
 * accel_progress_read() - read the reports of queues
 * @adev: the card; the caller is in a section, and the hardware is present
 * @first: id of the first queue
 * @count: number of queues, 1 to ACCEL_REPORTS_MAX
 * @reports: reports in the card's format, filled in
 *
 * Return: 0; -EOPNOTSUPP if the card has no reports; another -errno if it does not
 * answer.
 */
int accel_progress_read(struct accel_device *adev, u32 first, u32 count,
			struct accel_queue_report *reports)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_QUERY_QUEUES,
		.id = cpu_to_le32(first),
		.query_queues.count = cpu_to_le32(count),
		.query_queues.address = cpu_to_le64(adev->progress->dma),
	};
	int ret;

	accel_section_assert(adev);
	if (!(adev->features & ACCEL_FEATURE_SHARING))
		return -EOPNOTSUPP;
	mutex_lock(&adev->progress->lock);
	ret = accel_admin_run(adev, &command);
	if (!ret)
		memcpy(reports, adev->progress->page, count * sizeof(*reports));
	mutex_unlock(&adev->progress->lock);
	return ret;
}
