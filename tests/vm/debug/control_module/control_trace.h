/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control_trace.h - the trace event of the control module.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM control

#if !defined(CONTROL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define CONTROL_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(control_event,
	TP_PROTO(int value),
	TP_ARGS(value),
	TP_STRUCT__entry(__field(int, value)),
	TP_fast_assign(__entry->value = value;),
	TP_printk("value=%d", __entry->value)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE control_trace
#include <trace/define_trace.h>
