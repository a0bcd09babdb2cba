/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_preload.c - what accel-pci.so does first when a program preloads it.
 *
 * QEMU has no interface for devices from outside, but Debian's binary exports its
 * symbols, so a preloaded object can register a type like any file of its own.
 * Nothing in QEMU would notice if that object were made for another version of its
 * structures. So it is checked here, in two steps, and refused with one line:
 *
 *  - at once: that the program is QEMU, and of the version of our headers;
 *  - when QEMU's types are registered and none is in use: that the structures
 *    we build upon have the size and the layout that our headers say.
 *
 * Other programs must not get the object, nor must what QEMU itself starts. One that
 * does lives long enough to be told so, because the object is linked so that a function of
 * QEMU is looked up when it is first called, and refers to data of QEMU weakly.
 */
#include "qemu/osdep.h"

#include <dlfcn.h>

#include "accel-qemu-package.h"
#include "exec/memory.h"
#include "hw/pci/pci.h"
#include "hw/pci/pcie_port.h"
#include "qapi/qapi-commands-control.h"
#include "qemu/module.h"

#define ACCEL_PRELOAD_NAME "accel-pci.so"
#define ACCEL_PRELOAD_REBUILD "run qemu-device/qemu-headers.sh and build the card again"

/* Without stdio and without exit handlers: the program may not be fit for either yet. */
static G_NORETURN void accel_preload_refuse(const char* text) {
    dprintf(STDERR_FILENO, "%s: %s\n", ACCEL_PRELOAD_NAME, text);
    _exit(1);
}

/*
 * Debian's package string is "Debian " and the version of the binary package, which is that of the
 * source package, and "+bN" if it was only built again.
 */
static bool accel_preload_same_package(const char* running) {
    const char* place = strstr(running, ACCEL_QEMU_PACKAGE);

    if (!place) {
        return false;
    }
    place += strlen(ACCEL_QEMU_PACKAGE);
    return *place == '\0' || *place == ')' || g_str_has_prefix(place, "+b");
}

static void accel_preload_check_version(void) {
    VersionInfo* running = qmp_query_version(NULL);
    const VersionTriple* version = running->qemu;
    char text[512];

    if (version->major != QEMU_VERSION_MAJOR || version->minor != QEMU_VERSION_MINOR ||
        version->micro != QEMU_VERSION_MICRO || !accel_preload_same_package(running->package)) {
        snprintf(text, sizeof(text),
                 "built for QEMU %s (%s), but this is QEMU %" PRId64 ".%" PRId64 ".%" PRId64
                 " (%s): " ACCEL_PRELOAD_REBUILD,
                 QEMU_VERSION, ACCEL_QEMU_PACKAGE, version->major, version->minor, version->micro,
                 running->package);
        accel_preload_refuse(text);
    }
    qapi_free_VersionInfo(running);
}

/* The version says that the layouts are right; this catches a header made with other options. */
static void accel_preload_check_layout(void) {
    static const struct {
        const char* name;
        size_t size;
    } types[] = {
        {TYPE_OBJECT, sizeof(Object)},
        {TYPE_DEVICE, sizeof(DeviceState)},
        {TYPE_PCI_DEVICE, sizeof(PCIDevice)},
        {TYPE_PCIE_PORT, sizeof(PCIEPort)},
        {TYPE_MEMORY_REGION, sizeof(MemoryRegion)},
    };
    char text[512];

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        const size_t running = object_type_get_instance_size(types[i].name);

        if (running != types[i].size) {
            snprintf(text, sizeof(text),
                     "built for a QEMU whose type '%s' has %zu bytes, but here it has "
                     "%zu: " ACCEL_PRELOAD_REBUILD,
                     types[i].name, types[i].size, running);
            accel_preload_refuse(text);
        }
    }
    /* The size of a class is not to be had; but what stands in one that is known, is. */
    const ObjectClass* port = object_class_by_name("pcie-root-port");

    if (port) {
        const PCIDeviceClass* pci = (const PCIDeviceClass*)port;

        if (pci->vendor_id != PCI_VENDOR_ID_REDHAT ||
            pci->device_id != PCI_DEVICE_ID_REDHAT_PCIE_RP || !pci->is_bridge) {
            accel_preload_refuse(
                "built for a QEMU whose PCI device class looks different: " ACCEL_PRELOAD_REBUILD);
        }
    }
}

/* Before the constructor by which the type registers itself (type_init in accel_pci.c). */
static __attribute__((constructor(101))) void accel_preload(void) {
    unsetenv("LD_PRELOAD");
    if (!dlsym(RTLD_DEFAULT, "qmp_query_version") || !dlsym(RTLD_DEFAULT, "pci_register_bar")) {
        char text[512];

        snprintf(text, sizeof(text),
                 "%s is not a qemu-system program that exports its symbols: preload the card into "
                 "QEMU alone, as qemu-device/qemu-accel does",
                 program_invocation_name);
        accel_preload_refuse(text);
    }
    accel_preload_check_version();
    /* The first list of constructors that QEMU runs after that of its types. */
    register_module_init(accel_preload_check_layout, MODULE_INIT_MIGRATION);
}
