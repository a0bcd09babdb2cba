/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_wait.h - the waiters of a queue.
 */
#ifndef ACCEL_WAIT_H
#define ACCEL_WAIT_H

#include "accel_queue.h"

int accel_wait_check(struct accel_queue *queue, u64 sequence, u32 epoch);
u64 accel_wait_reached(struct accel_queue *queue, u64 sequence, int result);
void accel_wait_begin(struct accel_queue *queue, struct accel_waiter *waiter);
bool accel_wait_start(struct accel_queue *queue, struct accel_waiter *waiter);
void accel_wait_insert(struct accel_queue *queue, struct accel_waiter *waiter);
bool accel_wait_erase(struct accel_queue *queue, struct accel_waiter *waiter);
bool accel_wait_remove(struct accel_queue *queue, struct accel_waiter *waiter);
void accel_wait_fire_and_arm(struct accel_queue *queue);
void accel_wait_wake(struct accel_queue *queue);
bool accel_wait_interrupt(struct accel_device *adev, int vector);
void accel_wait_thread(struct accel_device *adev, int vector);

#endif /* ACCEL_WAIT_H */
