/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci.c - the card's PCI Express endpoint in QEMU: `-device accel-pci`.
 *
 * This file is the part of the glue between QEMU and the core
 * (core/accel_core.h) that contains config space, properties, and the lifetime
 * of the device. The same files are built into accel-pci.so, which Debian's
 * QEMU preloads, and into QEMU's own tree; docs/concepts/emulation.md explains both.
 *
 * QEMU calls this file with its big lock (BQL) held. The core's threads do not
 * call it. With timing=model the core has no threads: a timer of the virtual
 * clock runs it, with the BQL held.
 *
 * Lifetime: the core's threads may wait for the BQL (accel_pci_bus.c), so the
 * thread that joins them must not hold it. exit() must not drop the BQL either,
 * because it is called within register writes to other devices, which rely on
 * it. So exit() only detaches the core, by setting `exiting`. A reaper thread
 * joins the core and then drops the reference that kept the object, and so the
 * device memory, alive. QEMU reports DEVICE_DELETED after that.
 */
#include "accel_pci.h"

#include "hw/boards.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "hw/qdev-properties-system.h"
#include "hw/qdev-properties.h"
#include "migration/blocker.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qemu/units.h"

#define ACCEL_PCI_REVISION 1
#define ACCEL_PCI_MEMORY_MIN (1 * MiB)
/* The room between the MSI-X table and its PBA. */
#define ACCEL_PCI_VECTORS_MAX                                                  \
    ((ACCEL_MSIX_PBA - ACCEL_MSIX_TABLE) / PCI_MSIX_ENTRY_SIZE)

static void accel_pci_config_write(PCIDevice *dev, uint32_t address,
                                   uint32_t value, int bytes)
{
    pci_default_write_config(dev, address, value, bytes);
    pcie_aer_write_config(dev, address, value, bytes);
    /* If the guest requested an FLR, this calls accel_pci_reset(). */
    pcie_cap_flr_write_config(dev, address, value, bytes);
}

/* Called for an FLR, and a reset of the bus or machine. QEMU resets MSI-X. */
static void accel_pci_reset(DeviceState *qdev)
{
    AccelPCIState *s = ACCEL_PCI(qdev);

    pcie_cap_deverr_reset(&s->parent);
    pci_set_word(s->parent.config + ACCEL_PCI_CAP_PM + PCI_PM_CTRL,
                 PCI_PM_CTRL_NO_SOFT_RESET);
    if (accel_pci_responds(s)) {
        accel_core_reset(s->core);
    }
}

/* ---- Realize and exit ---------------------------------------------------- */

static bool accel_pci_is_timed(const AccelPCIState *s)
{
    return s->timing && strcmp(s->timing, "model") == 0;
}

static bool accel_pci_check_properties(AccelPCIState *s, Error **errp)
{
    if (!pci_bus_is_express(pci_get_bus(&s->parent))) {
        error_setg(errp, "accel-pci is a PCI Express card and cannot be on a "
                   "PCI bus: set bus= to a PCI Express port, such as "
                   "pcie-root-port");
        return false;
    }
    if (s->timing && strcmp(s->timing, "fast") != 0 &&
        strcmp(s->timing, "model") != 0) {
        error_setg(errp, "timing must be fast or model, not '%s'", s->timing);
        return false;
    }
    if (!accel_pci_link_generation(s)) {
        error_setg(errp, "link-speed must be 2_5, 5, 8, 16, 32 or 64 (GT/s), "
                   "not '%s'", s->link_speed);
        return false;
    }
    if (!is_power_of_2(s->memory_size) ||
        s->memory_size < ACCEL_PCI_MEMORY_MIN) {
        error_setg(errp, "memory-size must be a power of two of at least "
                   "1 MiB, not %" PRIu64 " bytes", s->memory_size);
        return false;
    }
    if (s->queues == 0 || s->queues > ACCEL_PCI_VECTORS_MAX) {
        error_setg(errp, "queues must be from 1 to %d, not %" PRIu32,
                   (int)ACCEL_PCI_VECTORS_MAX, s->queues);
        return false;
    }
    if (s->vectors == 0) {
        s->vectors = MIN(s->queues + 1, (uint32_t)ACCEL_PCI_VECTORS_MAX);
    }
    if (s->vectors > ACCEL_PCI_VECTORS_MAX) {
        error_setg(errp, "vectors must be from 1 to %d, not %" PRIu32,
                   (int)ACCEL_PCI_VECTORS_MAX, s->vectors);
        return false;
    }
    return true;
}

static bool accel_pci_add_capabilities(AccelPCIState *s, Error **errp)
{
    PCIDevice *dev = &s->parent;

    if (pci_add_capability(dev, PCI_CAP_ID_PM, ACCEL_PCI_CAP_PM, PCI_PM_SIZEOF,
                           errp) < 0) {
        return false;
    }
    pci_set_word(dev->config + ACCEL_PCI_CAP_PM + PCI_PM_PMC,
                 PCI_PM_CAP_VER_1_2);
    pci_set_word(dev->config + ACCEL_PCI_CAP_PM + PCI_PM_CTRL,
                 PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(dev->wmask + ACCEL_PCI_CAP_PM + PCI_PM_CTRL,
                 PCI_PM_CTRL_STATE_MASK);

    if (pcie_endpoint_cap_init(dev, ACCEL_PCI_CAP_EXPRESS) < 0) {
        error_setg(errp, "cannot add the PCI Express capability");
        return false;
    }
    pcie_cap_deverr_init(dev);
    pcie_cap_flr_init(dev);
    accel_pci_describe_link(s);

    dev->exp.aer_log.log_max = PCIE_AER_LOG_MAX_DEFAULT;
    if (pcie_aer_init(dev, PCI_ERR_VER, ACCEL_PCI_CAP_AER, PCI_ERR_SIZEOF,
                      errp) < 0) {
        return false;
    }
    pcie_dev_ser_num_init(dev, ACCEL_PCI_CAP_SERIAL, s->serial);
    return true;
}

static void accel_pci_timer(void *opaque)
{
    AccelPCIState *s = opaque;

    accel_core_timer(s->core);
}

static bool accel_pci_add_core(AccelPCIState *s, Error **errp)
{
    const bool timed = accel_pci_is_timed(s);
    const struct accel_core_config config = {
        .memory = memory_region_get_ram_ptr(&s->memory),
        .memory_size = s->memory_size,
        .serial = s->serial,
        .queues = s->queues,
        .contexts = s->contexts,
        .vectors = s->vectors,
        .ring_entries = 65536,
        .link = timed ? &s->link : NULL,
        .threads = s->threads,
    };
    char error[256] = "";

    if (timed) {
        s->link.generation = accel_pci_trained_generation(s);
        s->link.lanes = accel_pci_trained_width(s);
        s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, accel_pci_timer, s);
    }
    s->core = accel_core_create(&config, &accel_pci_callbacks, s, error,
                                sizeof(error));
    if (!s->core) {
        error_setg(errp, "%s", error);
        timer_free(s->timer);
        s->timer = NULL;
    }
    return s->core;
}

/* Reverts all steps of realize that have succeeded, except for the core. */
static void accel_pci_unrealize_parts(AccelPCIState *s)
{
    msix_uninit(&s->parent, &s->registers, &s->registers);
    if (s->parent.exp.aer_cap) {
        pcie_aer_exit(&s->parent);
    }
    if (s->parent.exp.exp_cap) {
        pcie_cap_exit(&s->parent);
    }
    if (s->migration_blocker) {
        migrate_del_blocker(s->migration_blocker);
        error_free(s->migration_blocker);
        s->migration_blocker = NULL;
    }
}

static bool accel_pci_block_migration(AccelPCIState *s, Error **errp)
{
    Error *reason = NULL;

    error_setg(&reason, "accel-pci does not support migration, because "
               "commands in flight cannot be saved: remove the card before "
               "(device_del) and add one after (device_add)");
    if (migrate_add_blocker(reason, errp) < 0) {
        error_free(reason);
        return false;
    }
    s->migration_blocker = reason;
    return true;
}

/*
 * If a guest can have only one processor, QEMU's translator omits its memory
 * barriers. But the core's threads observe the order of its accesses: without
 * the barrier, the guest's load of `event_index` can overtake its store of
 * `tail`, and then the guest does not ring a doorbell that is needed.
 */
static void accel_pci_warn_about_barriers(const AccelPCIState *s)
{
    const MachineState *machine = MACHINE(qdev_get_machine());

    if (!s->timer && machine->smp.max_cpus == 1 &&
        object_dynamic_cast(OBJECT(machine->accelerator), "tcg-accel")) {
        warn_report("accel-pci: with a single processor QEMU omits memory "
                    "barriers, so the card may miss a doorbell: use "
                    "-smp 1,maxcpus=2");
    }
}

/* The core is the last step: no later step fails, so only exit destroys it. */
static void accel_pci_realize(PCIDevice *dev, Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(dev);

    if (!accel_pci_check_properties(s, errp)) {
        return;
    }
    if (!accel_pci_add_capabilities(s, errp) || !accel_pci_add_bars(s, errp) ||
        !accel_pci_block_migration(s, errp) || !accel_pci_add_core(s, errp)) {
        accel_pci_unrealize_parts(s);
        return;
    }
    accel_pci_warn_about_barriers(s);
}

/*
 * The reaper thread. It waits for the core's threads, which may wait for the
 * BQL, before it takes the BQL itself.
 */
static void *accel_pci_reap(void *opaque)
{
    AccelPCIState *s = opaque;

    rcu_register_thread();
    accel_core_destroy(s->exiting_core);
    qemu_mutex_lock_iothread();
    object_unref(OBJECT(s));
    qemu_mutex_unlock_iothread();
    rcu_unregister_thread();
    return NULL;
}

static void accel_pci_exit(PCIDevice *dev)
{
    AccelPCIState *s = ACCEL_PCI(dev);
    QemuThread reaper;

    qatomic_set(&s->exiting, true);
    accel_pci_unrealize_parts(s);
    if (s->timer) {
        /* The core has no threads that could wait for the BQL. */
        accel_core_destroy(s->core);
        s->core = NULL;
        timer_free(s->timer);
        s->timer = NULL;
        return;
    }
    s->exiting_core = s->core;
    s->core = NULL;
    object_ref(OBJECT(s));
    qemu_thread_create(&reaper, "accel-reaper", accel_pci_reap, s,
                       QEMU_THREAD_DETACHED);
}

static Property accel_pci_properties[] = {
    DEFINE_PROP_SIZE("memory-size", AccelPCIState, memory_size, 256 * MiB),
    DEFINE_PROP_UINT32("queues", AccelPCIState, queues, 64),
    DEFINE_PROP_UINT32("contexts", AccelPCIState, contexts, 64),
    DEFINE_PROP_UINT32("vectors", AccelPCIState, vectors, 0),
    DEFINE_PROP_UINT64("serial", AccelPCIState, serial, 1),
    DEFINE_PROP_STRING("timing", AccelPCIState, timing),
    DEFINE_PROP_STRING("link-speed", AccelPCIState, link_speed),
    DEFINE_PROP_PCIE_LINK_WIDTH("link-width", AccelPCIState, link_width,
                                PCIE_LINK_WIDTH_16),
    DEFINE_PROP_UINT32("max-payload", AccelPCIState, link.payload, 256),
    DEFINE_PROP_UINT32("max-read-request", AccelPCIState, link.read_request,
                       512),
    DEFINE_PROP_UINT32("read-completion", AccelPCIState, link.completion, 256),
    DEFINE_PROP_UINT32("threads", AccelPCIState, threads, 0),
    DEFINE_PROP_END_OF_LIST(),
};

/* The descriptions that -device accel-pci,help prints. */
static const struct {
    const char *property;
    const char *text;
} accel_pci_help[] = {
    { "memory-size", "device memory, a power of two" },
    { "queues", "user queues" },
    { "contexts", "contexts (address spaces)" },
    { "vectors", "MSI-X vectors; 0: one for each queue and one for events" },
    { "serial", "serial number; give each card its own" },
    { "timing", "fast: as fast as the host computes (default); "
                "model: in virtual time, by the data sheet's timing model" },
    { "link-speed", "GT/s per lane: 2_5, 5, 8, 16, 32 or 64; default 16" },
    { "link-width", "lanes" },
    { "max-payload", "timing=model: longest payload of a packet, bytes" },
    { "max-read-request", "timing=model: longest read request, bytes" },
    { "read-completion", "timing=model: longest read completion, bytes" },
    { "threads", "timing=fast: host threads that compute a command together; "
                 "0: one for each core that QEMU may use (default)" },
};

static void accel_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *device = DEVICE_CLASS(klass);
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);

    pci->realize = accel_pci_realize;
    pci->exit = accel_pci_exit;
    pci->config_write = accel_pci_config_write;
    pci->vendor_id = ACCEL_PCI_VENDOR;
    pci->device_id = ACCEL_PCI_DEVICE;
    pci->subsystem_vendor_id = ACCEL_PCI_VENDOR;
    pci->subsystem_id = ACCEL_PCI_DEVICE;
    pci->class_id = ACCEL_PCI_CLASS;
    pci->revision = ACCEL_PCI_REVISION;
    device->desc = "Machine-learning accelerator (emulated)";
    device->reset = accel_pci_reset;
    device_class_set_props(device, accel_pci_properties);
    for (size_t i = 0; i < ARRAY_SIZE(accel_pci_help); i++) {
        object_class_property_set_description(klass, accel_pci_help[i].property,
                                              accel_pci_help[i].text);
    }
    accel_pci_add_debug_properties(klass);
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
}

static const TypeInfo accel_pci_type = {
    .name = TYPE_ACCEL_PCI,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(AccelPCIState),
    .class_init = accel_pci_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { },
    },
};

static void accel_pci_register(void)
{
    type_register_static(&accel_pci_type);
}

type_init(accel_pci_register)
