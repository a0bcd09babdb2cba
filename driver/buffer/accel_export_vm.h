/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_export_vm.h - struct accel_export, and the mappings of exports.
 */
#ifndef ACCEL_EXPORT_VM_H
#define ACCEL_EXPORT_VM_H

#include "accel_buffer.h"

struct dma_buf;

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
 * @node: in accel_device.exports
 * @adev: the card that owns the memory; a reference of its device
 * @buffer: a reference
 * @dmabuf: the dma-buf
 * @flags: ACCEL_EXPORT_*
 * @lock: protects @mappings, the insertion of pages, and writes of @revoked
 * @revoked: the export has lost its memory; written with the reservation held
 * @imports: imports by the same card; under the reservation
 * @mappings: number of mappings; each of them holds the file of the dma-buf
 * @dummy: page that a revoked mapping shows
 */
struct accel_export {
	struct list_head node;
	struct accel_device *adev;
	struct accel_buffer *buffer;
	struct dma_buf *dmabuf;
	u32 flags;
	struct mutex lock;
	bool revoked;
	struct list_head imports;
	unsigned int mappings;
	struct page *dummy;
};

int accel_export_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

#endif /* ACCEL_EXPORT_VM_H */
