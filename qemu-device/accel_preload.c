/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_preload.c - checks that accel-pci.so runs in the QEMU for which it was
 * built, when a program preloads it.
 *
 * QEMU has no interface for external devices. But Debian's binary exports its
 * symbols, so a preloaded object can register a type like a file of QEMU. QEMU
 * would not notice an object that was built for other versions of its
 * structures. So this file checks, and exits with one line if a check fails:
 *
 *  - at once: that the program is QEMU, of the same version as the headers;
 *  - after QEMU has registered its types, before it uses them: that structures
 *    on which the card depends have the size and layout of the headers.
 *
 * The card must be preloaded neither into other programs nor into programs that
 * QEMU starts. A program that preloads it nevertheless survives until this file
 * reports the mistake: the object binds QEMU's functions lazily, when they are
 * first called, and its references to QEMU's data are weak.
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
#define ACCEL_PRELOAD_REBUILD                                                  \
    "run qemu-device/qemu-headers.sh and build the card again"

/* Uses neither stdio nor exit handlers, which may not be initialized yet. */
static G_NORETURN void accel_preload_refuse(const char *text)
{
    dprintf(STDERR_FILENO, "%s: %s\n", ACCEL_PRELOAD_NAME, text);
    _exit(1);
}

/*
 * Debian's package string is "Debian " and the version of the binary package:
 * the version of the source package, with "+bN" after a rebuild.
 */
static bool accel_preload_same_package(const char *running)
{
    const char *suffix = strstr(running, ACCEL_QEMU_PACKAGE);

    if (!suffix) {
        return false;
    }
    suffix += strlen(ACCEL_QEMU_PACKAGE);
    return *suffix == '\0' || *suffix == ')' || g_str_has_prefix(suffix, "+b");
}

static void accel_preload_check_version(void)
{
    VersionInfo *running = qmp_query_version(NULL);
    const VersionTriple *version = running->qemu;
    char text[512];

    if (version->major != QEMU_VERSION_MAJOR ||
        version->minor != QEMU_VERSION_MINOR ||
        version->micro != QEMU_VERSION_MICRO ||
        !accel_preload_same_package(running->package)) {
        snprintf(text, sizeof(text),
                 "the card was built for QEMU %s (%s), but this is QEMU "
                 "%" PRId64 ".%" PRId64 ".%" PRId64 " (%s): "
                 ACCEL_PRELOAD_REBUILD,
                 QEMU_VERSION, ACCEL_QEMU_PACKAGE, version->major,
                 version->minor, version->micro, running->package);
        accel_preload_refuse(text);
    }
    qapi_free_VersionInfo(running);
}

/* Equal versions differ in layout if they are configured with other options. */
static void accel_preload_check_layout(void)
{
    static const struct {
        const char *name;
        size_t size;
    } types[] = {
        { TYPE_OBJECT, sizeof(Object) },
        { TYPE_DEVICE, sizeof(DeviceState) },
        { TYPE_PCI_DEVICE, sizeof(PCIDevice) },
        { TYPE_PCIE_PORT, sizeof(PCIEPort) },
        { TYPE_MEMORY_REGION, sizeof(MemoryRegion) },
    };
    const ObjectClass *port;
    char text[512];

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        const size_t running = object_type_get_instance_size(types[i].name);

        if (running != types[i].size) {
            snprintf(text, sizeof(text),
                     "the card was built for a QEMU whose type '%s' has %zu "
                     "bytes, but here it has %zu bytes: " ACCEL_PRELOAD_REBUILD,
                     types[i].name, types[i].size, running);
            accel_preload_refuse(text);
        }
    }
    /* QEMU does not tell the size of a class, so known values are compared. */
    port = object_class_by_name("pcie-root-port");
    if (port) {
        const PCIDeviceClass *pci = (const PCIDeviceClass *)port;

        if (pci->vendor_id != PCI_VENDOR_ID_REDHAT ||
            pci->device_id != PCI_DEVICE_ID_REDHAT_PCIE_RP || !pci->is_bridge) {
            accel_preload_refuse("the card was built for a QEMU with another "
                                 "layout of PCI device classes: "
                                 ACCEL_PRELOAD_REBUILD);
        }
    }
}

/* Runs before the constructor that registers the type (type_init). */
static __attribute__((constructor(101))) void accel_preload(void)
{
    unsetenv("LD_PRELOAD");
    if (!dlsym(RTLD_DEFAULT, "qmp_query_version") ||
        !dlsym(RTLD_DEFAULT, "pci_register_bar")) {
        char text[512];

        snprintf(text, sizeof(text),
                 "%s is not a qemu-system program that exports its symbols: "
                 "preload the card only into QEMU, as qemu-device/qemu-accel "
                 "does", program_invocation_name);
        accel_preload_refuse(text);
    }
    accel_preload_check_version();
    /* QEMU runs this list of constructors first after the list of its types. */
    register_module_init(accel_preload_check_layout, MODULE_INIT_MIGRATION);
}
