/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_mmio.h - access to the registers of a card. The caller is in a section
 * (accel_section.h) in which the hardware is present, or starts or stops the card.
 *
 * No assertion can check this rule, because probe accesses the card before either.
 */
#ifndef ACCEL_MMIO_H
#define ACCEL_MMIO_H

#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "accel_device.h"

static inline u32 accel_read32(struct accel_device *adev, u32 offset)
{
	return readl(adev->regs + offset);
}

static inline u64 accel_read64(struct accel_device *adev, u32 offset)
{
	return readq(adev->regs + offset);
}

static inline void accel_write32(struct accel_device *adev, u32 offset, u32 value)
{
	writel(value, adev->regs + offset);
}

static inline void accel_write64(struct accel_device *adev, u32 offset, u64 value)
{
	writeq(value, adev->regs + offset);
}

/* True if the card does not answer: a read of any register returns all ones. */
static inline bool accel_silent(struct accel_device *adev)
{
	return accel_read32(adev, ACCEL_REG_MAGIC) == ~0U;
}

#endif /* ACCEL_MMIO_H */
