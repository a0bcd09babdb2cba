// SPDX-License-Identifier: GPL-2.0
/*
 * control_module.c - a module with a class and a trace event, and nothing else.
 * It shows what the kernel complains about when allocations fail while any such
 * module is loaded.
 */
#include <linux/device/class.h>
#include <linux/err.h>
#include <linux/module.h>

#define CREATE_TRACE_POINTS
#include "control_trace.h"

static struct class *control_class;

static int __init control_init(void)
{
	control_class = class_create(THIS_MODULE, "control");
	return PTR_ERR_OR_ZERO(control_class);
}

static void __exit control_exit(void)
{
	trace_control_event(1);
	class_destroy(control_class);
}

module_init(control_init);
module_exit(control_exit);
MODULE_DESCRIPTION("Control for complaints of the kernel itself");
MODULE_LICENSE("GPL");
