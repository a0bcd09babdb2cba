/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci_bus.c - the callbacks of the core: DMA, interrupts, log, clock.
 *
 * They run on the core's threads, with no lock of QEMU held. With timing=model
 * they run in a timer, with the big lock (BQL) held.
 *
 *  - DMA runs without the BQL, inside an RCU read section. With an IOMMU it
 *    takes the BQL first, outside the read section: to report a fault the IOMMU
 *    model sends an interrupt, and asserts that the BQL is held.
 *  - An interrupt takes the BQL.
 *
 * The device may exit meanwhile. `exiting` is set before QEMU tears down the
 * device's address space, which is freed after an RCU grace period. So a thread
 * that sees `exiting` clear inside a read section, or under the BQL, may use
 * the address space.
 */
#include "accel_pci.h"

#include "exec/address-spaces.h"
#include "hw/pci/msix.h"
#include "qemu/log-for-trace.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"

/*
 * Without an IOMMU QEMU makes the device's address space an alias of system
 * memory, once, before the guest runs.
 */
static bool accel_pci_behind_iommu(AccelPCIState *s)
{
    return s->parent.bus_master_enable_region.alias != get_system_memory();
}

static bool accel_pci_bus_enter(AccelPCIState *s)
{
    const bool lock =
        !qemu_mutex_iothread_locked() && accel_pci_behind_iommu(s);

    if (lock) {
        qemu_mutex_lock_iothread();
    }
    rcu_read_lock();
    return lock;
}

static void accel_pci_bus_leave(bool locked)
{
    rcu_read_unlock();
    if (locked) {
        qemu_mutex_unlock_iothread();
    }
}

/*
 * The card can access only memory, including the device memory of other cards.
 * Transfers to registers, its own or those of another device, are refused. So
 * no page-table entry of a guest can make a device reenter itself.
 */
static const MemTxAttrs accel_pci_memory_only = { .memory = true };

static bool accel_pci_transfer(AccelPCIState *s, uint64_t address, void *data,
                               size_t bytes, DMADirection direction)
{
    const bool locked = accel_pci_bus_enter(s);
    bool done = false;

    if (!qatomic_read(&s->exiting)) {
        done = pci_dma_rw(&s->parent, address, data, bytes, direction,
                          accel_pci_memory_only) == MEMTX_OK;
    }
    accel_pci_bus_leave(locked);
    return done;
}

static bool accel_pci_read(void *opaque, uint64_t address, void *data,
                           size_t bytes)
{
    return accel_pci_transfer(opaque, address, data, bytes,
                              DMA_DIRECTION_TO_DEVICE);
}

static bool accel_pci_write(void *opaque, uint64_t address, const void *data,
                            size_t bytes)
{
    return accel_pci_transfer(opaque, address, (void *)data, bytes,
                              DMA_DIRECTION_FROM_DEVICE);
}

/*
 * The word accessors below do not check that they access memory, so this is
 * checked first. If the guest moves a BAR in between, they access a register
 * after all, which is as harmless as the same access by a CPU.
 */
static bool accel_pci_word_is_memory(AddressSpace *space, uint64_t address,
                                     bool write)
{
    hwaddr offset;
    hwaddr bytes = sizeof(uint64_t);
    MemoryRegion *region =
        address_space_translate(space, address, &offset, &bytes, write,
                                MEMTXATTRS_UNSPECIFIED);

    return bytes == sizeof(uint64_t) && memory_access_is_direct(region, write);
}

/*
 * A transfer of 8 bytes may be torn, so words need a single load or store.
 * The first barrier is the one of a transfer (dma_barrier()). The second orders
 * the access before the core's next accesses to device memory.
 */
static bool accel_pci_read64(void *opaque, uint64_t address, uint64_t *value)
{
    AccelPCIState *s = opaque;
    AddressSpace *space = pci_get_address_space(&s->parent);
    const bool locked = accel_pci_bus_enter(s);
    MemTxResult result = MEMTX_ERROR;

    if (!qatomic_read(&s->exiting) &&
        accel_pci_word_is_memory(space, address, false)) {
        smp_mb();
        *value = address_space_ldq_le(space, address, MEMTXATTRS_UNSPECIFIED,
                                      &result);
        smp_mb();
    }
    accel_pci_bus_leave(locked);
    return result == MEMTX_OK;
}

static bool accel_pci_write64(void *opaque, uint64_t address, uint64_t value)
{
    AccelPCIState *s = opaque;
    AddressSpace *space = pci_get_address_space(&s->parent);
    const bool locked = accel_pci_bus_enter(s);
    MemTxResult result = MEMTX_ERROR;

    if (!qatomic_read(&s->exiting) &&
        accel_pci_word_is_memory(space, address, true)) {
        smp_mb();
        address_space_stq_le(space, address, value, MEMTXATTRS_UNSPECIFIED,
                             &result);
        smp_mb();
    }
    accel_pci_bus_leave(locked);
    return result == MEMTX_OK;
}

static void accel_pci_interrupt(void *opaque, unsigned int vector)
{
    AccelPCIState *s = opaque;
    bool *busy = &s->parent.qdev.mem_reentrancy_guard.engaged_in_io;
    const bool lock = !qemu_mutex_iothread_locked();

    if (lock) {
        qemu_mutex_lock_iothread();
    }
    if (!s->exiting && vector < s->vectors) {
        /* The guest may direct the message to a BAR of the card: no reentry. */
        const bool was_busy = *busy;

        *busy = true;
        msix_notify(&s->parent, vector);
        *busy = was_busy;
    }
    if (lock) {
        qemu_mutex_unlock_iothread();
    }
}

static void accel_pci_log(void *opaque, enum accel_log_level level,
                          const char *text)
{
    qemu_log_mask(level == ACCEL_LOG_GUEST_ERROR ? LOG_GUEST_ERROR : LOG_TRACE,
                  "accel-pci: %s\n", text);
}

/*
 * Engines with threads continue while the machine is paused, so their clock
 * must not stop, unlike the virtual clock.
 */
static uint64_t accel_pci_clock(void *opaque)
{
    AccelPCIState *s = opaque;

    return qemu_clock_get_ns(s->timer ? QEMU_CLOCK_VIRTUAL
                                      : QEMU_CLOCK_REALTIME);
}

static void accel_pci_set_timer(void *opaque, uint64_t deadline)
{
    AccelPCIState *s = opaque;

    if (deadline > INT64_MAX) {
        timer_del(s->timer);
    } else {
        timer_mod_ns(s->timer, (int64_t)deadline);
    }
}

static void accel_pci_thread_enter(void *opaque)
{
    rcu_register_thread();
}

static void accel_pci_thread_leave(void *opaque)
{
    rcu_unregister_thread();
}

const struct accel_core_callbacks accel_pci_callbacks = {
    .read = accel_pci_read,
    .write = accel_pci_write,
    .read64 = accel_pci_read64,
    .write64 = accel_pci_write64,
    .interrupt = accel_pci_interrupt,
    .log = accel_pci_log,
    .clock = accel_pci_clock,
    .timer = accel_pci_set_timer,
    .thread_enter = accel_pci_thread_enter,
    .thread_leave = accel_pci_thread_leave,
};
