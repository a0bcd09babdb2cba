/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_file.h - the life of an open file: its context with all that is in it.
 */
#ifndef ACCEL_FILE_H
#define ACCEL_FILE_H

#include "accel_context.h"

struct accel_context *accel_file_open(struct accel_device *adev, bool nowait);
void accel_file_detach(struct accel_context *ctx);
void accel_file_release(struct accel_context *ctx);

#endif /* ACCEL_FILE_H */
