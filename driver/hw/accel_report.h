/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_report.h - the card's own reports about the progress and errors of queues.
 */
#ifndef ACCEL_REPORT_H
#define ACCEL_REPORT_H

#include "accel_device.h"

int accel_reports_init(struct accel_device *adev);
void accel_reports_fini(struct accel_device *adev);
int accel_reports_read(struct accel_device *adev, u32 first, u32 count,
		       struct accel_queue_report *reports);

#endif /* ACCEL_REPORT_H */
