/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci_link.c - the PCIe link of the card in QEMU: its speed and width, as
 * supported and as trained. The trained link may be slower or narrower.
 *
 * QEMU models the link of a port, but not that of an endpoint, so the link
 * registers of the card are written here.
 */
#include "accel_pci.h"

#include "hw/pci/pcie.h"

/* In GT/s per lane, indexed by generation - 1. */
static const char *const accel_pci_speeds[] = {
    "2_5", "5", "8", "16", "32", "64",
};

unsigned int accel_pci_speed_generation(const char *speed)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(accel_pci_speeds); i++) {
        if (strcmp(speed, accel_pci_speeds[i]) == 0) {
            return i + 1;
        }
    }
    return 0;
}

const char *accel_pci_generation_speed(unsigned int generation)
{
    return accel_pci_speeds[generation - 1];
}

unsigned int accel_pci_link_generation(const AccelPCIState *s)
{
    return accel_pci_speed_generation(s->link_speed ? s->link_speed : "16");
}

unsigned int accel_pci_trained_generation(const AccelPCIState *s)
{
    const unsigned int max_generation = accel_pci_link_generation(s);

    if (!s->trained_generation) {
        return max_generation;
    }
    return MIN(s->trained_generation, max_generation);
}

unsigned int accel_pci_trained_width(const AccelPCIState *s)
{
    if (!s->trained_width) {
        return s->link_width;
    }
    return MIN(s->trained_width, (unsigned int)s->link_width);
}

/* A device that is integrated into the root complex has no link. */
static bool accel_pci_has_link(const AccelPCIState *s)
{
    return s->parent.exp.exp_cap &&
           pcie_cap_get_type(&s->parent) != PCI_EXP_TYPE_RC_END;
}

void accel_pci_train_link(AccelPCIState *s)
{
    uint8_t *cap = s->parent.config + s->parent.exp.exp_cap;

    if (accel_pci_has_link(s)) {
        pci_set_word(cap + PCI_EXP_LNKSTA,
                     QEMU_PCI_EXP_LNKCAP_MLS(accel_pci_trained_generation(s)) |
                     QEMU_PCI_EXP_LNKCAP_MLW(accel_pci_trained_width(s)));
    }
}

void accel_pci_describe_link(AccelPCIState *s)
{
    uint8_t *cap = s->parent.config + s->parent.exp.exp_cap;
    /* The codes of the speeds are the generations. */
    const uint32_t generation = accel_pci_link_generation(s);
    const uint32_t speed = QEMU_PCI_EXP_LNKCAP_MLS(generation);
    const uint32_t width = QEMU_PCI_EXP_LNKCAP_MLW(s->link_width);

    if (!accel_pci_has_link(s)) {
        return;
    }
    pci_set_long(cap + PCI_EXP_LNKCAP, speed | width | PCI_EXP_LNKCAP_ASPMS_0S);
    pci_set_word(cap + PCI_EXP_LNKCTL2, speed & PCI_EXP_LNKCTL2_TLS);
    /* One bit for each supported speed, from bit 1 (2.5 GT/s) on. */
    pci_set_long(cap + PCI_EXP_LNKCAP2, ((1U << generation) - 1) << 1);
    accel_pci_train_link(s);
}
