/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci.h - the device object of the emulated card, shared by the files of
 * the QEMU glue.
 *
 * accel_pci.c, the endpoint, calls the other files, and they do not call it:
 * accel_pci_bars.c (accesses of the host to the BARs), accel_pci_bus.c
 * (accesses of the core to the bus), accel_pci_debug_properties.c, and
 * accel_pci_link.c, which both the endpoint and the debug properties use.
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
 * QEMU's data that this code and inline functions of QEMU's headers use. The
 * references are weak, so that a program other than QEMU that preloads the card
 * by mistake survives until accel_preload.c can report the mistake.
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
OBJECT_DECLARE_SIMPLE_TYPE(AccelPCIState, ACCEL_PCI)

/* The offsets of the capabilities in config space. */
#define ACCEL_PCI_CAP_PM 0x40
#define ACCEL_PCI_CAP_EXPRESS 0x60
#define ACCEL_PCI_CAP_MSIX 0xa0
#define ACCEL_PCI_CAP_AER PCI_CONFIG_SPACE_SIZE
#define ACCEL_PCI_CAP_SERIAL (ACCEL_PCI_CAP_AER + PCI_ERR_SIZEOF)

struct AccelPCIState {
    /*< private >*/
    PCIDevice parent;
    /*< public >*/

    MemoryRegion registers; /* with the MSI-X table and PBA on top */
    MemoryRegion doorbells;
    MemoryRegion memory;

    /* From realize to exit, under the BQL. */
    struct accel_core *core;
    QEMUTimer *timer; /* only with timing=model */
    Error *migration_blocker;

    bool exiting;                    /* set once, in exit */
    struct accel_core *exiting_core; /* from exit on; the reaper owns it */

    /* Properties. */
    uint64_t memory_size;
    uint64_t serial;
    uint32_t queues;
    uint32_t contexts;
    uint32_t vectors; /* 0: one for each queue and one for events */
    char *timing;
    char *link_speed; /* GT/s */
    PCIExpLinkWidth link_width;
    struct accel_core_link link; /* for timing=model; sizes are properties */

    /* Debug properties. */
    unsigned int trained_generation; /* 0: as the link-speed property */
    unsigned int trained_width;      /* 0: as the link-width property */
    bool dead;                       /* every read returns all ones */
    uint32_t threads;                /* that compute a command; 0: all cores */
};

/* ---- accel_pci_bars.c ---------------------------------------------------- */

/*
 * Whether the card responds to accesses. It does not when it is dead, nor after
 * exit: a vCPU may have looked up the region before exit and access it after.
 */
bool accel_pci_responds(const AccelPCIState *s);

/* Adds the BARs and MSI-X. Returns false, with @errp set, if it fails. */
bool accel_pci_add_bars(AccelPCIState *s, Error **errp);

/* ---- accel_pci_bus.c ----------------------------------------------------- */

/* The callbacks for the core. Their opaque pointer is the AccelPCIState. */
extern const struct accel_core_callbacks accel_pci_callbacks;

/* ---- accel_pci_link.c ---------------------------------------------------- */

/* The PCIe generation with @speed (GT/s) per lane, or 0 if there is none. */
unsigned int accel_pci_speed_generation(const char *speed);
/* The inverse: the speed of a valid @generation. */
const char *accel_pci_generation_speed(unsigned int generation);

/* The generation that the link supports, or 0 if the property is invalid. */
unsigned int accel_pci_link_generation(const AccelPCIState *s);
/* The generation and width that the link is trained to. */
unsigned int accel_pci_trained_generation(const AccelPCIState *s);
unsigned int accel_pci_trained_width(const AccelPCIState *s);

/* Writes the supported link to the PCI Express capability. */
void accel_pci_describe_link(AccelPCIState *s);
/* Writes the trained link to the PCI Express capability. */
void accel_pci_train_link(AccelPCIState *s);

/* ---- accel_pci_debug_properties.c ---------------------------------------- */

void accel_pci_add_debug_properties(ObjectClass *klass);

#endif /* ACCEL_PCI_H */
