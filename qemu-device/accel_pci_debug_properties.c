/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_pci_debug_properties.c - properties that tests read and set while the
 * machine runs, with qom-get and qom-set of QEMU's monitor: sensors, ambient
 * temperature, the trained link, and planted defects. docs/concepts/emulation.md lists
 * them.
 *
 * QEMU calls all of this with the BQL held.
 */
#include "accel_pci.h"

#include "qapi/visitor.h"

/* ---- The trained link ---------------------------------------------------- */

static char *accel_pci_get_trained_speed(Object *object, Error **errp)
{
    const AccelPCIState *s = ACCEL_PCI(object);
    const unsigned int generation = accel_pci_trained_generation(s);

    return g_strdup(accel_pci_generation_speed(generation));
}

static void accel_pci_set_trained_speed(Object *object, const char *value,
                                        Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(object);
    const unsigned int generation = accel_pci_speed_generation(value);

    if (!generation) {
        error_setg(errp, "trained-speed must be 2_5, 5, 8, 16, 32 or 64 "
                   "(GT/s), not '%s'", value);
        return;
    }
    s->trained_generation = generation;
    accel_pci_train_link(s);
}

static void accel_pci_get_trained_width(Object *object, Visitor *visitor,
                                        const char *name, void *opaque,
                                        Error **errp)
{
    uint32_t width = accel_pci_trained_width(ACCEL_PCI(object));

    visit_type_uint32(visitor, name, &width, errp);
}

static void accel_pci_set_trained_width(Object *object, Visitor *visitor,
                                        const char *name, void *opaque,
                                        Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(object);
    uint32_t width;

    if (!visit_type_uint32(visitor, name, &width, errp)) {
        return;
    }
    if (!is_power_of_2(width) || width > 32) {
        error_setg(errp,
                   "trained-width must be 1, 2, 4, 8, 16 or 32, not %" PRIu32,
                   width);
        return;
    }
    s->trained_width = width;
    accel_pci_train_link(s);
}

/* ---- Sensors ------------------------------------------------------------- */

static void accel_pci_get_sensor(Object *object, Visitor *visitor,
                                 const char *name, void *opaque, Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(object);
    int64_t value = 0;

    if (s->core) {
        const uintptr_t offset = (uintptr_t)opaque;

        value = (int32_t)accel_core_register_read(s->core, offset, 4);
    }
    visit_type_int(visitor, name, &value, errp);
}

static void accel_pci_get_ambient(Object *object, Visitor *visitor,
                                  const char *name, void *opaque, Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(object);
    int64_t value = s->core ? accel_core_ambient(s->core) : 0;

    visit_type_int(visitor, name, &value, errp);
}

static void accel_pci_set_ambient(Object *object, Visitor *visitor,
                                  const char *name, void *opaque, Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(object);
    int64_t value;

    if (!visit_type_int(visitor, name, &value, errp)) {
        return;
    }
    if (value < -55000 || value > 125000) {
        error_setg(errp, "%s must be from -55000 to 125000 thousandths of a "
                   "degree Celsius, not %" PRId64, name, value);
        return;
    }
    if (!s->core) {
        error_setg(errp, "%s can only be set once the card is plugged in: use "
                   "qom-set instead of a -device option", name);
        return;
    }
    accel_core_set_ambient(s->core, (int32_t)value);
}

/* ---- Planted defects ----------------------------------------------------- */

static const char *const accel_pci_defects[] = {
    [ACCEL_DEFECT_NONE] = "none",
    [ACCEL_DEFECT_ENGINES] = "engines",
    [ACCEL_DEFECT_ADMIN] = "admin",
    [ACCEL_DEFECT_RESET] = "reset",
    [ACCEL_DEFECT_EVENTS] = "events",
    [ACCEL_DEFECT_PROGRESS] = "progress",
    [ACCEL_DEFECT_DUPLICATES] = "duplicates",
};

static char *accel_pci_get_defect(Object *object, Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(object);

    if (s->dead) {
        return g_strdup("dead");
    }
    return g_strdup(
        accel_pci_defects[s->core ? accel_core_get_defect(s->core) : 0]);
}

static void accel_pci_set_defect(Object *object, const char *value,
                                 Error **errp)
{
    AccelPCIState *s = ACCEL_PCI(object);

    if (!s->core) {
        error_setg(errp, "defect can only be set once the card is plugged in: "
                   "use qom-set instead of a -device option");
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
    error_setg(errp,
               "defect must be none, engines, admin, reset, events, progress, "
               "duplicates or dead, not '%s'", value);
}

void accel_pci_add_debug_properties(ObjectClass *klass)
{
    static const struct {
        const char *name;
        uintptr_t offset;
        const char *text;
    } sensors[] = {
        { "temperature", ACCEL_REG_TEMPERATURE,
          "thousandths of a degree Celsius" },
        { "power", ACCEL_REG_POWER, "milliwatts" },
        { "core-clock", ACCEL_REG_CORE_CLOCK, "MHz" },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(sensors); i++) {
        object_class_property_add(klass, sensors[i].name, "int",
                                  accel_pci_get_sensor, NULL, NULL,
                                  (void *)sensors[i].offset);
        object_class_property_set_description(klass, sensors[i].name,
                                              sensors[i].text);
    }
    object_class_property_add(klass, "ambient", "int", accel_pci_get_ambient,
                              accel_pci_set_ambient, NULL, NULL);
    object_class_property_set_description(
        klass, "ambient",
        "temperature of the air around the card, thousandths of a degree "
        "Celsius");
    object_class_property_add_str(klass, "defect", accel_pci_get_defect,
                                  accel_pci_set_defect);
    object_class_property_set_description(
        klass, "defect",
        "planted defect: none, engines, admin, events, progress, duplicates (all "
        "until a function reset), reset or dead");
    object_class_property_add_str(klass, "trained-speed",
                                  accel_pci_get_trained_speed,
                                  accel_pci_set_trained_speed);
    object_class_property_set_description(
        klass, "trained-speed",
        "trained speed of the link, GT/s per lane; default: link-speed");
    object_class_property_add(klass, "trained-width", "uint32",
                              accel_pci_get_trained_width,
                              accel_pci_set_trained_width, NULL, NULL);
    object_class_property_set_description(
        klass, "trained-width",
        "trained width of the link, lanes; default: link-width");
}
