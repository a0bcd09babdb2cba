/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci.h - the device object, for the two files that are its glue: the endpoint
 * (accel_pci.c) and what the core reaches through it (accel_pci_bus.c).
 */
#ifndef ACCEL_PCI_H
#define ACCEL_PCI_H

#include "qemu/osdep.h"

#include "hw/pci/pci.h"
#include "qapi/error.h"
#include "qemu/timer.h"

#include "accel_core.h"
#include "accel_hw.h"

/*
 * Data of QEMU that we use, and inline functions of its headers do. Weak, so that a program without
 * them that preloads us by mistake lives long enough to be told (accel_preload.c).
 */
#pragma weak qdev_prop_pcie_link_width
#pragma weak qdev_prop_size
#pragma weak qdev_prop_string
#pragma weak qdev_prop_uint32
#pragma weak qdev_prop_uint64
#pragma weak qemu_loglevel
#pragma weak rcu_gp_ctr
#pragma weak rcu_gp_event

#define TYPE_ACCEL_PCI "accel-pci"
OBJECT_DECLARE_SIMPLE_TYPE(AccelPci, ACCEL_PCI)

struct AccelPci {
    PCIDevice parent;

    MemoryRegion registers; /* with the MSI-X table and PBA on top */
    MemoryRegion doorbells;
    MemoryRegion memory;

    QEMUTimer* timer;          /* with timing=model, from realize to exit; under the BQL */
    struct accel_core* core;   /* from realize to exit; under the BQL */
    struct accel_core* ending; /* from exit on; the reaper's */
    bool gone;                 /* set once, in exit */
    Error* unmigratable;

    /* Properties. */
    uint64_t memory_size;
    uint64_t serial;
    uint32_t queues;
    uint32_t contexts;
    uint32_t vectors; /* 0: one for each queue and one for events */
    char* timing;
    char* link_speed; /* GT/s */
    PCIExpLinkWidth link_width;
    struct accel_core_link link; /* with timing=model; its sizes are properties */

    /* Knobs; 0: as the link can. */
    unsigned int trained_generation;
    unsigned int trained_width;
    bool dead; /* answers nothing: all ones */
};

/* What the core is given; the opaque pointer is the AccelPci. */
extern const struct accel_core_callbacks accel_pci_callbacks;

/* The generation whose lanes are that fast; 0: none. */
unsigned int accel_pci_speed_generation(const char* speed);
unsigned int accel_pci_link_generation(const AccelPci* s);

/* accel_pci_debug_properties.c */
unsigned int accel_pci_trained_generation(const AccelPci* s);
unsigned int accel_pci_trained_width(const AccelPci* s);
void accel_pci_train_link(AccelPci* s);
void accel_pci_add_debug_properties(ObjectClass* klass);

#endif /* ACCEL_PCI_H */
