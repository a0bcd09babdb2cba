/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_coredump.h - the state of a card at a failure, as a device coredump.
 */
#ifndef ACCEL_COREDUMP_H
#define ACCEL_COREDUMP_H

#include "accel_event.h"

struct accel_queue;

/**
 * struct accel_coredump_cause - why the state of a card is dumped
 * @name: one word: hang, fault, reset, ...
 * @detail: the failure, one word, or NULL
 * @culprit: process whose queue is the cause, or NULL
 * @queue: queue of accel_queue_find() whose ring is dumped, or NULL
 * @id: id of @queue on the card
 * @address: context address of a fault
 * @fault: dump the translation of @address
 * @silent: the card may not answer admin commands
 */
struct accel_coredump_cause {
	const char *name;
	const char *detail;
	struct pid *culprit;
	struct accel_queue *queue;
	u32 id;
	u64 address;
	bool fault;
	bool silent;
};

int accel_coredump_init(struct accel_device *adev);
void accel_coredump_fini(struct accel_device *adev);
void accel_coredump(struct accel_device *adev, const struct accel_coredump_cause *cause);
void accel_coredump_reset(struct accel_device *adev, const char *name, bool silent);
bool accel_coredump_event(struct accel_device *adev, const struct accel_event *event);

#endif /* ACCEL_COREDUMP_H */
