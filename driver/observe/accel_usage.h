/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_usage.h - resources of a file, for fdinfo and debugfs.
 */
#ifndef ACCEL_USAGE_H
#define ACCEL_USAGE_H

#include "accel_context.h"

void accel_usage_count(struct accel_context *ctx, struct accel_usage *usage);
void accel_usage_query(struct accel_context *ctx, struct accel_usage *usage);

#endif /* ACCEL_USAGE_H */
