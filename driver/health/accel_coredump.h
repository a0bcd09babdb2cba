/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_coredump.h - the state of a card at a failure, as a device coredump.
 */
#ifndef ACCEL_COREDUMP_H
#define ACCEL_COREDUMP_H

#include "accel_coredump_text.h"
#include "accel_event.h"

int accel_coredump_init(struct accel_device *adev);
void accel_coredump_fini(struct accel_device *adev);
void accel_coredump(struct accel_device *adev, const struct accel_coredump_cause *cause);
void accel_coredump_reset(struct accel_device *adev, const char *name, bool silent);
bool accel_coredump_event(struct accel_device *adev, const struct accel_event *event);

#endif /* ACCEL_COREDUMP_H */
