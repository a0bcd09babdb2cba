// SPDX-License-Identifier: GPL-2.0
/*
 * control_module.c - a module with classes and a trace event, and nothing else.
 * It shows what the kernel complains about when allocations fail while any such
 * module is loaded.
 */
#include <linux/device/class.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>

#define CREATE_TRACE_POINTS
#include "control_trace.h"

/* The scan for leaks misses an object whose address is in memory by chance. */
static struct class *control_classes[8];
static char control_names[ARRAY_SIZE(control_classes)][16];

static void control_destroy(int count)
{
	while (count--)
		class_destroy(control_classes[count]);
}

static int __init control_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(control_classes); i++) {
		snprintf(control_names[i], sizeof(control_names[i]), "control-%d", i);
		control_classes[i] = class_create(THIS_MODULE, control_names[i]);
		if (IS_ERR(control_classes[i])) {
			control_destroy(i);
			return PTR_ERR(control_classes[i]);
		}
	}
	return 0;
}

static void __exit control_exit(void)
{
	trace_control_event(1);
	control_destroy(ARRAY_SIZE(control_classes));
}

module_init(control_init);
module_exit(control_exit);
MODULE_DESCRIPTION("Control for complaints of the kernel itself");
MODULE_LICENSE("GPL");
