// SPDX-License-Identifier: GPL-2.0
/*
 * plant.c - does on purpose what the gate must catch: the module parameter
 * "what" names it. Without one, loading and unloading it does nothing.
 */
#include <linux/bug.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>
#include <linux/string.h>

static char *what = "nothing";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "nothing, warn, oops, refuse, hold or switch_off");

static int __init plant_init(void)
{
	int *nowhere = NULL;

	if (!strcmp(what, "warn"))
		WARN(1, "planted\n");
	if (!strcmp(what, "oops"))
		*(volatile int *)nowhere = 1;
	if (!strcmp(what, "refuse"))
		return -EINVAL;
	if (!strcmp(what, "hold"))
		__module_get(THIS_MODULE);
	return 0;
}
module_init(plant_init);

static void __exit plant_exit(void)
{
	if (!strcmp(what, "switch_off"))
		kernel_power_off();
}
module_exit(plant_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Faults for the self-test of the VM harness");
