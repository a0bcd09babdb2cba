/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_progress.h - the card's own reports about the progress and errors of queues.
 */
#ifndef ACCEL_PROGRESS_H
#define ACCEL_PROGRESS_H

#include "accel_device.h"

int accel_progress_init(struct accel_device *adev);
void accel_progress_fini(struct accel_device *adev);
int accel_progress_read(struct accel_device *adev, u32 first, u32 count,
			struct accel_queue_report *reports);

#endif /* ACCEL_PROGRESS_H */
