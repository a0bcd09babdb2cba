/* SPDX-License-Identifier: GPL-2.0 */
/*
 * perf_counters.c - a TCG plugin for QEMU that counts what a guest executes between two markers.
 *
 * A guest program marks a region with instructions that mean nothing else (guest/region.hpp).
 *Within it every executed instruction is counted, by address, and every access to a device's
 *registers, by device. At the region's end the counts go to a file, as text:
 *
 *	region 7
 *	i ffffffff81a00080 1024		instruction at this address: so often
 *	w accel-doorbells 32		writes to this device; r: reads
 *
 * Who executed what, system calls and interrupts are read off the addresses by who reads the file.
 *
 * Instructions are counted by a callback before each of them. QEMU starts a block again when it
 *meets an access to a device in the middle of it, but does not call for those instructions a second
 *time. Until the marker ARM nothing is instrumented but markers, so that booting is quick.
 *
 * One vCPU. usage: -plugin perf_counters.so,out=FILE
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct counter {
    uint64_t address;
    uint64_t count;
};

struct device {
    const char* name; /* QEMU's, interned */
    uint64_t reads;
    uint64_t writes;
};

static struct {
    FILE* out;
    GHashTable* counters; /* by address */
    GPtrArray* all;
    GPtrArray* devices;
    unsigned int regions; /* that ended */
    bool armed;
    bool counting;
} state;

/* nopl disp32(%rax), as in region.hpp; the letter of a marker, or 0. */
static char marker(const struct qemu_plugin_insn* insn) {
    static const unsigned char head[] = {0x0f, 0x1f, 0x80};
    const unsigned char* bytes = qemu_plugin_insn_data(insn);

    if (qemu_plugin_insn_size(insn) != 7 || memcmp(bytes, head, sizeof(head)) ||
        memcmp(bytes + 4, "CCA", 3)) {
        return 0;
    }
    return (char)bytes[3];
}

static void forget(void) {
    for (guint i = 0; i < state.all->len; i++) {
        ((struct counter*)g_ptr_array_index(state.all, i))->count = 0;
    }
    for (guint i = 0; i < state.devices->len; i++) {
        struct device* device = g_ptr_array_index(state.devices, i);

        device->reads = device->writes = 0;
    }
}

static void write_region(void) {
    fprintf(state.out, "region %u\n", state.regions++);
    for (guint i = 0; i < state.all->len; i++) {
        const struct counter* counter = g_ptr_array_index(state.all, i);

        if (counter->count) {
            fprintf(state.out, "i %" PRIx64 " %" PRIu64 "\n", counter->address, counter->count);
        }
    }
    for (guint i = 0; i < state.devices->len; i++) {
        const struct device* device = g_ptr_array_index(state.devices, i);

        if (device->reads) {
            fprintf(state.out, "r %s %" PRIu64 "\n", device->name, device->reads);
        }
        if (device->writes) {
            fprintf(state.out, "w %s %" PRIu64 "\n", device->name, device->writes);
        }
    }
    fflush(state.out);
}

static void on_instruction(unsigned int vcpu, void* opaque) {
    (void)vcpu;
    if (state.counting) {
        ((struct counter*)opaque)->count++;
    }
}

static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                      void* opaque) {
    struct qemu_plugin_hwaddr* place;
    struct device* device = NULL;
    const char* name;

    (void)vcpu;
    (void)opaque;
    if (!state.counting) {
        return;
    }
    place = qemu_plugin_get_hwaddr(info, address);
    if (!place || !qemu_plugin_hwaddr_is_io(place)) {
        return;
    }
    name = qemu_plugin_hwaddr_device_name(place);
    for (guint i = 0; i < state.devices->len && !device; i++) {
        struct device* known = g_ptr_array_index(state.devices, i);

        device = strcmp(known->name, name) ? NULL : known;
    }
    if (!device) {
        device = g_new0(struct device, 1);
        device->name = g_intern_string(name);
        g_ptr_array_add(state.devices, device);
    }
    if (qemu_plugin_mem_is_store(info)) {
        device->writes++;
    } else {
        device->reads++;
    }
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb* block);

static void instrument(qemu_plugin_id_t id) {
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
}

static qemu_plugin_id_t plugin;

static void on_marker(unsigned int vcpu, void* opaque) {
    (void)vcpu;
    switch (GPOINTER_TO_INT(opaque)) {
        case 'A':
            if (!state.armed) {
                state.armed = true;
                qemu_plugin_reset(plugin, instrument); /* everything is translated anew */
            }
            break;
        case 'B':
            forget();
            state.counting = true;
            break;
        case 'P':
            state.counting = false;
            break;
        case 'R':
            state.counting = true;
            break;
        case 'E':
            state.counting = false;
            write_region();
            break;
    }
}

static struct counter* find_counter(uint64_t address) {
    struct counter* counter = g_hash_table_lookup(state.counters, &address);

    if (!counter) {
        counter = g_new0(struct counter, 1);
        counter->address = address;
        g_hash_table_insert(state.counters, &counter->address, counter);
        g_ptr_array_add(state.all, counter);
    }
    return counter;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(block, i);
        const char letter = marker(insn);

        if (letter) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, QEMU_PLUGIN_CB_NO_REGS,
                                                   GINT_TO_POINTER(letter));
        } else if (state.armed) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, QEMU_PLUGIN_CB_NO_REGS,
                                                   find_counter(qemu_plugin_insn_vaddr(insn)));
            qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
                                             QEMU_PLUGIN_MEM_RW, NULL);
        }
    }
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int argc,
                                           char** argv) {
    const char* file = NULL;

    for (int i = 0; i < argc; i++) {
        if (g_str_has_prefix(argv[i], "out=")) {
            file = argv[i] + strlen("out=");
        }
    }
    if (!file || !info->system_emulation || info->system.smp_vcpus != 1) {
        fprintf(stderr, "perf_counters.so: give it out=FILE and a machine with one processor\n");
        return -1;
    }
    state.out = fopen(file, "w");
    if (!state.out) {
        fprintf(stderr, "perf_counters.so: cannot write %s\n", file);
        return -1;
    }
    plugin = id;
    state.counters = g_hash_table_new(g_int64_hash, g_int64_equal);
    state.all = g_ptr_array_new();
    state.devices = g_ptr_array_new();
    instrument(id);
    return 0;
}
