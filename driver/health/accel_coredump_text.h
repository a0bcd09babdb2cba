/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_coredump_text.h - the text of a dump.
 */
#ifndef ACCEL_COREDUMP_TEXT_H
#define ACCEL_COREDUMP_TEXT_H

#include <linux/types.h>

struct accel_device;
struct pid;
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

size_t accel_coredump_write(struct accel_device *adev, const struct accel_coredump_cause *cause,
			    char *buffer, size_t size);

#endif /* ACCEL_COREDUMP_TEXT_H */
