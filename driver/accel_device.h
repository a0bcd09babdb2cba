/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_device.h - struct accel_device: one card. Parts of the card that have
 * a file of their own are behind pointers, and their headers define them.
 */
#ifndef ACCEL_DEVICE_H
#define ACCEL_DEVICE_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/idr.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/time64.h>
#include <linux/wait.h>

#include "accel_hw.h"
#include "accel_uapi.h"

#define ACCEL_NAME "accel"

struct accel_admin;
struct accel_copy_queue;
struct accel_coredump;
struct accel_event_log;
struct accel_events;
struct accel_health;
struct accel_irq;
struct accel_queue;
struct accel_quota_table;
struct accel_progress;
struct dentry;
struct gen_pool;
struct inode;

/**
 * struct accel_end - the end of a card or of a file
 * @reason: why it ended; ACCEL_REASON_NONE while it works
 * @time: CLOCK_BOOTTIME of that moment in nanoseconds
 * @culprit: process whose queue caused a recovery of the card; a reference, or NULL
 */
struct accel_end {
	enum accel_reason reason;
	u64 time;
	struct pid *culprit;
};

/**
 * struct accel_device - one card
 * @dev: device of the node; owns this structure
 * @cdev: the node
 * @pdev: the PCI function; used only while the hardware is present
 * @id: N of /dev/accelN
 * @stop_lock: serializes start and stop of the hardware
 * @sections: see accel_section.h
 * @stop_errno: errno of every call that needs the hardware while it is absent or
 *	about to stop, else 0; written under @stop_lock
 * @stopping: accel_card_stop() is in progress
 * @stop_wait: woken when @stopping becomes false, and when @stop_errno changes
 * @end: the last stop of the hardware; under @lock
 * @generation: number of resets
 * @regs: BAR0
 * @doorbell_regs: BAR2, for the copy queue
 * @regs_phys: physical address of BAR0
 * @doorbells_phys: physical address of BAR2
 * @vram_phys: physical address of BAR4
 * @vram_size: bytes of device memory
 * @vram_pool: allocator of device memory
 * @features: ACCEL_FEATURE_* of the card
 * @queue_count: queues of the card
 * @context_count: contexts of the card
 * @ring_entries: longest ring of a queue
 * @engines: number of engines, as in ACCEL_REG_ENGINES
 * @clock_hz: device ticks per second
 * @vector_count: interrupt vectors that the kernel granted
 * @host_memory: the CPU and the card can share host memory, not only the memory of queues
 * @coherent_users: number of struct accel_coherent that are allocated
 * @time_limit_ms: longest device time of a command of a new queue, 0 if unlimited
 * @health: failures that wait for a recovery
 * @coredump: dumps of the card's state
 * @irq: interrupt handlers
 * @admin: admin queue
 * @progress: reports of queues
 * @events: event ring
 * @copy_queue: the driver's own queue
 * @event_log: recent events
 * @quotas: use and limits of each user
 * @context_ids: context ids in use
 * @queue_ids: queue ids in use
 * @contexts_used: contexts of files on the card
 * @queues_used: queues of files on the card
 * @lock: protects @queues and @contexts
 * @queues: queues by id, for the interrupt handlers
 * @contexts: every open file
 * @inode: owner of the address space of every mapping of the node
 * @hwmon: sensors
 * @debugfs: debugfs folder
 * @exports_lock: protects @exports and the lists of the exports of each buffer
 * @exports: exports of device memory that are not revoked
 * @imports_lock: protects @imports
 * @imports: imported buffers of the card's contexts
 * @sharing_errno: errno of exports and imports of a card that is about to stop, else 0
 */
struct accel_device {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	int id;

	struct mutex stop_lock;
	struct srcu_struct sections;
	int stop_errno;
	bool stopping;
	wait_queue_head_t stop_wait;
	struct accel_end end;
	u64 generation;

	void __iomem *regs;
	void __iomem *doorbell_regs;
	resource_size_t regs_phys;
	resource_size_t doorbells_phys;
	resource_size_t vram_phys;
	u64 vram_size;
	struct gen_pool *vram_pool;
	u64 features;
	u32 queue_count;
	u32 context_count;
	u32 ring_entries;
	u32 engines;
	u32 clock_hz;
	int vector_count;
	bool host_memory;
	atomic_t coherent_users;
	u32 time_limit_ms;

	struct accel_health *health;
	struct accel_coredump *coredump;
	struct accel_irq *irq;
	struct accel_admin *admin;
	struct accel_progress *progress;
	struct accel_events *events;
	struct accel_copy_queue *copy_queue;
	struct accel_event_log *event_log;
	struct accel_quota_table *quotas;

	struct ida context_ids;
	struct ida queue_ids;
	atomic_t contexts_used;
	atomic_t queues_used;

	spinlock_t lock;
	struct accel_queue **queues;
	struct list_head contexts;

	struct inode *inode;
	struct device *hwmon;
	struct dentry *debugfs;

	struct mutex exports_lock;
	struct list_head exports;
	spinlock_t imports_lock;
	struct list_head imports;
	int sharing_errno;
};

static inline struct accel_device *accel_device_of(struct device *dev)
{
	return container_of(dev, struct accel_device, dev);
}

static inline unsigned int accel_engines_dma(const struct accel_device *adev)
{
	return adev->engines & 0xff;
}

static inline unsigned int accel_engines_compute(const struct accel_device *adev)
{
	return adev->engines >> 8;
}

/* Converts device ticks to nanoseconds. */
static inline u64 accel_ticks_to_ns(const struct accel_device *adev, u64 ticks)
{
	return mul_u64_u32_div(ticks, NSEC_PER_SEC, adev->clock_hz);
}

/**
 * accel_time_limit_ticks() - the time limit of a queue, for ACCEL_ADMIN_CREATE_QUEUE
 * @adev: the card
 * @ms: limit that the owner of the queue asks for, or 0 for the limit of the card
 *
 * Return: device ticks; 0 if commands are not limited.
 */
static inline u64 accel_time_limit_ticks(const struct accel_device *adev, u32 ms)
{
	u32 limit = READ_ONCE(adev->time_limit_ms);

	if (!ms || (limit && ms > limit))
		ms = limit;
	return ms ? max_t(u64, mul_u64_u32_div(ms, adev->clock_hz, MSEC_PER_SEC), 1) : 0;
}

#endif /* ACCEL_DEVICE_H */
