/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel.h - the objects of the driver, their lifetimes, and the order of their
 * locks. This file has no code: start to read the driver here.
 *
 * The driver sets up and tears down; a job never enters the kernel. A process
 * opens the node and gets a context, which is an address space of the card. It
 * creates buffers and queues in the context and maps them. After that it talks
 * to the card alone. The driver never parses a command.
 *
 * Folders, lowest first. Calls and includes point down only; Kbuild lists the
 * layers. A lower file reaches a higher one through a table of operations or a
 * handler that the higher one registers.
 *
 *   .         the card's structure, register access, tracepoints, compatibility
 *   health/   failures, watchdog, recovery, coredumps, reasons for the end of a file
 *   hw/       interrupts, admin queue, reports, events, event log, copy queue
 *   mm/       addresses and page tables of a context, device memory, mappings
 *   context/  contexts and the quota of each user
 *   buffer/   the kinds of buffers, the memory of queues, dma-buf export and import
 *   queue/    queues, the ways to wait for a command, stops of a queue
 *   observe/  sysfs, hwmon, debugfs, fdinfo
 *   io/       the operations of the node: ioctl, mmap, read and write
 *   .         start and stop of a card, probe and remove
 *
 * Objects and lifetimes
 *
 *   accel_device   One card. The last reference of its struct device frees it:
 *                  the bound driver holds one reference, and so does each open
 *                  file. It outlives the hardware: @stop_errno is not zero
 *                  while there is no hardware.
 *   accel_context  One open file. release() of the file empties it. The last
 *                  reference frees it, since a reader of debugfs may hold one.
 *                  Its card half (context id, page tables, DMA mappings) ends
 *                  earlier, with accel_file_detach(), if the card is reset or
 *                  removed. After that every call returns @detach_errno.
 *   accel_buffer   Memory that the card can access. Its handle (or its queue)
 *                  and every VMA that maps it hold a reference. The access of
 *                  the card ends with the handle; the pages live until the last
 *                  VMA is gone. The memory of a queue is coherent memory of the
 *                  kernel and ends with the card half of the queue.
 *   accel_queue    Its handle and every call that sleeps on it hold a
 *                  reference. Its memory is an accel_buffer without a handle.
 *   accel_export   A dma-buf of a buffer. The dma-buf and a revocation hold a
 *                  reference. It holds the buffer and the accel_device, not the
 *                  context.
 *   accel_import   A buffer with the memory of a dma-buf. Its access to the
 *                  dma-buf ends with the handle, the context or the card, or
 *                  when the exporter revokes the memory.
 *   accel_quota    One user of one card. Each context of the user and each
 *                  buffer whose memory is charged hold a reference.
 *   accel_host_user  One user of host memory, for all cards. Each accel_quota of
 *                  the user holds a reference.
 *
 * Lock order, outermost first
 *
 *   accel_device.stop_lock     start and stop of the hardware
 *   mmap_lock                  the kernel holds it around fault and mmap handlers
 *   accel_export.revoke_lock   the revocation of an export
 *   dma_resv                   of a dma-buf: its attachments and its revocation
 *   accel_export.lock          the mappings of an export
 *   accel_context.lock         buffers, queues, addresses, page tables of a file
 *   accel_queue.doorbell_lock  whether the owner of a queue may map its doorbell
 *   accel_queue_memory.lock    the mappings of the memory of a queue
 *   accel_device.exports_lock  lists of the exports of a card and of its buffers
 *   accel_events.lock          the event ring, also while the driver reads reports
 *   accel_progress.lock        memory for the reports of queues
 *   accel_admin.lock           the admin queue
 *   accel_device.lock          (spin, irq) the table of queues, the list of contexts
 *   accel_device.imports_lock  (spin) list of the imports of a card
 *   accel_queue.lock           (spin, irq) waiters and the arm word of a queue
 *   accel_copy_queue.lock      (spin) transfers that wait and in flight; the ring
 *   accel_quota_table.lock     (spin) use and limits of each user
 *   accel_host.lock            (spin) the same of host memory, for all cards
 *   accel_health.lock          (spin, irq) the failure that waits for a recovery
 *   accel_event_log.lock       (spin, irq) the event log; innermost
 *
 * A section (accel_section.h) keeps the hardware present. It begins before
 * accel_context.lock or any lock below, and is never held across a wait for a
 * job, a fence or memory of a process. accel_card_stop() waits for sections with
 * stop_lock held, so a section never takes stop_lock.
 *
 * The driver holds no lock while it touches, pins or charges memory of a
 * process, so a page fault may begin a section.
 */
