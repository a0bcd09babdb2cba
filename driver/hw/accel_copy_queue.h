/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_copy_queue.h - the life of the copy queue: creation, start, stop, errors.
 */
#ifndef ACCEL_COPY_QUEUE_H
#define ACCEL_COPY_QUEUE_H

#include "accel_copy_job.h"

int accel_copy_queue_init(struct accel_device *adev);
void accel_copy_queue_fini(struct accel_device *adev);
void accel_copy_queue_free(struct accel_device *adev);
int accel_copy_queue_start(struct accel_device *adev);
void accel_copy_queue_stop(struct accel_device *adev, int error);
bool accel_copy_queue_present(struct accel_device *adev);
bool accel_copy_queue_interrupt(struct accel_device *adev, int vector);
void accel_copy_queue_thread(struct accel_device *adev, int vector);
void accel_copy_queue_recover(struct accel_device *adev);
bool accel_copy_queue_event(struct accel_device *adev, const struct accel_event *event);

#endif /* ACCEL_COPY_QUEUE_H */
