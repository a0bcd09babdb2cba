// SPDX-License-Identifier: GPL-2.0
/*
 * accel_trace.c - the code of the tracepoints that accel_trace.h declares.
 */
#ifndef __CHECKER__
#define CREATE_TRACE_POINTS
#endif
#include "accel_trace.h"
