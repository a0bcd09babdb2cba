/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci_bars.c - the BARs of the card in QEMU: registers with the MSI-X
 * table, doorbells, and device memory.
 *
 * QEMU calls all of this with its big lock (BQL) held.
 */
#include "accel_pci.h"

#include "hw/pci/msix.h"

#define ACCEL_PCI_ALL_ONES (~UINT64_C(0))

bool accel_pci_responds(const AccelPCIState *s)
{
    return s->core && !s->dead;
}

static uint64_t accel_pci_registers_read(void *opaque, hwaddr offset,
                                         unsigned int bytes)
{
    AccelPCIState *s = opaque;

    if (!accel_pci_responds(s)) {
        return ACCEL_PCI_ALL_ONES;
    }
    if (offset >= ACCEL_REGISTER_BLOCK) {
        return 0;
    }
    return accel_core_register_read(s->core, offset, bytes);
}

static void accel_pci_registers_write(void *opaque, hwaddr offset,
                                      uint64_t value, unsigned int bytes)
{
    AccelPCIState *s = opaque;

    if (accel_pci_responds(s) && offset < ACCEL_REGISTER_BLOCK) {
        accel_core_register_write(s->core, offset, value, bytes);
    }
}

static const MemoryRegionOps accel_pci_registers_ops = {
    .read = accel_pci_registers_read,
    .write = accel_pci_registers_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

static uint64_t accel_pci_doorbells_read(void *opaque, hwaddr offset,
                                         unsigned int bytes)
{
    AccelPCIState *s = opaque;

    return accel_pci_responds(s) ? 0 : ACCEL_PCI_ALL_ONES;
}

static void accel_pci_doorbells_write(void *opaque, hwaddr offset,
                                      uint64_t value, unsigned int bytes)
{
    AccelPCIState *s = opaque;

    if (accel_pci_responds(s)) {
        accel_core_doorbell(s->core, offset, value, bytes);
    }
}

static const MemoryRegionOps accel_pci_doorbells_ops = {
    .read = accel_pci_doorbells_read,
    .write = accel_pci_doorbells_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};

bool accel_pci_add_bars(AccelPCIState *s, Error **errp)
{
    PCIDevice *dev = &s->parent;
    const uint64_t doorbells_size =
        pow2ceil((uint64_t)s->queues * ACCEL_DOORBELL_STRIDE);
    Error *local_err = NULL;

    memory_region_init_io(&s->registers, OBJECT(s), &accel_pci_registers_ops, s,
                          "accel-registers", ACCEL_REGISTERS_SIZE);
    memory_region_init_io(&s->doorbells, OBJECT(s), &accel_pci_doorbells_ops, s,
                          "accel-doorbells", doorbells_size);
    memory_region_init_ram_nomigrate(&s->memory, OBJECT(s), "accel-memory",
                                     s->memory_size, &local_err);
    if (local_err) {
        error_propagate(errp, local_err);
        return false;
    }
    if (msix_init(dev, s->vectors, &s->registers, ACCEL_BAR_REGISTERS,
                  ACCEL_MSIX_TABLE, &s->registers, ACCEL_BAR_REGISTERS,
                  ACCEL_MSIX_PBA, ACCEL_PCI_CAP_MSIX, errp) < 0) {
        return false;
    }
    for (uint32_t vector = 0; vector < s->vectors; vector++) {
        msix_vector_use(dev, vector);
    }
    pci_register_bar(dev, ACCEL_BAR_REGISTERS, PCI_BASE_ADDRESS_MEM_TYPE_64,
                     &s->registers);
    pci_register_bar(dev, ACCEL_BAR_DOORBELLS, PCI_BASE_ADDRESS_MEM_TYPE_64,
                     &s->doorbells);
    pci_register_bar(dev, ACCEL_BAR_MEMORY,
                     PCI_BASE_ADDRESS_MEM_TYPE_64 |
                     PCI_BASE_ADDRESS_MEM_PREFETCH,
                     &s->memory);
    return true;
}
