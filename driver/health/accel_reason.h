/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_reason.h - the reasons of accel_uapi.h: their errnos and names, and the
 * record of the end of a card or of a file.
 */
#ifndef ACCEL_REASON_H
#define ACCEL_REASON_H

#include "accel_device.h"

int accel_reason_errno(enum accel_reason reason);
const char *accel_reason_name(enum accel_reason reason);
void accel_end_set(struct accel_end *end, enum accel_reason reason, struct pid *culprit);
void accel_end_copy(struct accel_end *end, const struct accel_end *from);

#endif /* ACCEL_REASON_H */
