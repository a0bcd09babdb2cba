/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * accel_uapi.h - the interface of /dev/accelN.
 *
 * An open file is one context: an address space of the card in which its
 * buffers and queues live, and which nothing outside it can reach. The file
 * sets up and tears down; jobs do not enter the kernel: a process writes
 * struct accel_command (accel_hw.h) into a ring it has mapped and rings a
 * doorbell it has mapped.
 *
 * One number names a buffer everywhere: its address in the context is also
 * its offset in the file, for mmap(), and for read(), write() and their kin,
 * with which the card copies between memory of the caller and the buffer.
 *
 * Structures. The first field, @size, is sizeof() the structure as the caller
 * was compiled with. A shorter one than the driver knows is extended with
 * zeros, a longer one is accepted if what the driver does not know is zero.
 * Flags and reserved fields that have no meaning must be zero. On success the
 * fields marked "out" are written, and no other; on failure nothing is.
 *
 * Errors, the same for every call:
 *
 *   ENOTTY      no such ioctl
 *   EFAULT      the argument, or memory it points at, is not accessible
 *   E2BIG       @size is larger than the driver knows and the rest is not zero
 *   EINVAL      @size is too small, or a field has a value it cannot have
 *   EOPNOTSUPP  a flag that this driver or this card does not know
 *   ENOENT      no buffer or queue of that handle in this file
 *   EBADF       a file descriptor in the argument is not open
 *   ENOMEM      the host is out of memory
 *   ENOSPC      the card is out of device memory, contexts or queues
 *   EDQUOT      a limit of the user: RLIMIT_MEMLOCK for registered memory
 *               (raise it with ulimit -l), or his share of the card's
 *               contexts, queues or memory (quota/ in sysfs); the kernel
 *               log names the figures
 *   EPERM       a capability is missing
 *   EACCES      write() to memory that the card may only read, or a writable
 *               mapping of what can only be read
 *   ENXIO       read() or write() at an offset where no buffer is
 *   EBUSY       the object is in use by something that must end first
 *   ETIMEDOUT   the deadline passed; nothing else changed
 *   EINTR       a signal arrived; nothing else changed, call again
 *   EIO         the queue stopped at an error; ACCEL_IOCTL_QUEUE_QUERY says which
 *   ECANCELED   the queue was reset or destroyed while the call waited
 *   ESTALE      the card was reset since the file was opened: open it again
 *   ENODEV      the card is gone
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
 * @list_commands: out: longest command buffer
 * @va_bits: out: width of a context address
 * @engines: out: ACCEL_REG_ENGINES
 * @clock_hz: out: device ticks a second
 * @vectors: out: interrupt vectors the driver got
 * @pci_domain: out: where the card sits
 * @pci_bus: out
 * @pci_device: out
 * @pci_function: out
 * @numa_node: out: or -1
 * @reserved: out: zero
 * @generation: out: counts the resets of the card
 * @locked: out: bytes of user memory this process has registered or locked
 * @locked_limit: out: RLIMIT_MEMLOCK of this process, ~0 if unlimited
 * @memory_used: out: bytes of device memory that the user of this file has
 * @memory_quota: out: and how many he may have, ~0 if unlimited
 * @contexts_used: out: the same for contexts ...
 * @contexts_quota: out: ...
 * @queues_used: out: ... and queues
 * @queues_quota: out
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
};

#define ACCEL_CAP_REGISTER	(1ULL << 0)	/* ACCEL_IOCTL_BUFFER_REGISTER */
#define ACCEL_CAP_POLL		(1ULL << 1)	/* ACCEL_IOCTL_QUEUE_NOTIFY and poll() */
#define ACCEL_CAP_EVENTFD	(1ULL << 2)	/* ACCEL_IOCTL_QUEUE_EVENTFD */
#define ACCEL_CAP_URING		(1ULL << 3)	/* ACCEL_URING_WAIT */
#define ACCEL_CAP_TRANSFER	(1ULL << 4)	/* read() and write() of buffers */
#define ACCEL_CAP_DMABUF		(1ULL << 5)	/* ACCEL_IOCTL_BUFFER_EXPORT and _IMPORT */
#define ACCEL_CAP_REGISTERS	(1ULL << 6)	/* ACCEL_MMAP_REGISTERS */

/*
 * Offset for mmap() of the register block: one page, read-only, for diagnostics.
 * EPERM without CAP_SYS_RAWIO, EACCES for a mapping that could be written. When
 * the card is gone it shows zeros.
 */
#define ACCEL_MMAP_REGISTERS	(1ULL << 29)

#define ACCEL_BUFFER_DEVICE	(1U << 0)	/* in device memory, else in host memory */
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
 * A mapping keeps the memory alive after the handle is destroyed, and after
 * the file is closed; the card loses access at once.
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
 * struct accel_buffer_register - let the card use memory of the caller
 * @size: sizeof(struct accel_buffer_register)
 * @flags: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 * @pointer: start of the memory; any alignment
 * @bytes: length
 * @address: out: address in the context of the first byte
 * @handle: out: names the buffer in this file
 * @reserved: must be zero
 *
 * The pages are pinned and count against RLIMIT_MEMLOCK until the handle is
 * destroyed. They must be writable by the caller only where the card writes.
 * Unmapping the memory meanwhile is safe: the card goes on using the pages
 * that were there. Such a buffer cannot be mapped again through the file.
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
 * On return the card does not access the memory any more. A command that
 * still used it faults.
 */
struct accel_buffer_destroy {
	__u32 size;
	__u32 handle;
};

/**
 * struct accel_buffer_export - make a dma-buf of a buffer
 * @size: sizeof(struct accel_buffer_export)
 * @flags: ACCEL_EXPORT_REVOKE or zero
 * @handle: a buffer made by ACCEL_IOCTL_BUFFER_CREATE
 * @fd: out: the dma-buf, close-on-exec
 *
 * The file descriptor can be passed to other processes, imported by this card,
 * by another one or by any other driver, and mapped. It keeps the memory, also
 * when the handle is destroyed; with ACCEL_EXPORT_REVOKE whoever has it loses
 * it then. Device memory is lost by all when its card is reset or removed.
 * Mappings that lost the memory show a page of zeros of their own.
 */
struct accel_buffer_export {
	__u32 size;
	__u32 flags;
	__u32 handle;
	__s32 fd;
};

#define ACCEL_EXPORT_REVOKE	(1U << 0)	/* it ends with the handle */

/**
 * struct accel_buffer_import - let the card use the memory of a dma-buf
 * @size: sizeof(struct accel_buffer_import)
 * @flags: ACCEL_BUFFER_CARD_READ, ACCEL_BUFFER_CARD_WRITE or both
 * @fd: the dma-buf, of this driver or any other; may be closed afterwards
 * @reserved: must be zero
 * @bytes: out: its length
 * @address: out: address in the context, and offset for mmap()
 * @handle: out: names the buffer in this file
 * @reserved2: must be zero
 *
 * Memory of another card is reached through its BAR; host memory is not
 * touched. EOPNOTSUPP when the kernel knows of no way between the two. When
 * the exporter revokes the memory, commands that name it fault.
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
 * @priority: 0 (lowest) to ACCEL_PRIORITIES - 1
 * @handle: out: names the queue in this file
 * @reserved: must be zero
 * @address: out: offset for mmap() of struct accel_queue_status, which is
 *	followed by the ring one page later
 * @bytes: out: length of that mapping
 * @doorbell: out: offset for mmap() of the doorbell page: one page, shared,
 *	write-only in effect. Store the low 32 bits of the tail at its start.
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
};

#define ACCEL_QUEUE_RING_OFFSET	0x1000

/**
 * struct accel_queue_destroy - stop and free a queue
 * @size: sizeof(struct accel_queue_destroy)
 * @handle: the queue
 *
 * Commands that are not finished are abandoned. Mappings stay valid but reach
 * nothing any more.
 */
struct accel_queue_destroy {
	__u32 size;
	__u32 handle;
};

/**
 * struct accel_queue_reset - abandon what is in a queue and start it afresh
 * @size: sizeof(struct accel_queue_reset)
 * @handle: the queue
 *
 * Clears an error. Sequence numbers start at 1 again; tail and arm are zeroed.
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
 * @deadline: CLOCK_MONOTONIC in nanoseconds; one in the past only looks
 * @completed: out: newest sequence number that is finished, not below @sequence
 *	when 0 is returned
 *
 * Returns 0 when the command is finished even if a later one failed.
 */
struct accel_queue_wait {
	__u32 size;
	__u32 handle;
	__u64 sequence;
	__s64 deadline;
	__u64 completed;
};

/**
 * struct accel_queue_notify - choose what poll() reports for a queue
 * @size: sizeof(struct accel_queue_notify)
 * @handle: the queue
 * @sequence: poll() reports POLLIN when this command is finished; zero: never
 *
 * poll() on the file reports POLLIN while any queue of it is due, POLLERR when
 * a queue that has a notification stopped at an error, and POLLHUP when the
 * card is gone or was reset.
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
 * @error_sequence: out: the command that failed
 * @error_address: out: context address of a fault
 * @error_list_index: out: its place in the command buffer, or ACCEL_NO_LIST_INDEX
 * @error_opcode: out: its opcode
 * @completed: out: newest sequence number that is finished
 * @commands: out: commands finished, those in command buffers too
 * @doorbells: out: doorbell writes the card saw
 * @interrupts: out: interrupts the card raised
 * @dma_busy: out: device ticks
 * @compute_busy: out: device ticks
 * @host_read: out: bytes
 * @host_written: out: bytes
 * @memory_read: out: bytes
 * @memory_written: out: bytes
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
};

/**
 * struct accel_queue_eventfd - choose the eventfd of a queue
 * @size: sizeof(struct accel_queue_eventfd)
 * @handle: the queue
 * @fd: an eventfd, or -1 for none any more
 * @reserved: must be zero
 *
 * It is signalled once for each ACCEL_IOCTL_QUEUE_NOTIFY, when the command is
 * finished or can never be: the queue stopped, was reset or destroyed, the
 * card is gone. The file descriptor may be closed afterwards.
 */
struct accel_queue_eventfd {
	__u32 size;
	__u32 handle;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct accel_uring_wait - wait by io_uring
 * @handle: the queue
 * @timeout_ms: how long, at most ACCEL_URING_TIMEOUT_MAX
 * @sequence: of the command
 *
 * The payload (sqe->cmd) of an IORING_OP_URING_CMD whose sqe->cmd_op is
 * ACCEL_URING_WAIT. The result is 0 or one of the errors above, negative. A
 * process that closes the file ends what it waits for with ECANCELED.
 */
struct accel_uring_wait {
	__u32 handle;
	__u32 timeout_ms;
	__u64 sequence;
};

#define ACCEL_URING_WAIT	0x40
#define ACCEL_URING_TIMEOUT_MAX	60000
#define ACCEL_URING_WAITS_MAX	1024	/* of a file in flight; more are EBUSY */

/*
 * The size in an ioctl number is not part of its identity, so that structures
 * can grow: the driver looks at the number alone and at @size.
 */
#define ACCEL_IOCTL_INFO		_IO(ACCEL_IOCTL_MAGIC, 0x00)
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
