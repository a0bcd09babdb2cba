/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * accel_uapi.h - the interface of /dev/accelN between user space and the driver.
 *
 * An open file is one context: an address space of the card that holds the
 * buffers and queues of the file. Nothing outside the context can reach them.
 * The calls of the file set up and tear down; a job never enters the kernel.
 * A process writes a struct accel_command (accel_hw.h) into the mapped ring of
 * a queue and rings the mapped doorbell of that queue.
 *
 * One number names a buffer everywhere: its address in the context is also its
 * offset in the file. mmap() takes that offset, and so do read(), write() and
 * their variants, which make the card copy between the caller and the buffer.
 *
 * Structures. The first field, @size, is the size of the structure at the time
 * the caller was compiled. The driver extends a shorter structure with zeros.
 * It accepts a longer one if every byte that it does not know is zero. Flags
 * and reserved fields without a meaning must be zero. On success the driver
 * writes the fields marked "out" and no others; on failure it writes nothing.
 *
 * Errors, the same for every call:
 *
 *   ENOTTY      no such ioctl
 *   EFAULT      the argument, or memory that it points at, is not accessible
 *   E2BIG       @size is larger than the driver knows and the rest is not zero
 *   EINVAL      @size is too small, or a field has a value it cannot have
 *   EOPNOTSUPP  a flag that this driver or this card does not know; or buffers in
 *               host memory without ACCEL_CAP_HOST_MEMORY
 *   ENOENT      no buffer or queue of that handle in this file
 *   EBADF       a file descriptor in the argument is not open
 *   ENOMEM      the host is out of memory
 *   ENOSPC      the card is out of device memory, contexts or queues
 *   EDQUOT      a quota of the user is used up: RLIMIT_MEMLOCK for registered
 *               memory (raise it with ulimit -l), or the quota of contexts,
 *               queues, device memory or host memory (raise it in quota/ in
 *               sysfs); ACCEL_IOCTL_INFO has the limits and the current use
 *   EPERM       a capability is missing
 *   EACCES      write() to memory that the card may only read, or a writable
 *               mapping of read-only memory
 *   ENXIO       read() or write() at an offset where no buffer is
 *   EBUSY       the object is in use by something that must end first
 *   ETIMEDOUT   the deadline passed; nothing else changed
 *   EINTR       a signal arrived; nothing else changed, call again
 *   EAGAIN      the call must wait, and the caller asked it not to; or open():
 *               the card is still resetting
 *   EIO         the queue stopped at an error; ACCEL_IOCTL_QUEUE_QUERY tells it
 *   ETIME       the queue stopped because its command used up the time limit, or
 *               made no progress
 *   ECANCELED   the queue was reset or destroyed while the call waited
 *   ESTALE      the card was reset since the file was opened: open it again;
 *               ACCEL_IOCTL_CONTEXT_QUERY tells the reason
 *   ENODEV      the card is gone
 *   ENOTRECOVERABLE  the card failed and no reset by the driver helped
 */
#ifndef ACCEL_UAPI_H
#define ACCEL_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ACCEL_IOCTL_MAGIC	0xac

/**
 * struct accel_info - what the card and the driver are
 * @size: sizeof(struct accel_info)
 * @flags: must be zero
 * @hw_version: out: ACCEL_REG_VERSION
 * @firmware: out: ACCEL_REG_FIRMWARE
 * @features: out: ACCEL_FEATURE_* of the card
 * @capabilities: out: ACCEL_CAP_* of the driver
 * @serial: out: the card's serial number
 * @memory_size: out: bytes of device memory
 * @memory_free: out: bytes of it not allocated
 * @queues: out: queues of the card
 * @contexts: out: contexts of the card
 * @ring_entries: out: longest ring, in commands
 * @list_commands: out: longest command list, in commands
 * @va_bits: out: width of a context address
 * @engines: out: ACCEL_REG_ENGINES
 * @clock_hz: out: device ticks a second
 * @vectors: out: interrupt vectors that the driver allocated
 * @pci_domain: out: PCI address of the card: domain
 * @pci_bus: out: bus
 * @pci_device: out: device
 * @pci_function: out: function
 * @numa_node: out: NUMA node of the card, or -1
 * @reserved: out: zero
 * @generation: out: number of resets of the card so far
 * @locked: out: bytes that this process has registered or locked
 * @locked_limit: out: RLIMIT_MEMLOCK of this process, ~0 if unlimited
 * @memory_used: out: bytes of device memory that the user of this file holds
 * @memory_quota: out: quota of that user in bytes, ~0 if unlimited
 * @contexts_used: out: contexts that the user of this file holds
 * @contexts_quota: out: quota of contexts, ~0 if unlimited
 * @queues_used: out: queues that the user of this file holds
 * @queues_quota: out: quota of queues, ~0 if unlimited
 * @host_memory_used: out: bytes of host memory that the user of this file holds
 *	for all cards: host buffers, queues, registered memory, transfers in flight,
 *	and what the kernel needs for each export and import
 * @host_memory_quota: out: quota of that user in bytes, ~0 if unlimited; less
 *	may be free, because all users together have a limit as well
 * @time_limit_ms: out: longest device time of a command; 0 if unlimited
 * @priority_max: out: highest priority that this file may give to a queue
 * @list_steps: out: commands that one call of a list may execute; 0 if the card
 *	has no loops
 * @call_arguments: out: arguments of a call; 0: 64
 */
struct accel_info {
	__u32 size;
	__u32 flags;
	__u32 hw_version;
	__u32 firmware;
	__u64 features;
	__u64 capabilities;
	__u64 serial;
	__u64 memory_size;
	__u64 memory_free;
	__u32 queues;
	__u32 contexts;
	__u32 ring_entries;
	__u32 list_commands;
	__u32 va_bits;
	__u32 engines;
	__u32 clock_hz;
	__u32 vectors;
	__u32 pci_domain;
	__u32 pci_bus;
	__u32 pci_device;
	__u32 pci_function;
	__s32 numa_node;
	__u32 reserved;
	__u64 generation;
	__u64 locked;
	__u64 locked_limit;
	__u64 memory_used;
	__u64 memory_quota;
	__u64 contexts_used;
	__u64 contexts_quota;
	__u64 queues_used;
	__u64 queues_quota;
	__u64 host_memory_used;
	__u64 host_memory_quota;
	__u32 time_limit_ms;
	__u32 priority_max;
	__u32 list_steps;
	__u32 call_arguments;
};

/**
 * enum accel_reason - why a queue stopped, or why a file ended
 * @ACCEL_REASON_NONE: it works
 * @ACCEL_REASON_ERROR: a command of the queue failed
 * @ACCEL_REASON_TIME_LIMIT: a command of the queue used up its time limit
 * @ACCEL_REASON_NO_PROGRESS: the queue made no progress; the driver stopped it
 * @ACCEL_REASON_STOPPED: an administrator stopped the queue
 * @ACCEL_REASON_RESET: an administrator reset the card
 * @ACCEL_REASON_RECOVERY: the driver reset the card, because it did not work
 * @ACCEL_REASON_LINK_ERROR: the link reported an error that may have lost data
 * @ACCEL_REASON_SUSPEND: the machine was suspended
 * @ACCEL_REASON_REMOVED: the card was removed, or the driver was unbound
 * @ACCEL_REASON_WEDGED: the card failed and no reset by the driver helped
 */
enum accel_reason {
	ACCEL_REASON_NONE = 0,
	ACCEL_REASON_ERROR = 1,
	ACCEL_REASON_TIME_LIMIT = 2,
	ACCEL_REASON_NO_PROGRESS = 3,
	ACCEL_REASON_STOPPED = 4,
	ACCEL_REASON_RESET = 5,
	ACCEL_REASON_RECOVERY = 6,
	ACCEL_REASON_LINK_ERROR = 7,
	ACCEL_REASON_SUSPEND = 8,
	ACCEL_REASON_REMOVED = 9,
	ACCEL_REASON_WEDGED = 10,
};

/**
 * struct accel_context_query - whether the file works, and if not, why
 * @size: sizeof(struct accel_context_query)
 * @flags: must be zero
 * @reason: out: enum accel_reason of the end of the file
 * @error: out: errno of every call of the file from now on; 0 while it works
 * @generation: out: generation of the card when the file was opened
 * @card_generation: out: generation of the card now: its number of resets
 * @time: out: CLOCK_BOOTTIME of the end of the file in nanoseconds, or 0
 * @pid: out: process whose queue caused a recovery of the card, in the caller's
 *	namespace; 0 if there is none
 * @reserved: out: zero
 *
 * This call works in every state of the file and of the card.
 */
struct accel_context_query {
	__u32 size;
	__u32 flags;
	__u32 reason;
	__u32 error;
	__u64 generation;
	__u64 card_generation;
	__u64 time;
	__u32 pid;
	__u32 reserved;
};

#define ACCEL_CAP_REGISTER	(1ULL << 0)	/* ACCEL_IOCTL_BUFFER_REGISTER */
#define ACCEL_CAP_POLL		(1ULL << 1)	/* ACCEL_IOCTL_QUEUE_NOTIFY and poll() */
#define ACCEL_CAP_EVENTFD	(1ULL << 2)	/* ACCEL_IOCTL_QUEUE_EVENTFD */
#define ACCEL_CAP_URING		(1ULL << 3)	/* ACCEL_URING_WAIT */
#define ACCEL_CAP_TRANSFER	(1ULL << 4)	/* read() and write() of buffers */
#define ACCEL_CAP_DMABUF	(1ULL << 5)	/* ACCEL_IOCTL_BUFFER_EXPORT and _IMPORT */
#define ACCEL_CAP_REGISTERS	(1ULL << 6)	/* ACCEL_MMAP_REGISTERS */
#define ACCEL_CAP_HOST_MEMORY	(1ULL << 7)	/* buffers in host and registered memory */

/*
 * Offset for mmap() of the register block: one page, read-only, for diagnostics.
 * mmap() fails with EPERM without CAP_SYS_RAWIO, and with EACCES for a writable
 * mapping. The page shows zeros when the card is gone.
 */
#define ACCEL_MMAP_REGISTERS	(1ULL << 29)

#define ACCEL_BUFFER_DEVICE	(1U << 0)	/* in device memory; else in host memory */
#define ACCEL_BUFFER_CARD_READ	(1U << 1)	/* the card may read it */
#define ACCEL_BUFFER_CARD_WRITE	(1U << 2)	/* the card may write it */

/**
 * struct accel_buffer_create - allocate a buffer; its bytes are zero
 * @size: sizeof(struct accel_buffer_create)
 * @flags: ACCEL_BUFFER_*; at least one of CARD_READ and CARD_WRITE
 * @bytes: length, rounded up to whole pages by the driver
 * @address: out: address in the context, and offset for mmap()
 * @handle: out: names the buffer in this file
 * @reserved: must be zero
 *
 * A mapping keeps the memory alive after the handle is destroyed and after the
 * file is closed. The card loses access at once.
 */
struct accel_buffer_create {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	__u64 address;
	__u32 handle;
	__u32 reserved;
};

/**
 * struct accel_buffer_register - register memory of the caller for the card
 * @size: sizeof(struct accel_buffer_register)
 * @flags: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 * @pointer: start of the memory; any alignment
 * @bytes: length
 * @address: out: address in the context of the first byte
 * @handle: out: names the buffer in this file
 * @reserved: must be zero
 *
 * The driver pins the pages and charges them against RLIMIT_MEMLOCK, and against
 * the quota of host memory, until the handle is destroyed. The caller needs write
 * access to the memory only if the card may write it; the call fails with EFAULT
 * for a shared mapping of a file on a disk then. The caller may unmap the
 * memory meanwhile: the card keeps using the same pages. Such a buffer cannot be
 * mapped again through the file.
 */
struct accel_buffer_register {
	__u32 size;
	__u32 flags;
	__u64 pointer;
	__u64 bytes;
	__u64 address;
	__u32 handle;
	__u32 reserved;
};

/**
 * struct accel_buffer_destroy - end the card's access and free the handle
 * @size: sizeof(struct accel_buffer_destroy)
 * @handle: the buffer
 *
 * On return the card does not access the memory any more. A command that still
 * uses the memory faults.
 */
struct accel_buffer_destroy {
	__u32 size;
	__u32 handle;
};

/**
 * struct accel_buffer_export - export the memory of a buffer as a dma-buf
 * @size: sizeof(struct accel_buffer_export)
 * @flags: ACCEL_EXPORT_REVOKE or zero
 * @handle: a buffer of ACCEL_IOCTL_BUFFER_CREATE
 * @fd: out: the dma-buf, close-on-exec
 *
 * The file descriptor can be passed to other processes and mapped. This card,
 * another card or any other driver can import it. It keeps the memory alive
 * after the handle is destroyed; with ACCEL_EXPORT_REVOKE all its users lose
 * the memory at that moment. A reset or the removal of a card revokes all
 * exports of its device memory. A revoked mapping shows a private zero page.
 */
struct accel_buffer_export {
	__u32 size;
	__u32 flags;
	__u32 handle;
	__s32 fd;
};

#define ACCEL_EXPORT_REVOKE	(1U << 0)	/* revoked when the handle is destroyed */

/**
 * struct accel_buffer_import - import the memory of a dma-buf
 * @size: sizeof(struct accel_buffer_import)
 * @flags: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 * @fd: a dma-buf of any driver; the caller may close it afterwards
 * @reserved: must be zero
 * @bytes: out: its length
 * @address: out: address in the context, and offset for mmap()
 * @handle: out: names the buffer in this file
 * @reserved2: must be zero
 *
 * The card reaches the memory of another card through the BAR of that card,
 * without a copy in host memory. The call fails with EOPNOTSUPP if the kernel
 * knows no path between the two. Commands that use the memory fault after the
 * exporter has revoked it.
 */
struct accel_buffer_import {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
	__u64 bytes;
	__u64 address;
	__u32 handle;
	__u32 reserved2;
};

/**
 * struct accel_queue_create - create a queue
 * @size: sizeof(struct accel_queue_create)
 * @flags: must be zero
 * @entries: length of the ring in commands: a power of two from
 *	ACCEL_RING_ENTRIES_MIN to accel_info.ring_entries
 * @priority: 0 (lowest) to ACCEL_PRIORITIES - 1; EPERM above
 *	accel_info.priority_max
 * @handle: out: names the queue in this file
 * @reserved: must be zero
 * @address: out: offset for mmap() of struct accel_queue_status; the ring
 *	follows one page later
 * @bytes: out: length of that mapping
 * @doorbell: out: offset for mmap() of the doorbell page: one page, shared,
 *	write-only. A store of the low 32 bits of the tail at its start rings
 *	the doorbell.
 * @time_limit_ms: longest device time of a command, in milliseconds; 0 for
 *	accel_info.time_limit_ms, which is also the highest value
 * @reserved2: must be zero
 *
 * The card ends a command that uses more device time, with ACCEL_TIME_LIMIT. A
 * command that waits for a semaphore or for an engine uses none.
 */
struct accel_queue_create {
	__u32 size;
	__u32 flags;
	__u32 entries;
	__u32 priority;
	__u32 handle;
	__u32 reserved;
	__u64 address;
	__u64 bytes;
	__u64 doorbell;
	__u32 time_limit_ms;
	__u32 reserved2;
};

#define ACCEL_QUEUE_RING_OFFSET	0x1000

/**
 * struct accel_queue_destroy - stop and free a queue
 * @size: sizeof(struct accel_queue_destroy)
 * @handle: the queue
 *
 * The card abandons all commands that are not finished. Mappings stay valid,
 * but they do not reach the card any more.
 */
struct accel_queue_destroy {
	__u32 size;
	__u32 handle;
};

/**
 * struct accel_queue_reset - abandon the commands of a queue and restart it
 * @size: sizeof(struct accel_queue_reset)
 * @handle: the queue
 *
 * The call clears an error of the queue and the tail and arm words of its
 * status page. Sequence numbers start at 1 again.
 */
struct accel_queue_reset {
	__u32 size;
	__u32 handle;
};

/**
 * struct accel_queue_wait - sleep until a command is finished
 * @size: sizeof(struct accel_queue_wait)
 * @handle: the queue
 * @sequence: of the command
 * @deadline: CLOCK_MONOTONIC in nanoseconds; the call does not sleep if it has
 *	passed already
 * @completed: out: newest completed sequence number; at least @sequence if the
 *	call returns 0
 *
 * Returns 0 when the command is finished, even if a later one failed.
 */
struct accel_queue_wait {
	__u32 size;
	__u32 handle;
	__u64 sequence;
	__s64 deadline;
	__u64 completed;
};

/**
 * struct accel_queue_notify - choose the command that poll() reports
 * @size: sizeof(struct accel_queue_notify)
 * @handle: the queue
 * @sequence: poll() reports POLLIN when this command is finished; zero disables
 *	the notification
 *
 * poll() on the file reports POLLIN while the chosen command of any queue is
 * finished, POLLERR when a queue with a notification stopped at an error, and
 * POLLHUP when the card is gone or was reset. It always reports POLLRDNORM,
 * POLLOUT and POLLWRNORM, because read() and write() of buffers can always
 * begin; so use poll() or epoll and not select().
 */
struct accel_queue_notify {
	__u32 size;
	__u32 handle;
	__u64 sequence;
};

/**
 * struct accel_queue_query - state, error and counters of a queue
 * @size: sizeof(struct accel_queue_query)
 * @handle: the queue
 * @state: out: enum accel_queue_state
 * @error: out: enum accel_status
 * @error_sequence: out: sequence number of the command that failed
 * @error_address: out: context address of a fault
 * @error_list_index: out: index of the failed command in its command list, or
 *	ACCEL_NO_LIST_INDEX
 * @error_opcode: out: opcode of the failed command
 * @completed: out: newest completed sequence number
 * @commands: out: finished commands, including those of command lists
 * @doorbells: out: doorbell writes that the card received
 * @interrupts: out: interrupts that the card raised
 * @dma_busy: out: busy time of the DMA engines, in device ticks
 * @compute_busy: out: busy time of the compute engines, in device ticks
 * @host_read: out: bytes read from host memory
 * @host_written: out: bytes written to host memory
 * @memory_read: out: bytes read from device memory
 * @memory_written: out: bytes written to device memory
 * @reason: out: enum accel_reason of the error
 * @activity: out: enum accel_queue_activity
 * @pieces: out: pieces of commands that the card has processed; the queue makes
 *	progress while it increases
 */
struct accel_queue_query {
	__u32 size;
	__u32 handle;
	__u32 state;
	__u32 error;
	__u64 error_sequence;
	__u64 error_address;
	__u32 error_list_index;
	__u32 error_opcode;
	__u64 completed;
	__u64 commands;
	__u64 doorbells;
	__u64 interrupts;
	__u64 dma_busy;
	__u64 compute_busy;
	__u64 host_read;
	__u64 host_written;
	__u64 memory_read;
	__u64 memory_written;
	__u32 reason;
	__u32 activity;
	__u64 pieces;
};

/**
 * struct accel_queue_eventfd - choose the eventfd of a queue
 * @size: sizeof(struct accel_queue_eventfd)
 * @handle: the queue
 * @fd: an eventfd, or -1 to remove the current one
 * @reserved: must be zero
 *
 * The driver signals the eventfd once for each ACCEL_IOCTL_QUEUE_NOTIFY: when
 * the command is finished, or when it can never finish because the queue
 * stopped, was reset or destroyed, or the card is gone. The caller may close
 * the file descriptor after this call.
 */
struct accel_queue_eventfd {
	__u32 size;
	__u32 handle;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct accel_uring_wait - wait for a command through io_uring
 * @handle: the queue
 * @timeout_ms: time limit, at most ACCEL_URING_TIMEOUT_MAX
 * @sequence: of the command
 *
 * This is the payload (sqe->cmd) of an IORING_OP_URING_CMD whose sqe->cmd_op is
 * ACCEL_URING_WAIT. The result is 0 or a negative errno of the list above. When
 * a process closes the file, its waits end with ECANCELED.
 */
struct accel_uring_wait {
	__u32 handle;
	__u32 timeout_ms;
	__u64 sequence;
};

#define ACCEL_URING_WAIT	0x40
#define ACCEL_URING_TIMEOUT_MAX	60000
#define ACCEL_URING_WAITS_MAX	1024	/* in flight for each file; then EBUSY */

/*
 * An ioctl number does not contain the size of its structure, so that the
 * structure can grow: the driver reads the size from the @size field.
 */
#define ACCEL_IOCTL_INFO		_IO(ACCEL_IOCTL_MAGIC, 0x00)
#define ACCEL_IOCTL_CONTEXT_QUERY	_IO(ACCEL_IOCTL_MAGIC, 0x01)
#define ACCEL_IOCTL_BUFFER_CREATE	_IO(ACCEL_IOCTL_MAGIC, 0x10)
#define ACCEL_IOCTL_BUFFER_REGISTER	_IO(ACCEL_IOCTL_MAGIC, 0x11)
#define ACCEL_IOCTL_BUFFER_DESTROY	_IO(ACCEL_IOCTL_MAGIC, 0x12)
#define ACCEL_IOCTL_BUFFER_EXPORT	_IO(ACCEL_IOCTL_MAGIC, 0x13)
#define ACCEL_IOCTL_BUFFER_IMPORT	_IO(ACCEL_IOCTL_MAGIC, 0x14)
#define ACCEL_IOCTL_QUEUE_CREATE	_IO(ACCEL_IOCTL_MAGIC, 0x20)
#define ACCEL_IOCTL_QUEUE_DESTROY	_IO(ACCEL_IOCTL_MAGIC, 0x21)
#define ACCEL_IOCTL_QUEUE_RESET		_IO(ACCEL_IOCTL_MAGIC, 0x22)
#define ACCEL_IOCTL_QUEUE_WAIT		_IO(ACCEL_IOCTL_MAGIC, 0x23)
#define ACCEL_IOCTL_QUEUE_NOTIFY	_IO(ACCEL_IOCTL_MAGIC, 0x24)
#define ACCEL_IOCTL_QUEUE_QUERY		_IO(ACCEL_IOCTL_MAGIC, 0x25)
#define ACCEL_IOCTL_QUEUE_EVENTFD	_IO(ACCEL_IOCTL_MAGIC, 0x26)

#endif /* ACCEL_UAPI_H */
