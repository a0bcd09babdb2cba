/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_trace.h - tracepoints: the kernel's view of a card.
 *
 * The kernel does not see the start of a job, because a process rings the doorbell
 * itself. It sees waits, interrupts and wake-ups; creation, end and errors of
 * queues; the driver's transfers for read() and write(); and start and stop of
 * the card.
 *
 * Client and handle name a queue for as long as it lives. client is drm-client-id
 * in fdinfo; handle is the result of QUEUE_CREATE.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM accel_card

#if !defined(ACCEL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ACCEL_TRACE_H

#include <linux/tracepoint.h>

#include "accel_device.h"

struct accel_copy_job;
struct accel_queue;
struct accel_queue_error;

#ifndef ACCEL_TRACE_STATUS
#define ACCEL_TRACE_STATUS(each, last)			\
	each(ACCEL_OK, "OK")				\
	each(ACCEL_BAD_OPCODE, "BAD_OPCODE")		\
	each(ACCEL_BAD_FIELD, "BAD_FIELD")		\
	each(ACCEL_BAD_ALIGNMENT, "BAD_ALIGNMENT")	\
	each(ACCEL_BAD_SIZE, "BAD_SIZE")		\
	each(ACCEL_BAD_ARGUMENT, "BAD_ARGUMENT")	\
	each(ACCEL_NESTED_CALL, "NESTED_CALL")		\
	each(ACCEL_BAD_DOORBELL, "BAD_DOORBELL")	\
	each(ACCEL_FAULT_UNMAPPED, "FAULT_UNMAPPED")	\
	each(ACCEL_FAULT_READ, "FAULT_READ")		\
	each(ACCEL_FAULT_WRITE, "FAULT_WRITE")		\
	each(ACCEL_FAULT_TABLE, "FAULT_TABLE")		\
	each(ACCEL_BUS_ERROR, "BUS_ERROR")		\
	each(ACCEL_ABORTED, "ABORTED")			\
	each(ACCEL_INTERNAL, "INTERNAL")		\
	each(ACCEL_BAD_INDEX, "BAD_INDEX")		\
	each(ACCEL_TIME_LIMIT, "TIME_LIMIT")		\
	each(ACCEL_NO_PROGRESS, "NO_PROGRESS")		\
	last(ACCEL_STEP_LIMIT, "STEP_LIMIT")

/* The names of a queue, in the format of each event of a queue. */
#define ACCEL_TRACE_QUEUE	"card=%d client=%llu handle=%u"

#define ACCEL_TRACE_NAMED(value, name)	{ value, name },
#define ACCEL_TRACE_LAST(value, name)	{ value, name }
#define ACCEL_TRACE_ENUM(value, name)	TRACE_DEFINE_ENUM(value);
#endif

/* Exports the numbers behind the names to tools that read the binary buffer. */
ACCEL_TRACE_STATUS(ACCEL_TRACE_ENUM, ACCEL_TRACE_ENUM)

#define accel_trace_status(status)						\
	__print_symbolic(status, ACCEL_TRACE_STATUS(ACCEL_TRACE_NAMED, ACCEL_TRACE_LAST))

/* Start and stop of the card: probe, removal, reset, suspend, resume. */

DECLARE_EVENT_CLASS(accel_card,
	TP_PROTO(struct accel_device *adev, int error),
	TP_ARGS(adev, error),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, generation)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->card = adev->id;
		__entry->generation = adev->generation;
		__entry->error = error;
	),
	TP_printk("card=%d generation=%llu error=%d",
		  __entry->card, __entry->generation, __entry->error)
);

/* @error: 0, or the errno of a failed start */
DEFINE_EVENT(accel_card, accel_card_start,
	TP_PROTO(struct accel_device *adev, int error), TP_ARGS(adev, error));
/* @error: errno of open files from now on: -ESTALE after reset or suspend, -ENODEV after removal */
DEFINE_EVENT(accel_card, accel_card_stop,
	TP_PROTO(struct accel_device *adev, int error), TP_ARGS(adev, error));

TRACE_EVENT(accel_irq,
	TP_PROTO(struct accel_device *adev, int vector),
	TP_ARGS(adev, vector),
	TP_STRUCT__entry(
		__field(int, card)
		__field(int, vector)
	),
	TP_fast_assign(
		__entry->card = adev->id;
		__entry->vector = vector;
	),
	TP_printk("card=%d vector=%d", __entry->card, __entry->vector)
);

/* Creation and end of a queue. */

TRACE_EVENT(accel_queue_create,
	TP_PROTO(struct accel_queue *queue, u32 priority),
	TP_ARGS(queue, priority),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, client)
		__field(u32, handle)
		__field(int, context)
		__field(int, queue)
		__field(u32, entries)
		__field(int, vector)
		__field(u32, priority)
	),
	TP_fast_assign(
		__entry->card = queue->ctx->adev->id;
		__entry->client = queue->ctx->client;
		__entry->handle = queue->handle;
		__entry->context = queue->ctx->id;
		__entry->queue = queue->id;
		__entry->entries = queue->entries;
		__entry->vector = queue->vector;
		__entry->priority = priority;
	),
	TP_printk(ACCEL_TRACE_QUEUE " context=%d queue=%d entries=%u vector=%d priority=%u",
		  __entry->card, __entry->client, __entry->handle, __entry->context,
		  __entry->queue, __entry->entries, __entry->vector, __entry->priority)
);

DECLARE_EVENT_CLASS(accel_queue,
	TP_PROTO(struct accel_queue *queue, int error),
	TP_ARGS(queue, error),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, client)
		__field(u32, handle)
		__field(u64, completed)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->card = queue->ctx->adev->id;
		__entry->client = queue->ctx->client;
		__entry->handle = queue->handle;
		__entry->completed = accel_queue_completed(queue);
		__entry->error = error;
	),
	TP_printk(ACCEL_TRACE_QUEUE " completed=%llu error=%d",
		  __entry->card, __entry->client, __entry->handle, __entry->completed,
		  __entry->error)
);

DEFINE_EVENT(accel_queue, accel_queue_destroy,
	TP_PROTO(struct accel_queue *queue, int error), TP_ARGS(queue, error));
DEFINE_EVENT(accel_queue, accel_queue_reset,
	TP_PROTO(struct accel_queue *queue, int error), TP_ARGS(queue, error));

/* The card stopped a queue at a command, or an administrator did. */
TRACE_EVENT(accel_queue_error,
	TP_PROTO(struct accel_queue *queue, const struct accel_queue_error *error),
	TP_ARGS(queue, error),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, client)
		__field(u32, handle)
		__field(u32, status)
		__field(u64, sequence)
		__field(u64, address)
		__field(u32, list_index)
		__field(u32, opcode)
	),
	TP_fast_assign(
		__entry->card = queue->ctx->adev->id;
		__entry->client = queue->ctx->client;
		__entry->handle = queue->handle;
		__entry->status = error->status;
		__entry->sequence = error->sequence;
		__entry->address = error->address;
		__entry->list_index = error->list_index;
		__entry->opcode = error->opcode;
	),
	TP_printk(ACCEL_TRACE_QUEUE
		  " status=%s sequence=%llu address=%#llx list_index=%d opcode=%#x",
		  __entry->card, __entry->client, __entry->handle,
		  accel_trace_status(__entry->status), __entry->sequence, __entry->address,
		  (int)__entry->list_index, __entry->opcode)
);

/* Start and end of a wait for a command. */

TRACE_EVENT(accel_wait_begin,
	TP_PROTO(struct accel_queue *queue, u64 sequence),
	TP_ARGS(queue, sequence),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, client)
		__field(u32, handle)
		__field(u64, sequence)
		__field(u64, completed)
	),
	TP_fast_assign(
		__entry->card = queue->ctx->adev->id;
		__entry->client = queue->ctx->client;
		__entry->handle = queue->handle;
		__entry->sequence = sequence;
		__entry->completed = accel_queue_completed(queue);
	),
	TP_printk(ACCEL_TRACE_QUEUE " sequence=%llu completed=%llu",
		  __entry->card, __entry->client, __entry->handle, __entry->sequence,
		  __entry->completed)
);

TRACE_EVENT(accel_wait_end,
	TP_PROTO(struct accel_queue *queue, u64 sequence, int error),
	TP_ARGS(queue, sequence, error),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, client)
		__field(u32, handle)
		__field(u64, sequence)
		__field(u64, completed)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->card = queue->ctx->adev->id;
		__entry->client = queue->ctx->client;
		__entry->handle = queue->handle;
		__entry->sequence = sequence;
		__entry->completed = accel_queue_completed(queue);
		__entry->error = error;
	),
	TP_printk(ACCEL_TRACE_QUEUE " sequence=%llu completed=%llu error=%d",
		  __entry->card, __entry->client, __entry->handle, __entry->sequence,
		  __entry->completed, __entry->error)
);

/* The driver asks the card for an interrupt at the completion of a command. */
TRACE_EVENT(accel_queue_arm,
	TP_PROTO(struct accel_queue *queue, u64 sequence),
	TP_ARGS(queue, sequence),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, client)
		__field(u32, handle)
		__field(u64, sequence)
	),
	TP_fast_assign(
		__entry->card = queue->ctx->adev->id;
		__entry->client = queue->ctx->client;
		__entry->handle = queue->handle;
		__entry->sequence = sequence;
	),
	TP_printk(ACCEL_TRACE_QUEUE " sequence=%llu",
		  __entry->card, __entry->client, __entry->handle, __entry->sequence)
);

/* The waiters of a queue check whether they are due. */
TRACE_EVENT(accel_queue_wake,
	TP_PROTO(struct accel_queue *queue),
	TP_ARGS(queue),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, client)
		__field(u32, handle)
		__field(u64, completed)
	),
	TP_fast_assign(
		__entry->card = queue->ctx->adev->id;
		__entry->client = queue->ctx->client;
		__entry->handle = queue->handle;
		__entry->completed = accel_queue_completed(queue);
	),
	TP_printk(ACCEL_TRACE_QUEUE " completed=%llu",
		  __entry->card, __entry->client, __entry->handle, __entry->completed)
);

/* A chunk of read() or write(), on the copy queue. */

TRACE_EVENT(accel_transfer_submit,
	TP_PROTO(struct accel_device *adev, const struct accel_copy_job *job),
	TP_ARGS(adev, job),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, sequence)
		__field(u32, epoch)
		__field(u64, bytes)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->card = adev->id;
		__entry->sequence = job->sequence;
		__entry->epoch = job->epoch;
		__entry->bytes = job->bytes;
		__entry->write = job->direction == DMA_TO_DEVICE;
	),
	TP_printk("card=%d epoch=%u sequence=%llu bytes=%llu %s",
		  __entry->card, __entry->epoch, __entry->sequence, __entry->bytes,
		  __entry->write ? "write" : "read")
);

TRACE_EVENT(accel_transfer_complete,
	TP_PROTO(struct accel_device *adev, const struct accel_copy_job *job, int error),
	TP_ARGS(adev, job, error),
	TP_STRUCT__entry(
		__field(int, card)
		__field(u64, sequence)
		__field(u32, epoch)
		__field(u64, bytes)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->card = adev->id;
		__entry->sequence = job->sequence;
		__entry->epoch = job->epoch;
		__entry->bytes = job->bytes;
		__entry->error = error;
	),
	TP_printk("card=%d epoch=%u sequence=%llu bytes=%llu error=%d",
		  __entry->card, __entry->epoch, __entry->sequence, __entry->bytes,
		  __entry->error)
);

#endif /* ACCEL_TRACE_H */

/* The compiler finds it through an -I option in Kbuild. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE accel_trace
#include <trace/define_trace.h>
