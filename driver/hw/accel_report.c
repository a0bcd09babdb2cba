// SPDX-License-Identifier: GPL-2.0
/*
 * accel_report.c - the card's own reports about the progress and errors of queues.
 *
 * The owner of a queue can write its status page, and an event can be lost. A report
 * depends on neither, so all that concerns others than the owner uses reports.
 */
#include <linux/dma-mapping.h>

#include "accel_admin.h"
#include "accel_report.h"
#include "accel_section.h"

/**
 * struct accel_reports - memory for the answer of the card
 * @lock: serializes the readers of @page
 * @page: reports of up to ACCEL_REPORTS_MAX queues
 * @dma: bus address of @page
 */
struct accel_reports {
	struct mutex lock;
	struct accel_queue_report *page;
	dma_addr_t dma;
};

#define ACCEL_REPORTS_BYTES	(ACCEL_REPORTS_MAX * sizeof(struct accel_queue_report))

int accel_reports_init(struct accel_device *adev)
{
	struct device *dev = &adev->pdev->dev;
	struct accel_reports *reports;

	reports = devm_kzalloc(dev, sizeof(*reports), GFP_KERNEL);
	if (!reports)
		return -ENOMEM;
	mutex_init(&reports->lock);
	reports->page = dma_alloc_coherent(dev, ACCEL_REPORTS_BYTES, &reports->dma, GFP_KERNEL);
	if (!reports->page)
		return -ENOMEM;
	adev->reports = reports;
	return 0;
}

void accel_reports_fini(struct accel_device *adev)
{
	struct accel_reports *reports = adev->reports;

	dma_free_coherent(&adev->pdev->dev, ACCEL_REPORTS_BYTES, reports->page, reports->dma);
}

/**
 * accel_reports_read() - read the reports of queues
 * @adev: the card; the caller is in a section, and the hardware is present
 * @first: id of the first queue
 * @count: number of queues, 1 to ACCEL_REPORTS_MAX
 * @reports: reports in the card's format, filled in
 *
 * Return: 0; -EOPNOTSUPP if the card has no reports; another -errno if it does not
 * answer.
 */
int accel_reports_read(struct accel_device *adev, u32 first, u32 count,
		       struct accel_queue_report *reports)
{
	struct accel_admin_command command = {
		.opcode = ACCEL_ADMIN_QUERY_QUEUES,
		.id = cpu_to_le32(first),
		.query_queues.count = cpu_to_le32(count),
		.query_queues.address = cpu_to_le64(adev->reports->dma),
	};
	int ret;

	accel_section_assert(adev);
	if (!(adev->features & ACCEL_FEATURE_SHARING))
		return -EOPNOTSUPP;
	mutex_lock(&adev->reports->lock);
	ret = accel_admin_run(adev, &command);
	if (!ret)
		memcpy(reports, adev->reports->page, count * sizeof(*reports));
	mutex_unlock(&adev->reports->lock);
	return ret;
}
