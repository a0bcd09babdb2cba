// SPDX-License-Identifier: GPL-2.0
/* The kernel has pcim_request_all_regions(); elsewhere pci_request_regions() is managed. */
#include <linux/pci.h>

int probe(struct pci_dev *pdev);
int probe(struct pci_dev *pdev)
{
	return pcim_request_all_regions(pdev, "probe");
}
