/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci.c - the card's PCI Express endpoint in QEMU: `-device accel-pci`.
 *
 * The glue between QEMU and the core (core/accel_core.h): config space, BARs, MSI-X, and the
 * life of the device. The same files are built into accel-pci.so, which Debian's QEMU preloads,
 * and into QEMU's own tree; docs/emulation.md tells how.
 *
 * QEMU enters this file with its big lock (BQL) held, and the core's threads do not enter it.
 *
 * With timing=model the core has no threads: a timer of the virtual clock runs it, with the BQL
 * held.
 *
 * The end of a device. The core's threads may wait for the BQL (accel_pci_bus.c), so whoever joins
 * them must not hold it, and exit() may not drop it: it is called deep inside
 * other devices' register writes, which rely on it. So exit() only cuts the core
 * off, by `gone`, and a reaper thread of its own joins the core and then drops the
 * reference that kept the object, and with it the device memory, alive. QEMU reports
 * DEVICE_DELETED after that.
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
/* As many as there is room for between the MSI-X table and its PBA. */
#define ACCEL_PCI_VECTORS_MAX ((ACCEL_MSIX_PBA - ACCEL_MSIX_TABLE) / PCI_MSIX_ENTRY_SIZE)

/* Where the capabilities lie in config space. */
#define ACCEL_PCI_CAP_PM 0x40
#define ACCEL_PCI_CAP_EXPRESS 0x60
#define ACCEL_PCI_CAP_MSIX 0xa0
#define ACCEL_PCI_CAP_AER PCI_CONFIG_SPACE_SIZE
#define ACCEL_PCI_CAP_SERIAL (ACCEL_PCI_CAP_AER + PCI_ERR_SIZEOF)

/* ---- What the host does to the card: under the BQL ----------------------- */

#define ACCEL_PCI_ALL_ONES (~UINT64_C(0))

/* A vCPU may have looked us up before exit and come here after it; or the card is dead. */
static bool accel_pci_answers(const AccelPci* s) {
    return s->core && !s->dead;
}

static uint64_t accel_pci_registers_read(void* opaque, hwaddr offset, unsigned int bytes) {
    AccelPci* s = opaque;

    if (!accel_pci_answers(s)) {
        return ACCEL_PCI_ALL_ONES;
    }
    return offset < ACCEL_REGISTER_BLOCK ? accel_core_register_read(s->core, offset, bytes) : 0;
}

static void accel_pci_registers_write(void* opaque, hwaddr offset, uint64_t value,
                                      unsigned int bytes) {
    AccelPci* s = opaque;

    if (accel_pci_answers(s) && offset < ACCEL_REGISTER_BLOCK) {
        accel_core_register_write(s->core, offset, value, bytes);
    }
}

static const MemoryRegionOps accel_pci_registers_ops = {
    .read = accel_pci_registers_read,
    .write = accel_pci_registers_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 4, .max_access_size = 8},
    .impl = {.min_access_size = 4, .max_access_size = 8},
};

static uint64_t accel_pci_doorbells_read(void* opaque, hwaddr offset, unsigned int bytes) {
    AccelPci* s = opaque;

    (void)offset;
    (void)bytes;
    return accel_pci_answers(s) ? 0 : ACCEL_PCI_ALL_ONES;
}

static void accel_pci_doorbells_write(void* opaque, hwaddr offset, uint64_t value,
                                      unsigned int bytes) {
    AccelPci* s = opaque;

    if (accel_pci_answers(s)) {
        accel_core_doorbell(s->core, offset, value, bytes);
    }
}

static const MemoryRegionOps accel_pci_doorbells_ops = {
    .read = accel_pci_doorbells_read,
    .write = accel_pci_doorbells_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 4, .max_access_size = 4},
    .impl = {.min_access_size = 4, .max_access_size = 4},
};

static void accel_pci_config_write(PCIDevice* dev, uint32_t address, uint32_t value, int bytes) {
    pci_default_write_config(dev, address, value, bytes);
    pcie_aer_write_config(dev, address, value, bytes);
    /* Resets us, by way of accel_pci_reset(), if the guest has just asked for it. */
    pcie_cap_flr_write_config(dev, address, value, bytes);
}

/* Every function reset: FLR, of the bus, of the machine. QEMU resets MSI-X itself. */
static void accel_pci_reset(DeviceState* qdev) {
    AccelPci* s = ACCEL_PCI(qdev);

    pcie_cap_deverr_reset(&s->parent);
    pci_set_word(s->parent.config + ACCEL_PCI_CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    if (accel_pci_answers(s)) {
        accel_core_reset(s->core);
    }
}

/* ---- Birth and end: under the BQL ---------------------------------------- */

unsigned int accel_pci_link_generation(const AccelPci* s) {
    return accel_pci_speed_generation(s->link_speed ? s->link_speed : "16");
}

static bool accel_pci_is_timed(const AccelPci* s) {
    return s->timing && strcmp(s->timing, "model") == 0;
}

static bool accel_pci_check_properties(AccelPci* s, Error** errp) {
    if (!pci_bus_is_express(pci_get_bus(&s->parent))) {
        error_setg(errp,
                   "accel-pci is a PCI Express card: give it bus= of a PCI Express port, "
                   "such as pcie-root-port");
        return false;
    }
    if (s->timing && strcmp(s->timing, "fast") != 0 && strcmp(s->timing, "model") != 0) {
        error_setg(errp, "timing must be fast or model, not '%s'", s->timing);
        return false;
    }
    if (!accel_pci_link_generation(s)) {
        error_setg(errp, "link-speed must be 2_5, 5, 8, 16, 32 or 64 (GT/s), not '%s'",
                   s->link_speed);
        return false;
    }
    if (!is_power_of_2(s->memory_size) || s->memory_size < ACCEL_PCI_MEMORY_MIN) {
        error_setg(errp, "memory-size must be a power of two of at least 1 MiB, not %" PRIu64,
                   s->memory_size);
        return false;
    }
    if (s->queues == 0 || s->queues > ACCEL_PCI_VECTORS_MAX) {
        error_setg(errp, "queues must be from 1 to %d, not %" PRIu32, (int)ACCEL_PCI_VECTORS_MAX,
                   s->queues);
        return false;
    }
    if (s->vectors == 0) {
        s->vectors = MIN(s->queues + 1, (uint32_t)ACCEL_PCI_VECTORS_MAX);
    }
    if (s->vectors > ACCEL_PCI_VECTORS_MAX) {
        error_setg(errp, "vectors must be from 1 to %d, not %" PRIu32, (int)ACCEL_PCI_VECTORS_MAX,
                   s->vectors);
        return false;
    }
    return true;
}

/* QEMU knows the link of a port, not that of an endpoint, so it is filled in here. */
static void accel_pci_describe_link(AccelPci* s) {
    uint8_t* cap = s->parent.config + ACCEL_PCI_CAP_EXPRESS;
    /* The codes of the speeds are the generations. */
    const uint32_t generation = accel_pci_link_generation(s);
    const uint32_t speed = QEMU_PCI_EXP_LNKCAP_MLS(generation);
    const uint32_t width = QEMU_PCI_EXP_LNKCAP_MLW(s->link_width);

    if (pcie_cap_get_type(&s->parent) == PCI_EXP_TYPE_RC_END) {
        return; /* part of the root complex: there is no link */
    }
    pci_set_long(cap + PCI_EXP_LNKCAP, speed | width | PCI_EXP_LNKCAP_ASPMS_0S);
    pci_set_word(cap + PCI_EXP_LNKCTL2, speed & PCI_EXP_LNKCTL2_TLS);
    /* One bit for each speed from 2.5 GT/s up to ours, from bit 1 on. */
    pci_set_long(cap + PCI_EXP_LNKCAP2, ((1U << generation) - 1) << 1);
    accel_pci_train_link(s);
}

static bool accel_pci_add_capabilities(AccelPci* s, Error** errp) {
    PCIDevice* dev = &s->parent;

    if (pci_add_capability(dev, PCI_CAP_ID_PM, ACCEL_PCI_CAP_PM, PCI_PM_SIZEOF, errp) < 0) {
        return false;
    }
    pci_set_word(dev->config + ACCEL_PCI_CAP_PM + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
    pci_set_word(dev->config + ACCEL_PCI_CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(dev->wmask + ACCEL_PCI_CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);

    if (pcie_endpoint_cap_init(dev, ACCEL_PCI_CAP_EXPRESS) < 0) {
        error_setg(errp, "cannot add the PCI Express capability");
        return false;
    }
    pcie_cap_deverr_init(dev);
    pcie_cap_flr_init(dev);
    accel_pci_describe_link(s);

    dev->exp.aer_log.log_max = PCIE_AER_LOG_MAX_DEFAULT;
    if (pcie_aer_init(dev, PCI_ERR_VER, ACCEL_PCI_CAP_AER, PCI_ERR_SIZEOF, errp) < 0) {
        return false;
    }
    pcie_dev_ser_num_init(dev, ACCEL_PCI_CAP_SERIAL, s->serial);
    return true;
}

static bool accel_pci_add_bars(AccelPci* s, Error** errp) {
    PCIDevice* dev = &s->parent;
    Error* error = NULL;

    memory_region_init_io(&s->registers, OBJECT(s), &accel_pci_registers_ops, s, "accel-registers",
                          ACCEL_REGISTERS_SIZE);
    memory_region_init_io(&s->doorbells, OBJECT(s), &accel_pci_doorbells_ops, s, "accel-doorbells",
                          pow2ceil((uint64_t)s->queues * ACCEL_DOORBELL_STRIDE));
    memory_region_init_ram_nomigrate(&s->memory, OBJECT(s), "accel-memory", s->memory_size, &error);
    if (error) {
        error_propagate(errp, error);
        return false;
    }
    if (msix_init(dev, s->vectors, &s->registers, ACCEL_BAR_REGISTERS, ACCEL_MSIX_TABLE,
                  &s->registers, ACCEL_BAR_REGISTERS, ACCEL_MSIX_PBA, ACCEL_PCI_CAP_MSIX,
                  errp) < 0) {
        return false;
    }
    for (uint32_t vector = 0; vector < s->vectors; vector++) {
        msix_vector_use(dev, vector);
    }
    pci_register_bar(dev, ACCEL_BAR_REGISTERS, PCI_BASE_ADDRESS_MEM_TYPE_64, &s->registers);
    pci_register_bar(dev, ACCEL_BAR_DOORBELLS, PCI_BASE_ADDRESS_MEM_TYPE_64, &s->doorbells);
    pci_register_bar(dev, ACCEL_BAR_MEMORY,
                     PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, &s->memory);
    return true;
}

static void accel_pci_timer(void* opaque) {
    AccelPci* s = opaque;

    accel_core_timer(s->core);
}

static bool accel_pci_add_core(AccelPci* s, Error** errp) {
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
    };
    char error[256] = "";

    if (timed) {
        s->link.generation = accel_pci_trained_generation(s);
        s->link.lanes = accel_pci_trained_width(s);
        s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, accel_pci_timer, s);
    }
    s->core = accel_core_create(&config, &accel_pci_callbacks, s, error, sizeof(error));
    if (!s->core) {
        error_setg(errp, "%s", error);
        timer_free(s->timer);
        s->timer = NULL;
    }
    return s->core;
}

/* Undoes what accel_pci_add_capabilities() and accel_pci_add_bars() did, all or a part of it. */
static void accel_pci_remove_parts(AccelPci* s) {
    msix_uninit(&s->parent, &s->registers, &s->registers);
    if (s->parent.exp.aer_cap) {
        pcie_aer_exit(&s->parent);
    }
    if (s->parent.exp.exp_cap) {
        pcie_cap_exit(&s->parent);
    }
    if (s->unmigratable) {
        migrate_del_blocker(s->unmigratable);
        error_free(s->unmigratable);
        s->unmigratable = NULL;
    }
}

static bool accel_pci_block_migration(AccelPci* s, Error** errp) {
    Error* reason = NULL;

    error_setg(&reason,
               "accel-pci: what the engines have in flight cannot be saved; remove the "
               "card first and add one afterwards (device_del, device_add)");
    if (migrate_add_blocker(reason, errp) < 0) {
        error_free(reason);
        return false;
    }
    s->unmigratable = reason;
    return true;
}

/*
 * QEMU's translator leaves a guest's memory barriers out where there can never be a second
 * processor to see them. Our threads see them: a store of the guest then passes its next load, and
 * a doorbell that a full barrier makes needless or not is lost now and then.
 */
static void accel_pci_warn_of_barriers(const AccelPci* s) {
    const MachineState* machine = MACHINE(qdev_get_machine());

    if (!s->timer && machine->smp.max_cpus == 1 &&
        object_dynamic_cast(OBJECT(machine->accelerator), "tcg-accel")) {
        warn_report("accel-pci: with one processor QEMU leaves out memory barriers, and the card "
                    "may miss a doorbell; give -smp 1,maxcpus=2");
    }
}

/* The core comes last: nothing after it can fail, so only exit has to end it. */
static void accel_pci_realize(PCIDevice* dev, Error** errp) {
    AccelPci* s = ACCEL_PCI(dev);

    if (!accel_pci_check_properties(s, errp)) {
        return;
    }
    if (!accel_pci_add_capabilities(s, errp) || !accel_pci_add_bars(s, errp) ||
        !accel_pci_block_migration(s, errp) || !accel_pci_add_core(s, errp)) {
        accel_pci_remove_parts(s);
        return;
    }
    accel_pci_warn_of_barriers(s);
}

/* On a thread of its own; may wait for the BQL, and for the core's threads that do. */
static void* accel_pci_reap(void* opaque) {
    AccelPci* s = opaque;

    rcu_register_thread();
    accel_core_destroy(s->ending);
    qemu_mutex_lock_iothread();
    object_unref(OBJECT(s));
    qemu_mutex_unlock_iothread();
    rcu_unregister_thread();
    return NULL;
}

static void accel_pci_exit(PCIDevice* dev) {
    AccelPci* s = ACCEL_PCI(dev);
    QemuThread reaper;

    qatomic_set(&s->gone, true);
    accel_pci_remove_parts(s);
    if (s->timer) {
        /* No threads: nobody waits for the BQL. */
        accel_core_destroy(s->core);
        s->core = NULL;
        timer_free(s->timer);
        s->timer = NULL;
        return;
    }
    s->ending = s->core;
    s->core = NULL;
    object_ref(OBJECT(s));
    qemu_thread_create(&reaper, "accel-reaper", accel_pci_reap, s, QEMU_THREAD_DETACHED);
}

static Property accel_pci_properties[] = {
    DEFINE_PROP_SIZE("memory-size", AccelPci, memory_size, 256 * MiB),
    DEFINE_PROP_UINT32("queues", AccelPci, queues, 64),
    DEFINE_PROP_UINT32("contexts", AccelPci, contexts, 64),
    DEFINE_PROP_UINT32("vectors", AccelPci, vectors, 0),
    DEFINE_PROP_UINT64("serial", AccelPci, serial, 1),
    DEFINE_PROP_STRING("timing", AccelPci, timing),
    DEFINE_PROP_STRING("link-speed", AccelPci, link_speed),
    DEFINE_PROP_PCIE_LINK_WIDTH("link-width", AccelPci, link_width, PCIE_LINK_WIDTH_16),
    DEFINE_PROP_UINT32("max-payload", AccelPci, link.payload, 256),
    DEFINE_PROP_UINT32("max-read-request", AccelPci, link.read_request, 512),
    DEFINE_PROP_UINT32("read-completion", AccelPci, link.completion, 256),
    DEFINE_PROP_END_OF_LIST(),
};

/* For -device accel-pci,help. */
static const struct {
    const char* property;
    const char* text;
} accel_pci_help[] = {
    {"memory-size", "device memory, a power of two"},
    {"queues", "user queues"},
    {"contexts", "contexts, that is, address spaces"},
    {"vectors", "MSI-X vectors; 0: one for each queue and one for events"},
    {"serial", "serial number; give each card its own"},
    {"timing", "fast: as quick as the host can; model: in virtual time, as the data sheet says"},
    {"link-speed", "GT/s a lane: 2_5, 5, 8, 16, 32 or 64; default 16"},
    {"link-width", "lanes"},
    {"max-payload", "timing=model: longest payload of a packet, bytes"},
    {"max-read-request", "timing=model: longest read request, bytes"},
    {"read-completion", "timing=model: pieces in which the host answers reads, bytes"},
};

static void accel_pci_class_init(ObjectClass* klass, void* data) {
    DeviceClass* device = DEVICE_CLASS(klass);
    PCIDeviceClass* pci = PCI_DEVICE_CLASS(klass);

    (void)data;
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
    .instance_size = sizeof(AccelPci),
    .class_init = accel_pci_class_init,
    .interfaces = (InterfaceInfo[]){{INTERFACE_PCIE_DEVICE}, {}},
};

static void accel_pci_register(void) {
    type_register_static(&accel_pci_type);
}

type_init(accel_pci_register)
