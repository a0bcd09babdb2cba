// SPDX-License-Identifier: GPL-2.0
/*
 * accel_admin_stop.c - an administrator stops a queue of any process: the file
 * `stop_queue` of the node's device.
 *
 * Unfinished jobs of the owner fail with EIO and status ACCEL_ABORTED.
 */
#include "accel_admin_stop.h"
#include "accel_event_log.h"
#include "accel_queue_stop.h"

/**
 * accel_admin_stop_queue() - stop a queue until its owner resets it
 * @adev: the card
 * @id: id of the queue on the card
 *
 * Return: as accel_queue_stop().
 */
int accel_admin_stop_queue(struct accel_device *adev, unsigned int id)
{
	struct accel_queue *queue = accel_queue_find(adev, id);
	int ret;

	if (!queue)
		return -ENOENT;
	ret = accel_queue_stop(queue, id, ACCEL_ABORTED, ACCEL_REASON_STOPPED);
	if (!ret)
		accel_event_log_owner(adev, queue->ctx->owner, "queue-stopped",
				      "queue=%u client=%llu", id, queue->ctx->client);
	accel_queue_found_put(queue);
	return ret;
}
