/* SPDX-License-Identifier: GPL-2.0 */
/*
 * perf_counters.c - a TCG plugin for QEMU that counts what a guest executes between two markers.
 *
 * A guest program marks a region with special instructions (guest/region.hpp). Within a region the
 * plugin counts every executed instruction, by address, and every access to a device's registers,
 * by device. At the end of a region it writes the counts to a file, as text:
 *
 *	region 7
 *	i ffffffff81a00080 1024		the executions of the instruction at this address
 *	w accel-doorbells 32		the writes to this device; r: the reads
 *
 * The reader of the file finds functions, system calls and interrupts by the addresses.
 *
 * A callback before each instruction counts it. QEMU restarts a block at an access to a device, but
 * does not repeat the callbacks of that block. Before the marker ARM only markers are instrumented,
 * so that the guest boots fast.
 *
 * The machine must have one vCPU. Usage: -plugin perf_counters.so,out=FILE
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
    const char* name; /* interned */
    uint64_t reads;
    uint64_t writes;
};

static struct {
    FILE* out;
    GHashTable* counters; /* by address */
    GPtrArray* all;
    GPtrArray* devices;
    unsigned int regions; /* so far */
    bool armed;
    bool counting;
} state;

/* Returns the letter of a marker, which is the nopl disp32(%rax) of region.hpp, or 0. */
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
    struct qemu_plugin_hwaddr* hwaddr;
    struct device* device = NULL;
    const char* name;

    (void)vcpu;
    (void)opaque;
    if (!state.counting) {
        return;
    }
    hwaddr = qemu_plugin_get_hwaddr(info, address);
    if (!hwaddr || !qemu_plugin_hwaddr_is_io(hwaddr)) {
        return;
    }
    name = qemu_plugin_hwaddr_device_name(hwaddr);
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
                qemu_plugin_reset(plugin, instrument); /* translates all code again */
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
        fprintf(stderr, "perf_counters.so: needs out=FILE and a machine with one processor\n");
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
