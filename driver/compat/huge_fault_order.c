// SPDX-License-Identifier: GPL-2.0
/* The huge_fault handler takes an order. */
#include <linux/mm.h>

static vm_fault_t probe(struct vm_fault *vmf, unsigned int order)
{
	return 0;
}

extern const struct vm_operations_struct probe_ops;
const struct vm_operations_struct probe_ops = {
	.huge_fault = probe,
};
