/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci_debug_properties.c - what a test turns and reads while the machine runs, with qom-get and qom-set
 * of QEMU's monitor: what the sensors say, the air around the card, the link as it is trained, and
 * defects. docs/emulation.md lists them.
 *
 * QEMU calls all of this with the BQL held.
 */
#include "accel_pci.h"

#include "hw/pci/pcie.h"
#include "qapi/visitor.h"

/* ---- The link: it may be trained to less than it can --------------------- */

static const char* const accel_pci_speeds[] = {"2_5", "5", "8", "16", "32", "64"};

unsigned int accel_pci_speed_generation(const char* speed) {
    for (unsigned int i = 0; i < ARRAY_SIZE(accel_pci_speeds); i++) {
        if (strcmp(speed, accel_pci_speeds[i]) == 0) {
            return i + 1;
        }
    }
    return 0;
}

unsigned int accel_pci_trained_generation(const AccelPci* s) {
    const unsigned int most = accel_pci_link_generation(s);

    return s->trained_generation ? MIN(s->trained_generation, most) : most;
}

unsigned int accel_pci_trained_width(const AccelPci* s) {
    return s->trained_width ? MIN(s->trained_width, (unsigned int)s->link_width) : s->link_width;
}

void accel_pci_train_link(AccelPci* s) {
    uint8_t* cap = s->parent.config + s->parent.exp.exp_cap;

    if (s->parent.exp.exp_cap && pcie_cap_get_type(&s->parent) != PCI_EXP_TYPE_RC_END) {
        pci_set_word(cap + PCI_EXP_LNKSTA,
                     QEMU_PCI_EXP_LNKCAP_MLS(accel_pci_trained_generation(s)) |
                         QEMU_PCI_EXP_LNKCAP_MLW(accel_pci_trained_width(s)));
    }
}

static char* accel_pci_get_trained_speed(Object* object, Error** errp) {
    (void)errp;
    return g_strdup(accel_pci_speeds[accel_pci_trained_generation(ACCEL_PCI(object)) - 1]);
}

static void accel_pci_set_trained_speed(Object* object, const char* value, Error** errp) {
    AccelPci* s = ACCEL_PCI(object);
    const unsigned int generation = accel_pci_speed_generation(value);

    if (!generation) {
        error_setg(errp, "trained-speed must be 2_5, 5, 8, 16, 32 or 64 (GT/s), not '%s'", value);
        return;
    }
    s->trained_generation = generation;
    accel_pci_train_link(s);
}

static void accel_pci_get_trained_width(Object* object, Visitor* visitor, const char* name,
                                        void* opaque, Error** errp) {
    uint32_t width = accel_pci_trained_width(ACCEL_PCI(object));

    (void)opaque;
    visit_type_uint32(visitor, name, &width, errp);
}

static void accel_pci_set_trained_width(Object* object, Visitor* visitor, const char* name,
                                        void* opaque, Error** errp) {
    AccelPci* s = ACCEL_PCI(object);
    uint32_t width;

    (void)opaque;
    if (!visit_type_uint32(visitor, name, &width, errp)) {
        return;
    }
    if (!is_power_of_2(width) || width > 32) {
        error_setg(errp, "trained-width must be 1, 2, 4, 8, 16 or 32, not %" PRIu32, width);
        return;
    }
    s->trained_width = width;
    accel_pci_train_link(s);
}

/* ---- The sensors: what the registers say --------------------------------- */

static void accel_pci_get_sensor(Object* object, Visitor* visitor, const char* name, void* opaque,
                                 Error** errp) {
    AccelPci* s = ACCEL_PCI(object);
    int64_t value = 0;

    if (s->core) {
        value = (int32_t)accel_core_register_read(s->core, (uintptr_t)opaque, 4);
    }
    visit_type_int(visitor, name, &value, errp);
}

static void accel_pci_get_ambient(Object* object, Visitor* visitor, const char* name, void* opaque,
                                  Error** errp) {
    AccelPci* s = ACCEL_PCI(object);
    int64_t value = s->core ? accel_core_ambient(s->core) : 0;

    (void)opaque;
    visit_type_int(visitor, name, &value, errp);
}

static void accel_pci_set_ambient(Object* object, Visitor* visitor, const char* name, void* opaque,
                                  Error** errp) {
    AccelPci* s = ACCEL_PCI(object);
    int64_t value;

    (void)opaque;
    if (!visit_type_int(visitor, name, &value, errp)) {
        return;
    }
    if (value < -55000 || value > 125000) {
        error_setg(errp, "%s must be from -55000 to 125000 (thousandths of a degree)", name);
        return;
    }
    if (!s->core) {
        error_setg(errp, "%s can be set when the card is plugged in (qom-set)", name);
        return;
    }
    accel_core_set_ambient(s->core, (int32_t)value);
}

/* ---- Defects ------------------------------------------------------------- */

static const char* const accel_pci_defects[] = {
    [ACCEL_DEFECT_NONE] = "none",
    [ACCEL_DEFECT_ENGINES] = "engines",
    [ACCEL_DEFECT_ADMIN] = "admin",
    [ACCEL_DEFECT_RESET] = "reset",
};

static char* accel_pci_get_defect(Object* object, Error** errp) {
    AccelPci* s = ACCEL_PCI(object);

    (void)errp;
    if (s->dead) {
        return g_strdup("dead");
    }
    return g_strdup(accel_pci_defects[s->core ? accel_core_get_defect(s->core) : 0]);
}

static void accel_pci_set_defect(Object* object, const char* value, Error** errp) {
    AccelPci* s = ACCEL_PCI(object);

    if (!s->core) {
        error_setg(errp, "defect can be set when the card is plugged in (qom-set)");
        return;
    }
    if (strcmp(value, "dead") == 0) {
        accel_core_set_defect(s->core, ACCEL_DEFECT_ENGINES);
        s->dead = true;
        return;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(accel_pci_defects); i++) {
        if (strcmp(value, accel_pci_defects[i]) == 0) {
            accel_core_set_defect(s->core, i);
            s->dead = false;
            return;
        }
    }
    error_setg(errp, "defect must be none, engines, admin, reset or dead, not '%s'", value);
}

void accel_pci_add_debug_properties(ObjectClass* klass) {
    static const struct {
        const char* name;
        uintptr_t offset;
        const char* text;
    } sensors[] = {
        {"temperature", ACCEL_REG_TEMPERATURE, "thousandths of a degree Celsius"},
        {"power", ACCEL_REG_POWER, "milliwatts"},
        {"core-clock", ACCEL_REG_CORE_CLOCK, "MHz"},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(sensors); i++) {
        object_class_property_add(klass, sensors[i].name, "int", accel_pci_get_sensor, NULL, NULL,
                                  (void*)sensors[i].offset);
        object_class_property_set_description(klass, sensors[i].name, sensors[i].text);
    }
    object_class_property_add(klass, "ambient", "int", accel_pci_get_ambient, accel_pci_set_ambient,
                              NULL, NULL);
    object_class_property_set_description(klass, "ambient",
                                          "air around the card, thousandths of a degree Celsius");
    object_class_property_add_str(klass, "defect", accel_pci_get_defect, accel_pci_set_defect);
    object_class_property_set_description(
        klass, "defect", "none; engines or admin, until a function reset; reset; dead");
    object_class_property_add_str(klass, "trained-speed", accel_pci_get_trained_speed,
                                  accel_pci_set_trained_speed);
    object_class_property_set_description(klass, "trained-speed",
                                          "GT/s that the link came up with; default: link-speed");
    object_class_property_add(klass, "trained-width", "uint32", accel_pci_get_trained_width,
                              accel_pci_set_trained_width, NULL, NULL);
    object_class_property_set_description(klass, "trained-width",
                                          "lanes that the link came up with; default: link-width");
}
