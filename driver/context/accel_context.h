/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_context.h - the context of an open file.
 */
#ifndef ACCEL_CONTEXT_H
#define ACCEL_CONTEXT_H

#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "accel_copy_job.h"
#include "accel_device.h"
#include "accel_mmu.h"
#include "accel_quota.h"
#include "accel_section.h"
#include "accel_va.h"

/* The kinds of memory of a buffer, as fdinfo counts them. */
enum accel_buffer_kind {
	ACCEL_KIND_HOST,	/* host memory of the driver */
	ACCEL_KIND_USERPTR,	/* registered memory of a process */
	ACCEL_KIND_VRAM,	/* device memory */
	ACCEL_KIND_IMPORT,	/* memory of a dma-buf */
	ACCEL_KINDS
};

/**
 * struct accel_busy - busy time of engines, in device ticks
 * @dma: DMA engines
 * @compute: compute engines
 */
struct accel_busy {
	u64 dma;
	u64 compute;
};

/**
 * struct accel_usage - resources of a file
 * @bytes: memory of its buffers and queues, by kind
 * @buffers: number of buffers
 * @queues: number of queues
 */
struct accel_usage {
	u64 bytes[ACCEL_KINDS];
	u32 buffers;
	u32 queues;
};

/**
 * struct accel_context - one open file
 * @ref: see accel.h
 * @adev: the card
 * @node: in accel_device.contexts
 * @client: number of the file in traces and in fdinfo; never reused
 * @owner: the process that opened the file
 * @quota: quota of the user that opened the file
 * @unlimited: the file may exceed the limits of the quota
 * @lock: see accel.h
 * @section: section of the call that holds @lock
 * @detach_errno: errno of every call once the card half is gone, else 0
 * @generation: generation of the card when the file was opened
 * @end: why the card half is gone; under accel_device.lock
 * @id: id of the context on the card, or -1 before the first buffer or queue
 * @mmu: page tables
 * @va: addresses in use
 * @buffers: buffers by handle
 * @queues: queues by handle
 * @transfers: transfers of the file that wait for the copy queue
 * @poll_wait: sleepers in poll()
 * @urings: number of io_uring commands in flight
 * @busy: busy time of the engines for this file, including queues that have
 *	ended, at the last query of the card; under @lock
 * @usage: the last value that fdinfo showed; under @lock
 * @dummy: page that replaces the card in a revoked mapping; every context has
 *	its own, so that processes cannot communicate through it
 */
struct accel_context {
	struct kref ref;
	struct accel_device *adev;
	struct list_head node;
	u64 client;
	struct pid *owner;
	struct accel_quota *quota;
	bool unlimited;
	struct mutex lock;
	int section;
	int detach_errno;
	u64 generation;
	struct accel_end end;
	int id;
	struct accel_mmu mmu;
	struct accel_va_space va;
	struct xarray buffers;
	struct xarray queues;
	struct accel_copy_flow transfers;
	wait_queue_head_t poll_wait;
	atomic_t urings;
	struct accel_busy busy;
	struct accel_usage usage;
	struct page *dummy;
};

int accel_context_await(struct accel_device *adev, long *left);
struct accel_context *accel_context_create(struct accel_device *adev);
void accel_context_close(struct accel_context *ctx);
void accel_context_put(struct accel_context *ctx);
struct accel_context *accel_context_next(struct accel_device *adev, u64 client);
int accel_context_enter(struct accel_context *ctx);
int accel_context_try_enter(struct accel_context *ctx);
void accel_context_leave(struct accel_context *ctx);
void accel_context_lock(struct accel_context *ctx);
void accel_context_unlock(struct accel_context *ctx);
int accel_context_attach(struct accel_context *ctx);
void accel_context_destroy(struct accel_context *ctx);
void accel_context_forget(struct accel_context *ctx);
void accel_context_end(struct accel_context *ctx);
int accel_ioctl_context_query(struct accel_context *ctx, struct accel_context_query *args);
vm_fault_t accel_context_insert_dummy(struct vm_fault *vmf, struct accel_context *ctx);

/* The errno of a call that needs the card half, or 0. It stays 0 until the section ends. */
static inline int accel_context_gone(const struct accel_context *ctx)
{
	int error = READ_ONCE(ctx->detach_errno);

	/* The context is detached after the card has stopped, and stays detached. */
	return error ? error : smp_load_acquire(&ctx->adev->stop_errno);
}

/* The errno of a new export or import, or 0. The card may be about to stop, but still run. */
static inline int accel_context_sharing_errno(const struct accel_context *ctx)
{
	int error = READ_ONCE(ctx->detach_errno);

	return error ? error : READ_ONCE(ctx->adev->sharing_errno);
}

/* The context is entered: the hardware is present, and the context is locked. */
static inline void accel_context_assert_entered(struct accel_context *ctx)
{
	accel_section_assert(ctx->adev);
	lockdep_assert_held(&ctx->lock);
}

#endif /* ACCEL_CONTEXT_H */
