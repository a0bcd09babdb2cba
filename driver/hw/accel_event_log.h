/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_event_log.h - recent events of a card, for its operator.
 */
#ifndef ACCEL_EVENT_LOG_H
#define ACCEL_EVENT_LOG_H

#include "accel_device.h"

int accel_event_log_init(struct accel_device *adev);
void accel_event_log_fini(struct accel_device *adev);
void accel_event_log_publish(struct accel_device *adev);
void accel_event_log_unpublish(struct accel_device *adev);
__printf(3, 4)
void accel_event_log_card(struct accel_device *adev, const char *name, const char *format, ...);
__printf(4, 5)
void accel_event_log_owner(struct accel_device *adev, struct pid *owner, const char *name,
			   const char *format, ...);
__printf(4, 5)
void accel_event_log_queue(struct accel_device *adev, struct pid *owner, const char *name,
			   const char *format, ...);
void accel_event_log_setting(struct accel_device *adev, const char *name, u64 value);
ssize_t accel_event_log_show(struct accel_device *adev, char *buf);

#endif /* ACCEL_EVENT_LOG_H */
