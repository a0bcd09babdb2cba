/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_buffer.h - buffers: memory that the card can access. Each kind of
 * memory has a table of operations in a file of its own.
 */
#ifndef ACCEL_BUFFER_H
#define ACCEL_BUFFER_H

#include <linux/scatterlist.h>

#include "accel_context.h"

#define ACCEL_BUFFER_PROT	(ACCEL_BUFFER_CARD_READ | ACCEL_BUFFER_CARD_WRITE)

struct accel_buffer;

/**
 * struct accel_buffer_ops - operations of a kind of buffer
 * @kind: kind of memory, for statistics
 * @exportable: ACCEL_IOCTL_BUFFER_EXPORT accepts it
 * @driver_writes: the driver can write it through the copy queue, independent of
 *	the permissions of the context
 * @attach: prepares the memory for the card; the context is entered. May be NULL.
 * @map: enters the memory in the page tables; the context is entered
 * @unmap: the card does not access the memory any more: ends its DMA mapping. May be
 *	NULL.
 * @end: ends the card's access when the handle is gone, in place of
 *	accel_buffer_detach(); called without locks. May be NULL.
 * @stop: the card has stopped: frees memory of the card; the caller is in a section for
 *	writing, and the buffer was never exported. May be NULL.
 * @mmap: maps the buffer; called without locks, with a reference. NULL if the
 *	buffer cannot be mapped.
 * @release: frees the memory and the buffer; called without locks
 */
struct accel_buffer_ops {
	enum accel_buffer_kind kind;
	bool exportable;
	bool driver_writes;
	int (*attach)(struct accel_context *ctx, struct accel_buffer *buffer);
	int (*map)(struct accel_context *ctx, struct accel_buffer *buffer);
	void (*unmap)(struct accel_buffer *buffer);
	void (*end)(struct accel_buffer *buffer);
	void (*stop)(struct accel_buffer *buffer);
	int (*mmap)(struct accel_buffer *buffer, struct vm_area_struct *vma);
	void (*release)(struct accel_buffer *buffer);
};

/**
 * struct accel_buffer - memory that the card can access
 * @ref: see accel.h
 * @ops: operations of its kind
 * @adev: the card
 * @prot: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 * @queue: the buffer is the memory of a queue
 * @va: its addresses in the context
 * @bytes: length, whole pages
 * @pages: pages of host memory
 * @page_count: number of @pages
 * @sgt: host memory: its pages, and its bus addresses while @mapped; or the mapping of
 *	a dma-buf
 * @mapped: the card can access @sgt
 * @transfers: jobs of the copy queue that use the memory; grows only while the
 *	context is entered
 * @extents: device memory that the buffer owns
 * @quota: user that the memory is charged to; NULL if it is not charged
 * @resource: resource that is charged
 * @source: buffer that owns the extents: the buffer itself, or for an import a
 *	buffer of another context; NULL if the memory is not in this card
 * @revoked: an import that has lost its memory; under the context's lock
 * @exports: exports of the buffer, under accel_device.exports_lock
 * @end_exports: revokes the exports when the handle is gone, and if @wait, waits for
 *	importers in other drivers; set by the first export
 */
struct accel_buffer {
	struct kref ref;
	const struct accel_buffer_ops *ops;
	struct accel_device *adev;
	u32 prot;
	bool queue;
	struct accel_va va;
	u64 bytes;
	struct page **pages;
	unsigned long page_count;
	struct sg_table sgt;
	bool mapped;
	atomic_t transfers;
	struct list_head extents;
	struct accel_quota *quota;
	enum accel_resource resource;
	struct accel_buffer *source;
	bool revoked;
	struct list_head exports;
	void (*end_exports)(struct accel_buffer *buffer, bool wait);
};

void accel_buffer_init(struct accel_buffer *buffer, struct accel_device *adev,
		       const struct accel_buffer_ops *ops, u64 bytes, u32 prot);
void accel_buffer_put(struct accel_buffer *buffer);

/* Drops a reference without sleeping. Return: false if it is the last one, which then stays. */
static inline bool accel_buffer_try_put(struct accel_buffer *buffer)
{
	return refcount_dec_not_one(&buffer->ref.refcount);
}

int accel_buffer_charge(struct accel_context *ctx, struct accel_buffer *buffer,
			enum accel_resource resource);
void accel_buffer_uncharge(struct accel_buffer *buffer);
int accel_buffer_attach_pages(struct accel_context *ctx, struct accel_buffer *buffer);
void accel_buffer_unmap_pages(struct accel_buffer *buffer);
int accel_buffer_map_sgtable(struct accel_context *ctx, struct accel_buffer *buffer);
int accel_buffer_map_extents(struct accel_context *ctx, struct accel_buffer *buffer);
void accel_buffer_dma_unmap(struct accel_buffer *buffer);
int accel_buffer_attach(struct accel_context *ctx, struct accel_buffer *buffer);
int accel_buffer_detach(struct accel_context *ctx, struct accel_buffer *buffer);
int accel_buffer_publish(struct accel_context *ctx, struct accel_buffer *buffer, u32 *handle,
			 u64 *address);
int accel_buffer_destroy(struct accel_context *ctx, u32 handle);
struct accel_buffer *accel_buffer_find(struct accel_context *ctx, u64 address);
void accel_buffer_vm_setup(struct accel_buffer *buffer, struct vm_area_struct *vma,
			   const struct vm_operations_struct *ops);
void accel_buffer_vm_open(struct vm_area_struct *vma);
void accel_buffer_vm_close(struct vm_area_struct *vma);

#endif /* ACCEL_BUFFER_H */
