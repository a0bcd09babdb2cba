/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_export_vm.h - struct accel_export, and the mappings of exports.
 */
#ifndef ACCEL_EXPORT_VM_H
#define ACCEL_EXPORT_VM_H

#include "accel_buffer.h"

struct dma_buf;
struct dma_fence;

/**
 * struct accel_export_link - an import by the same card, in the list of the export
 * @node: in accel_export.imports
 * @revoke: ends the card's access through the import; the reservation is held
 */
struct accel_export_link {
	struct list_head node;
	void (*revoke)(struct accel_export_link *link);
};

/**
 * struct accel_export - a dma-buf of the driver
 * @ref: held by the dma-buf, and during a revocation
 * @node: in accel_device.exports, if it is device memory; under exports_lock
 * @buffer_node: in accel_buffer.exports, if it is revoked with the handle; under
 *	exports_lock
 * @stop_node: in the private list of the thread that stops the card
 * @end_node: in the private list of the thread that ends the buffer
 * @adev: the card that owns the memory; a reference of its device
 * @driver: this driver; an importer of the same driver is one of our cards
 * @buffer: a reference
 * @revoke_lock: serializes revocations, and the release of the dma-buf with them
 * @dmabuf: the dma-buf; NULL once it is released; under @revoke_lock
 * @fence: work of other drivers that may still use the memory of a revoked export;
 *	under @revoke_lock
 * @flags: ACCEL_EXPORT_*
 * @lock: protects @mappings, the insertion of pages, and writes of @revoked
 * @revoked: the export has lost its memory; written with the reservation held
 * @foreign: number of attachments of other drivers
 * @imports: imports by the same card; under the reservation
 * @mappings: number of mappings; each of them holds the file of the dma-buf
 * @dummy: page that a revoked mapping shows
 * @quota: the user that pays for the export; the memory is charged to the buffer
 */
struct accel_export {
	struct kref ref;
	struct list_head node;
	struct list_head buffer_node;
	struct list_head stop_node;
	struct list_head end_node;
	struct accel_device *adev;
	const struct device_driver *driver;
	struct accel_buffer *buffer;
	struct mutex revoke_lock;
	struct dma_buf *dmabuf;
	struct dma_fence *fence;
	u32 flags;
	struct mutex lock;
	bool revoked;
	atomic_t foreign;
	struct list_head imports;
	unsigned int mappings;
	struct page *dummy;
	struct accel_quota *quota;
};

int accel_export_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

#endif /* ACCEL_EXPORT_VM_H */
