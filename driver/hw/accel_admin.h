/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_admin.h - the admin queue of a card.
 */
#ifndef ACCEL_ADMIN_H
#define ACCEL_ADMIN_H

#include <linux/wait.h>

#include "accel_device.h"

#define ACCEL_ADMIN_ENTRIES	(PAGE_SIZE / sizeof(struct accel_admin_command))

/**
 * struct accel_admin - the admin queue; it runs one command at a time
 * @lock: serializes commands
 * @ring: one page of commands
 * @ring_dma: bus address of @ring
 * @results: one page of results
 * @results_dma: bus address of @results
 * @tail: sequence number of the newest command
 * @failed: the card did not answer a command, refused to end an access to memory, or
 *	stops; no command is sent until the card starts again
 * @wait: vector 0 wakes it
 */
struct accel_admin {
	struct mutex lock;
	struct accel_admin_command *ring;
	dma_addr_t ring_dma;
	struct accel_admin_result *results;
	dma_addr_t results_dma;
	u64 tail;
	bool failed;
	wait_queue_head_t wait;
};

int accel_admin_init(struct accel_device *adev);
void accel_admin_fini(struct accel_device *adev);
void accel_admin_start(struct accel_device *adev);
void accel_admin_abort(struct accel_device *adev);
void accel_admin_wake(struct accel_device *adev);
int accel_admin_run(struct accel_device *adev, const struct accel_admin_command *command);

#endif /* ACCEL_ADMIN_H */
