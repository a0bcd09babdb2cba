// SPDX-License-Identifier: GPL-2.0
/*
 * accel_trace_points.c - the code of the tracepoints that accel_trace.h declares. Only
 * this file reads the fields of the objects that a tracepoint gets.
 */
#include "accel_copy_job.h"
#include "accel_queue.h"

#ifndef __CHECKER__
#define CREATE_TRACE_POINTS
#endif
#include "accel_trace.h"
