// SPDX-License-Identifier: GPL-2.0
/*
 * faulty_module.c - commits on purpose the faults that the VM harness must catch.
 * The module parameter "fault" selects one. Without it the module does nothing.
 */
#include <linux/bug.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>
#include <linux/string.h>

static char *fault = "nothing";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "nothing, warn, oops, refuse, hold or switch_off");

static int __init faulty_module_init(void)
{
	int *nowhere = NULL;

	if (!strcmp(fault, "warn"))
		WARN(1, "planted\n");
	if (!strcmp(fault, "oops"))
		*(volatile int *)nowhere = 1;
	if (!strcmp(fault, "refuse"))
		return -EINVAL;
	if (!strcmp(fault, "hold"))
		__module_get(THIS_MODULE);
	return 0;
}
module_init(faulty_module_init);

static void __exit faulty_module_exit(void)
{
	if (!strcmp(fault, "switch_off"))
		kernel_power_off();
}
module_exit(faulty_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Planted faults for the self-test of the VM harness");
