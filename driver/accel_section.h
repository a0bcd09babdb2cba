/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_section.h - sections: code during which the card cannot stop.
 *
 * Every user of the hardware is in a section. A section is short: it never waits
 * for a job, for a fence, for memory of a process or for a lock that another
 * process can hold during such a wait. It may wait for the answer of an admin
 * command, because accel_card_stop() ends that wait.
 *
 * accel_card_stop() sets @stop_errno, and then waits until every section that
 * began before has ended. A section that begins later sees @stop_errno, and must
 * not use the hardware. Sections nest, and do not exclude each other.
 */
#ifndef ACCEL_SECTION_H
#define ACCEL_SECTION_H

#include <linux/srcu.h>

#include "accel_device.h"

/*
 * Begins a section, even if the card has stopped. Return: value for accel_section_end().
 *
 * Sparse cannot follow a section that begins only on success, so it does not see sections.
 */
static inline int accel_section_begin(struct accel_device *adev)
{
	int section = srcu_read_lock(&adev->sections);

	__release(&adev->sections);
	return section;
}

static inline void accel_section_end(struct accel_device *adev, int section)
{
	__acquire(&adev->sections);
	srcu_read_unlock(&adev->sections, section);
}

/**
 * accel_section_enter() - begin a section in which the hardware is present
 * @adev: the card
 * @section: value for accel_section_end(), filled in on success
 *
 * Return: 0, or @stop_errno without a section.
 */
static inline int accel_section_enter(struct accel_device *adev, int *section)
{
	int ret;

	*section = accel_section_begin(adev);
	ret = READ_ONCE(adev->stop_errno);
	if (ret)
		accel_section_end(adev, *section);
	return ret;
}

/* The caller is in a section, or is the one that starts or stops the card. */
static inline void accel_section_assert(struct accel_device *adev)
{
	lockdep_assert(srcu_read_lock_held(&adev->sections) ||
		       lockdep_is_held(&adev->stop_lock));
}

/* The caller starts or stops the card: no section uses the hardware. */
static inline void accel_section_assert_stopped(struct accel_device *adev)
{
	lockdep_assert_held(&adev->stop_lock);
}

#endif /* ACCEL_SECTION_H */
