/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_chardev.h - the node /dev/accelN, and the lifetime of its card.
 */
#ifndef ACCEL_CHARDEV_H
#define ACCEL_CHARDEV_H

#include "accel_device.h"

int accel_chardev_init(void);
void accel_chardev_fini(void);
int accel_chardev_add(struct accel_device *adev);
void accel_chardev_del(struct accel_device *adev);
struct accel_device *accel_device_alloc(struct pci_dev *pdev);

#endif /* ACCEL_CHARDEV_H */
