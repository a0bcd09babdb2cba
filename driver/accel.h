/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel.h - the objects of the driver, who owns them, and in which order
 * their locks are taken.
 *
 * The driver sets up and tears down; it is not in the path of a job. A process
 * opens the node and gets a context: an address space of the card. It creates
 * buffers and queues in it, maps them, and then talks to the card alone.
 * Nothing here ever looks at a command.
 *
 * Objects and lifetimes
 *
 *   accel_device   One card. Freed by the last reference of its struct device:
 *                  the bound driver holds one, each open file holds one. So it
 *                  outlives the hardware, which is gone when @gone is set.
 *   accel_context  One open file. Emptied in release(); its shell is freed with
 *                  the last reference, for a reader of debugfs may have one.
 *                  Its card half (context id, page tables, DMA mappings) is
 *                  taken away early, by accel_context_detach(), when the card
 *                  is reset or removed; from then on @dead is the errno of
 *                  every call.
 *   accel_buffer   Memory that the card can reach. References: its handle (or
 *                  its queue), and every VMA that maps it. The card's access
 *                  ends with the handle; the pages live until the last VMA.
 *   accel_queue    References: its handle, and every call that sleeps on it.
 *                  Its memory is an accel_buffer without a handle.
 *   accel_export   A dma-buf of a buffer. Freed with the dma-buf; holds the
 *                  buffer and the card's structure, not the context.
 *   accel_import   A buffer whose memory is a dma-buf's. Its access to the
 *                  dma-buf ends with the handle, the context or the card,
 *                  whichever is first, or when the exporter revokes it.
 *
 * Lock order, outermost first
 *
 *   mmap_lock             held by the kernel around our fault and mmap handlers
 *   accel_device.exports_lock  the exports of a card
 *   dma_resv              of a dma-buf: who has it mapped, is it revoked
 *   accel_export.lock     a page of it is entered, or it is revoked
 *   accel_device.hw_lock  read: the hardware is there and stays for as long as
 *                         it is held. write: it comes or goes
 *   accel_context.lock    buffers, queues, addresses and page tables of a file
 *   accel_dma.lock        the driver's own queue: submission and recovery
 *   accel_admin.lock      the admin queue
 *   accel_events.lock     the event ring; neither of these two within the other
 *   accel_device.lock     (spin, irq) the queue table, the context list
 *   accel_device.imports_lock  (spin) the imports of a card
 *   accel_context.urings_lock  (spin, irq) commands of io_uring in flight
 *   accel_queue.lock      (spin, irq) who waits, arming
 *   accel_dma.jobs_lock   (spin) transfers in flight
 *   accel_device.accounts_lock  (spin) what each user has
 *   accel_reports.lock    (spin, irq) what happened; nothing is taken within it
 *
 * No lock of the driver is held while user memory is touched, pinned or
 * accounted, so a page fault may take hw_lock.
 */
#ifndef ACCEL_H
#define ACCEL_H

#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/genalloc.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "accel_hw.h"
#include "accel_uapi.h"

#define ACCEL_NAME "accel"

struct accel_account;
struct accel_context;
struct accel_import;
struct accel_queue;
struct accel_queue_error;
struct dentry;
struct dma_buf;
struct eventfd_ctx;
struct io_uring_cmd;
struct kernfs_node;
struct seq_file;

/**
 * struct accel_admin - the admin queue; one command at a time
 * @lock: serialises commands
 * @ring: one page of commands
 * @ring_dma: its bus address
 * @results: one page of results
 * @results_dma: its bus address
 * @tail: sequence number of the newest command
 * @failed: a command was not answered; none is sent until the next reset
 * @wait: woken by vector 0
 */
struct accel_admin {
	struct mutex lock;
	struct accel_admin_command *ring;
	dma_addr_t ring_dma;
	struct accel_admin_result *results;
	dma_addr_t results_dma;
	u64 tail;
	bool failed;
	wait_queue_head_t wait;
};

/**
 * struct accel_events - the event ring
 * @lock: serialises who reads it: the thread of vector 0, and whoever must
 *	know that no event of a queue is still to come
 * @ring: records
 * @ring_dma: its bus address
 * @head: sequence number of the newest event consumed
 */
struct accel_events {
	struct mutex lock;
	struct accel_event *ring;
	dma_addr_t ring_dma;
	u64 head;
};

/**
 * struct accel_dma - the driver's own queue, for transfers
 * @lock: serialises submission and recovery
 * @jobs_lock: protects @jobs
 * @jobs: submitted and not ended
 * @wait: woken when any of them may be over
 * @status: status page
 * @status_dma: its bus address
 * @memory: ring and lists
 * @memory_dma: their bus address
 * @context: id of its bypass context, or -1
 * @queue: its id on the card, or -1
 * @tail: sequence number of the newest command
 * @epoch: counts its resets
 * @error: what stopped it, enum accel_status
 * @error_sequence: which command did
 */
struct accel_dma {
	struct mutex lock;
	spinlock_t jobs_lock;
	struct list_head jobs;
	wait_queue_head_t wait;
	struct accel_queue_status *status;
	dma_addr_t status_dma;
	void *memory;
	dma_addr_t memory_dma;
	int context;
	int queue;
	u64 tail;
	u32 epoch;
	u32 error;
	u64 error_sequence;
};

/* The longest list of segments of a job, on either side. */
#define ACCEL_DMA_SEGMENTS	(PAGE_SIZE / sizeof(struct accel_segment))

/**
 * struct accel_dma_job - one command of the driver's own queue
 * @node: in accel_dma.jobs
 * @sgt: pages of the host; not more than ACCEL_DMA_SEGMENTS
 * @direction: DMA_TO_DEVICE: they are read; DMA_FROM_DEVICE: written
 * @mapped: @sgt has its DMA mapping
 * @target: the other side
 * @target_count: its length
 * @bytes: how many
 * @sequence: of the command
 * @epoch: of the queue when it was submitted
 * @failed: it is the one that stopped the queue
 * @stopped: errno; the card went away meanwhile
 */
struct accel_dma_job {
	struct list_head node;
	struct sg_table sgt;
	enum dma_data_direction direction;
	bool mapped;
	struct accel_segment *target;
	u32 target_count;
	u64 bytes;
	u64 sequence;
	u32 epoch;
	bool failed;
	int stopped;
};

/**
 * struct accel_vector - what the handler of an interrupt vector is given
 * @adev: the card
 * @index: of the vector
 */
struct accel_vector {
	struct accel_device *adev;
	int index;
};

/* What there is little of, and is counted by user. */
enum accel_resource {
	ACCEL_RESOURCE_CONTEXTS,
	ACCEL_RESOURCE_QUEUES,
	ACCEL_RESOURCE_MEMORY,
	ACCEL_RESOURCES
};

#define ACCEL_REPORTS		16	/* of each kind that are kept */
#define ACCEL_REPORT_TEXT	64

/**
 * struct accel_report - something that happened
 * @sequence: its number
 * @time: CLOCK_BOOTTIME, nanoseconds
 * @name: of the event
 * @text: key=value
 */
struct accel_report {
	u64 sequence;
	u64 time;
	const char *name;
	char text[ACCEL_REPORT_TEXT];
};

/**
 * struct accel_reports - the last things that happened to a card
 * @lock: protects all of it
 * @node: the file that shows them, while it is there
 * @sequence: number of the newest
 * @card_count: how many concerned the card ...
 * @queue_count: ... and how many a queue
 * @card: the last of them
 * @queues: the last of them
 */
struct accel_reports {
	spinlock_t lock;
	struct kernfs_node *node;
	u64 sequence;
	u64 card_count;
	u64 queue_count;
	struct accel_report card[ACCEL_REPORTS];
	struct accel_report queues[ACCEL_REPORTS];
};

/**
 * struct accel_device - one card
 * @dev: the node's device; owns this structure
 * @cdev: the node
 * @pdev: the PCI function; touched only while the hardware is there
 * @id: N of /dev/accelN
 * @hw_lock: see the lock order
 * @gone: errno that ends every call: -ENODEV when removed, 0 otherwise
 * @generation: counts resets
 * @regs: BAR0
 * @doorbell_regs: BAR2, for the driver's own queue
 * @registers: bus address of BAR0
 * @doorbells: bus address of BAR2
 * @memory: bus address of BAR4
 * @memory_size: bytes of device memory
 * @memory_pool: what is free of it
 * @features: what the card can do
 * @queue_count: limits of the card ...
 * @context_count: ...
 * @ring_entries: ...
 * @engines: how many, as in ACCEL_REG_ENGINES
 * @clock_hz: device ticks a second
 * @vector_count: interrupt vectors that we got
 * @vectors: one each
 * @admin: admin queue
 * @events: event queue
 * @dma: the driver's own queue
 * @reports: what happened
 * @context_ids: context ids in use
 * @queue_ids: queue ids in use
 * @lock: protects @queues and @contexts
 * @queues: by id; what the interrupt handlers look at
 * @contexts: every open file
 * @inode: its address space is that of every mapping of the node, so that
 *	mappings can be revoked
 * @hwmon: its sensors
 * @debugfs: its folder
 * @totals: of each resource, what the card has
 * @accounts_lock: protects @limits and the accounts
 * @limits: of each resource, what a user may have
 * @accounts: of those who have something
 * @exports_lock: serialises revocation with the making and the end of exports
 * @exports: dma-bufs of its buffers
 * @imports_lock: protects @imports
 * @imports: buffers of its contexts whose memory is a dma-buf's
 * @sharing_stopped: the card is about to be stopped: nothing is added to either
 */
struct accel_device {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	int id;

	struct rw_semaphore hw_lock;
	int gone;
	u64 generation;

	void __iomem *regs;
	void __iomem *doorbell_regs;
	resource_size_t registers;
	resource_size_t doorbells;
	resource_size_t memory;
	u64 memory_size;
	struct gen_pool *memory_pool;
	u64 features;
	u32 queue_count;
	u32 context_count;
	u32 ring_entries;
	u32 engines;
	u32 clock_hz;
	int vector_count;
	struct accel_vector *vectors;

	struct accel_admin admin;
	struct accel_events events;
	struct accel_dma dma;
	struct accel_reports reports;

	struct ida context_ids;
	struct ida queue_ids;

	spinlock_t lock;
	struct accel_queue **queues;
	struct list_head contexts;

	struct inode *inode;
	struct device *hwmon;
	struct dentry *debugfs;

	u64 totals[ACCEL_RESOURCES];
	spinlock_t accounts_lock;
	u64 limits[ACCEL_RESOURCES];
	struct list_head accounts;

	struct mutex exports_lock;
	struct list_head exports;
	spinlock_t imports_lock;
	struct list_head imports;
	bool sharing_stopped;
};

/* Low addresses stay unmapped, so that small numbers taken for addresses fault. */
#define ACCEL_VA_START		BIT_ULL(32)
#define ACCEL_VA_END		BIT_ULL(47)
/* mmap() of a 32-bit program counts pages in 32 bits. */
#define ACCEL_VA_END_COMPAT	BIT_ULL(32 + PAGE_SHIFT)

/**
 * struct accel_va - a range of a context's addresses
 * @node: in accel_context.ranges
 * @start: first address
 * @bytes: length
 */
struct accel_va {
	struct rb_node node;
	u64 start;
	u64 bytes;
};

enum accel_buffer_kind {
	ACCEL_KIND_HOST,	/* pages of ours */
	ACCEL_KIND_USER,	/* pages of the caller, pinned */
	ACCEL_KIND_DEVICE,	/* device memory */
	ACCEL_KIND_IMPORT,	/* a dma-buf's: struct accel_import */
	ACCEL_KINDS
};

/**
 * struct accel_extent - a contiguous piece of device memory
 * @list: in accel_buffer.extents
 * @offset: in device memory
 * @bytes: length
 */
struct accel_extent {
	struct list_head list;
	u64 offset;
	u64 bytes;
};

/**
 * struct accel_buffer - memory that the card can reach
 * @ref: see the top of this file
 * @adev: the card
 * @kind: where the memory is
 * @prot: ACCEL_BUFFER_CARD_READ and _WRITE
 * @queue: it is the memory of a queue
 * @va: its addresses in the context
 * @bytes: length, whole pages
 * @pages: host and user memory
 * @page_count: how many
 * @sgt: their DMA mapping, while @mapped
 * @mapped: the DMA mapping exists
 * @transfers: jobs of read() and write() that name its memory; under the
 *	context's lock
 * @mm: whose RLIMIT_MEMLOCK the pages count against
 * @extents: device memory that it owns
 * @account: whose share of device memory they are; NULL: nobody's any more
 * @source: the buffer whose extents it shows: itself, one of another context,
 *	or NULL when it is not in this card's memory
 * @revoked: an import that lost its memory; under the context's lock
 * @exported: it was exported at least once
 */
struct accel_buffer {
	struct kref ref;
	struct accel_device *adev;
	enum accel_buffer_kind kind;
	u32 prot;
	bool queue;
	struct accel_va va;
	u64 bytes;
	struct page **pages;
	unsigned long page_count;
	struct sg_table sgt;
	bool mapped;
	unsigned int transfers;
	struct mm_struct *mm;
	struct list_head extents;
	struct accel_account *account;
	struct accel_buffer *source;
	bool revoked;
	bool exported;
};

/**
 * struct accel_table - one page table
 * @entries: what the card reads
 * @dma: where it reads it
 * @children: tables below, by entry; NULL at level 0
 * @used: valid entries
 * @zombie: in accel_context.zombies
 */
struct accel_table {
	__le64 *entries;
	dma_addr_t dma;
	struct accel_table **children;
	unsigned int used;
	struct list_head zombie;
};

/**
 * struct accel_mmu_run - neighbouring entries of one page table that belong together
 * @start: first address
 * @bytes: length
 * @target: where it leads
 * @flags: ACCEL_PTE_*
 * @large: large pages
 */
struct accel_mmu_run {
	u64 start;
	u64 bytes;
	u64 target;
	u64 flags;
	bool large;
};

/**
 * struct accel_busy - for how long engines worked, in device ticks
 * @dma: DMA engines
 * @compute: compute engines
 */
struct accel_busy {
	u64 dma;
	u64 compute;
};

/**
 * struct accel_usage - what a file has
 * @bytes: of its buffers and queues, by kind
 * @buffers: how many
 * @queues: how many
 */
struct accel_usage {
	u64 bytes[ACCEL_KINDS];
	u32 buffers;
	u32 queues;
};

/**
 * struct accel_context - one open file
 * @ref: see the top of this file
 * @adev: the card
 * @node: in accel_device.contexts
 * @client: names the file in traces and in fdinfo; never used again
 * @owner: the process that opened it
 * @account: of the user who opened it
 * @unlimited: he may exceed limits
 * @lock: see the lock order
 * @dead: errno of every call once the card half is gone, else 0
 * @id: of the context on the card, or -1 before the first buffer or queue
 * @root: page tables
 * @zombies: tables that were emptied, and go after the next invalidation
 * @ranges: addresses in use
 * @va_end: end of them
 * @cursor: where to look for the next free address
 * @buffers: by handle
 * @queues: by handle
 * @poll_wait: sleepers in poll()
 * @urings_lock: protects the three that follow
 * @urings: commands of io_uring in flight
 * @uring_count: how many
 * @urings_timer: goes off when the first of them has waited for long enough
 * @busy: for how long engines worked for it, for queues that ended too, as far
 *	as the card was asked; under @lock
 * @usage: what fdinfo showed last; under @lock
 * @dummy: a page that stands in for the card where a mapping was revoked; not
 *	shared, or it would be a way from one process to another
 */
struct accel_context {
	struct kref ref;
	struct accel_device *adev;
	struct list_head node;
	u64 client;
	struct pid *owner;
	struct accel_account *account;
	bool unlimited;
	struct mutex lock;
	int dead;
	int id;
	struct accel_table *root;
	struct list_head zombies;
	struct rb_root ranges;
	u64 va_end;
	u64 cursor;
	struct xarray buffers;
	struct xarray queues;
	wait_queue_head_t poll_wait;
	spinlock_t urings_lock;
	struct list_head urings;
	unsigned int uring_count;
	struct timer_list urings_timer;
	struct accel_busy busy;
	struct accel_usage usage;
	struct page *dummy;
};

/**
 * struct accel_queue_error - what stopped a queue, from the card's event
 * @status: enum accel_status; 0: nothing did
 * @sequence: the command
 * @address: of a fault
 * @list_index: place in the command buffer
 * @opcode: of the command
 */
struct accel_queue_error {
	u32 status;
	u64 sequence;
	u64 address;
	u32 list_index;
	u32 opcode;
};

/**
 * struct accel_waiter - somebody who waits for a command
 * @node: in accel_queue.waiters, or empty
 * @sequence: of the command
 * @epoch: of the queue when it began
 * @fire: called once, when it is due, with 0 or -errno; under accel_queue.lock,
 *	in any context
 */
struct accel_waiter {
	struct list_head node;
	u64 sequence;
	u32 epoch;
	void (*fire)(struct accel_waiter *waiter, int result);
};

/**
 * struct accel_queue - one queue
 * @ref: see the top of this file
 * @rcu: a queue is looked up without a lock
 * @ctx: whose it is; valid while the queue is in accel_device.queues
 * @id: on the card; -1 once the card half is gone
 * @handle: in the context
 * @entries: of the ring
 * @vector: of its interrupts
 * @priority: as it was created with
 * @stopped: an administrator stopped it: the card does not know it until its
 *	owner resets it; under the context's lock
 * @last: its counters when it was
 * @memory: status page and ring
 * @status: kernel's view of the status page; its owner may scribble in it, so
 *	nothing but the wake-up of the owner depends on it
 * @lock: protects @waiters and the arm word
 * @waiters: who waits: threads, an eventfd, commands of io_uring
 * @notify: target of poll() and of the eventfd, 0 if none
 * @eventfd: signalled when that is due, or NULL
 * @event: the eventfd as a waiter
 * @epoch: counts resets of the queue; ~0 when it was destroyed
 * @error: what stopped it
 * @busy: what of accel_context.busy is its own
 */
struct accel_queue {
	struct kref ref;
	struct rcu_head rcu;
	struct accel_context *ctx;
	int id;
	u32 handle;
	u32 entries;
	int vector;
	u32 priority;
	bool stopped;
	struct accel_queue_stats last;
	struct accel_buffer *memory;
	struct accel_queue_status *status;
	spinlock_t lock;
	struct list_head waiters;
	u64 notify;
	struct eventfd_ctx *eventfd;
	struct accel_waiter event;
	u32 epoch;
	struct accel_queue_error error;
	struct accel_busy busy;
};

/* accel_hw.c: the hardware comes, goes and is reset. */
int accel_hw_start(struct accel_device *adev);
void accel_hw_stop(struct accel_device *adev, int error);
u64 accel_read64(struct accel_device *adev, u32 offset);
void accel_write64(struct accel_device *adev, u32 offset, u64 value);

/* accel_admin.c */
int accel_admin_init(struct accel_device *adev);
void accel_admin_fini(struct accel_device *adev);
int accel_admin_run(struct accel_device *adev, const struct accel_admin_command *command);

/* accel_event.c */
int accel_events_init(struct accel_device *adev);
void accel_events_fini(struct accel_device *adev);
void accel_events_drain(struct accel_device *adev);
void accel_events_thread(struct accel_device *adev);

/* accel_dma.c */
int accel_dma_init(struct accel_device *adev);
void accel_dma_fini(struct accel_device *adev);
int accel_dma_start(struct accel_device *adev);
void accel_dma_stop(struct accel_device *adev, int error);
void accel_dma_failed(struct accel_device *adev, const struct accel_queue_error *error);
int accel_dma_submit(struct accel_device *adev, struct accel_dma_job *job);
int accel_dma_finish(struct accel_device *adev, struct accel_dma_job *job);
void accel_dma_drain(struct accel_device *adev);

/* accel_transfer.c: read() and write() of a buffer, in chunks (accel_chunk.c). */
int accel_transfer_init(void);
void accel_transfer_fini(void);
ssize_t accel_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t accel_write_iter(struct kiocb *iocb, struct iov_iter *from);

/* accel_irq.c */
int accel_irq_init(struct accel_device *adev);
void accel_irq_fini(struct accel_device *adev);
int accel_irq_vector(struct accel_device *adev, int queue);

/* accel_memory.c: device memory. */
int accel_memory_init(struct accel_device *adev);
void accel_memory_fini(struct accel_device *adev);
int accel_memory_alloc(struct accel_device *adev, u64 bytes, struct list_head *extents);
void accel_memory_free(struct accel_device *adev, struct list_head *extents);

/* accel_account.c: what each user has. */
extern const struct attribute_group accel_limit_group;
void accel_account_init(struct accel_device *adev);
struct accel_account *accel_account_get(struct accel_device *adev);
struct accel_account *accel_account_hold(struct accel_account *account);
void accel_account_put(struct accel_account *account);
int accel_account_charge(struct accel_context *ctx, enum accel_resource what, u64 amount);
void accel_account_uncharge(struct accel_account *account, enum accel_resource what, u64 amount);
u64 accel_account_look(struct accel_context *ctx, enum accel_resource what, u64 *used);

/* accel_va.c: addresses of a context. */
int accel_va_alloc(struct accel_context *ctx, struct accel_va *va, u64 bytes);
void accel_va_free(struct accel_context *ctx, struct accel_va *va);
struct accel_va *accel_va_find(struct accel_context *ctx, u64 address);

/* accel_mmu.c: page tables of a context. */
int accel_mmu_init(struct accel_context *ctx);
void accel_mmu_fini(struct accel_context *ctx);
int accel_mmu_map(struct accel_context *ctx, struct accel_buffer *buffer);
int accel_mmu_unmap(struct accel_context *ctx, struct accel_buffer *buffer);
bool accel_mmu_next_run(struct accel_context *ctx, u64 from, struct accel_mmu_run *run);

/* accel_report.c */
void accel_reports_init(struct accel_device *adev);
void accel_reports_add(struct accel_device *adev);
void accel_reports_del(struct accel_device *adev);
__printf(3, 4)
void accel_report(struct accel_device *adev, const char *name, const char *format, ...);
__printf(3, 4)
void accel_report_queue(struct accel_device *adev, const char *name, const char *format, ...);
ssize_t accel_reports_show(struct accel_device *adev, char *buf);

/* accel_context.c */
struct accel_context *accel_context_create(struct accel_device *adev);
void accel_context_release(struct accel_context *ctx);
void accel_context_put(struct accel_context *ctx);
struct accel_context *accel_context_next(struct accel_device *adev, u64 client);
int accel_context_enter(struct accel_context *ctx);
void accel_context_leave(struct accel_context *ctx);
int accel_context_attach(struct accel_context *ctx);
void accel_context_detach(struct accel_context *ctx, int error);

/* accel_buffer.c */
struct accel_buffer *accel_buffer_alloc(struct accel_device *adev, u64 bytes, u32 flags);
void accel_buffer_put(struct accel_buffer *buffer);
void accel_buffer_free_memory(struct accel_buffer *buffer);
int accel_buffer_attach(struct accel_context *ctx, struct accel_buffer *buffer);
int accel_buffer_detach(struct accel_context *ctx, struct accel_buffer *buffer);
void accel_buffer_dma_unmap(struct accel_buffer *buffer);
int accel_ioctl_buffer_create(struct accel_context *ctx, void *arg);
int accel_ioctl_buffer_destroy(struct accel_context *ctx, void *arg);
int accel_buffer_publish(struct accel_context *ctx, struct accel_buffer *buffer, u32 *handle,
			 u64 *address);

/* accel_user.c: registered user memory. */
int accel_ioctl_buffer_register(struct accel_context *ctx, void *arg);
void accel_user_unpin(struct accel_buffer *buffer);

/* accel_export.c, accel_import.c: buffers shared as dma-bufs. */

/**
 * struct accel_export_call - argument of ACCEL_IOCTL_BUFFER_EXPORT in the driver
 * @uapi: the caller's
 * @dmabuf: what belongs to the file descriptor once the caller knows of it
 */
struct accel_export_call {
	struct accel_buffer_export uapi;
	struct dma_buf *dmabuf;
};

struct accel_buffer *accel_export_source(struct dma_buf *dmabuf, struct accel_device *adev);
bool accel_export_link(struct dma_buf *dmabuf, struct list_head *node);
void accel_export_end(struct accel_buffer *buffer);
void accel_exports_revoke(struct accel_device *adev);
int accel_ioctl_buffer_export(struct accel_context *ctx, void *arg);
void accel_import_revoke(struct list_head *node);
void accel_import_end(struct accel_buffer *buffer);
void accel_import_release(struct accel_buffer *buffer);
int accel_import_mmap(struct accel_buffer *buffer, struct vm_area_struct *vma);
void accel_imports_revoke(struct accel_device *adev);
int accel_ioctl_buffer_import(struct accel_context *ctx, void *arg);

/* accel_queue.c */
struct accel_queue *accel_queue_get(struct accel_context *ctx, u32 handle);
bool accel_queue_owned(struct accel_context *ctx, unsigned long id);
void accel_queue_put(struct accel_queue *queue);
void accel_queue_free(struct accel_context *ctx, struct accel_queue *queue);
void accel_queue_failed(struct accel_device *adev, u32 id, const struct accel_queue_error *error);
int accel_ioctl_queue_create(struct accel_context *ctx, void *arg);
int accel_ioctl_queue_destroy(struct accel_context *ctx, void *arg);
int accel_ioctl_queue_reset(struct accel_context *ctx, void *arg);
void accel_queue_detach(struct accel_context *ctx, struct accel_queue *queue);
int accel_ioctl_queue_query(struct accel_context *ctx, void *arg);
int accel_queue_read_stats(struct accel_queue *queue, struct accel_queue_stats *stats);
int accel_queue_command(struct accel_queue *queue, u8 opcode);

/* accel_stop.c */
int accel_stop_queue(struct accel_device *adev, unsigned int id);

/* accel_wait.c */
u64 accel_wait_completed(struct accel_queue *queue);
int accel_wait_look(struct accel_queue *queue, u64 sequence, u32 epoch);
u64 accel_wait_reached(struct accel_queue *queue, u64 sequence, int result);
void accel_wait_begin(struct accel_queue *queue, struct accel_waiter *waiter);
bool accel_wait_remove(struct accel_queue *queue, struct accel_waiter *waiter);
void accel_wait_wake(struct accel_queue *queue);
int accel_ioctl_queue_wait(struct accel_context *ctx, void *arg);
int accel_ioctl_queue_notify(struct accel_context *ctx, void *arg);
__poll_t accel_wait_poll(struct accel_context *ctx, struct file *file, poll_table *table);

/* accel_eventfd.c, accel_uring.c: two more ways to wait. */
void accel_eventfd_notify(struct accel_queue *queue);
void accel_eventfd_release(struct accel_queue *queue);
int accel_ioctl_queue_eventfd(struct accel_context *ctx, void *arg);
int accel_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
void accel_uring_flush(struct accel_context *ctx, const void *owner);
void accel_uring_init(struct accel_context *ctx);
void accel_uring_fini(struct accel_context *ctx);

/* accel_mmap.c */
int accel_fs_init(void);
void accel_fs_fini(void);
int accel_mmap_init(struct accel_device *adev);
void accel_mmap_fini(struct accel_device *adev);
int accel_mmap(struct file *file, struct vm_area_struct *vma);
vm_fault_t accel_mmap_insert(struct vm_fault *vmf, struct accel_buffer *source, u64 start);
vm_fault_t accel_mmap_insert_huge(struct vm_fault *vmf, unsigned int order,
				  struct accel_buffer *source, u64 start);
u64 accel_mmap_doorbell(int queue);
void accel_mmap_revoke_doorbell(struct accel_device *adev, int queue);
void accel_mmap_revoke_all(struct accel_device *adev);

/* accel_chardev.c */
int accel_chardev_init(void);
void accel_chardev_fini(void);
int accel_chardev_add(struct accel_device *adev);
void accel_chardev_del(struct accel_device *adev);
struct accel_device *accel_device_alloc(struct pci_dev *pdev);

/* accel_fdinfo.c */
void accel_show_fdinfo(struct seq_file *m, struct file *file);
void accel_usage_of(struct accel_context *ctx, struct accel_usage *usage);
u64 accel_ticks_to_ns(struct accel_device *adev, u64 ticks);

static inline unsigned int accel_dma_engines(const struct accel_device *adev)
{
	return adev->engines & 0xff;
}

static inline unsigned int accel_compute_engines(const struct accel_device *adev)
{
	return adev->engines >> 8;
}

/* accel_debugfs.c */
void accel_debugfs_init(void);
void accel_debugfs_fini(void);
void accel_debugfs_add(struct accel_device *adev);
void accel_debugfs_del(struct accel_device *adev);

/* accel_sysfs.c, accel_hwmon.c */
extern const struct attribute_group *accel_sysfs_groups[];
int accel_hwmon_add(struct accel_device *adev);
void accel_hwmon_del(struct accel_device *adev);

/* accel_ioctl.c */
long accel_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* ACCEL_H */
