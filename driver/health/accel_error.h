/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_error.h - the kernel's calls around a reset, an error of the link and a suspend.
 */
#ifndef ACCEL_ERROR_H
#define ACCEL_ERROR_H

#include <linux/pci.h>
#include <linux/pm.h>

extern const struct pci_error_handlers accel_error_handlers;
extern const struct dev_pm_ops accel_pm_ops;

#endif /* ACCEL_ERROR_H */
