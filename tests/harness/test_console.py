# SPDX-License-Identifier: Apache-2.0
"""The console watcher finds every complaint of the kernel, and nothing else."""

import re
import tempfile
import unittest
from pathlib import Path

from accelvm import known
from accelvm.console import REPORT_LINES, Watcher, bad_taint
from accelvm.debug_kernel import FRAGMENT, missing_lines
from accelvm.verdict import VmError

COMPLAINTS = (
    "WARNING: CPU: 0 PID: 71 at /x/accel_drv.c:12 accel_probe+0x10/0x20 [accel]",
    "WARNING: possible circular locking dependency detected",
    "WARNING: suspicious RCU usage",
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "BUG: unable to handle page fault for address: ffffb1d5c0200000",
    "BUG: sleeping function called from invalid context at mm/slab.h:420",
    "BUG: KASAN: slab-out-of-bounds in accel_ioctl+0x1/0x2 [accel]",
    "BUG: Bad page map in process sh  pte:80 pmd:1",
    "BUG: scheduling while atomic: insmod/71/0x00000002",
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [insmod:71]",
    "kernel BUG at /x/accel_drv.c:12!",
    "Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1]",
    "invalid opcode: 0000 [#1] PREEMPT SMP",
    "INFO: task insmod:71 blocked for more than 90 seconds.",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "refcount_t: underflow; use-after-free.",
    "list_del corruption. prev->next should be ffff, but was 0000",
    "DMA-API: accel 0000:01:00.0: device driver frees DMA memory it has not allocated",
    "DMA-API: cacheline tracking ENOMEM, dma-debug disabled",
    "resource: Trying to free nonexistent resource <0x00000000fe840000-0x00000000fe84ffff>",
    "UBSAN: shift-out-of-bounds in /x/accel_mmu.c:7:3",
    "ODEBUG: free active (active state 0) object type: timer_list hint: accel_timer+0x0/0x10",
    "kmemleak: unreferenced object 0xffff888003a5c000 (size 64):",
    "DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0xfffff000 [fault reason 0x06]",
    'irq 24: nobody cared (try booting with the "irqpoll" option)',
    "insmod: page allocation failure: order:10, mode:0xcc0(GFP_KERNEL), nodemask=(null)",
    "accel: Unknown symbol dma_buf_export (err -2)",
    "sysfs: cannot create duplicate filename '/class/accelerator/accel0'",
    "pcieport 0000:00:03.0: AER: Uncorrected (Fatal) error received: 0000:01:00.0",
)

HARMLESS = (
    "Command line: console=ttyS0 panic=-1 oops=panic panic_on_warn=1",
    "Kernel command line: console=ttyS0 oops=panic note=BUG: no",
    "faulty_module: loading out-of-tree module taints kernel.",
    "faulty_module: module verification failed: signature and/or required key missing - "
    "tainting kernel",
    "accel-vm: running WARNING: tests",
    "accel 0000:01:00.0: firmware 1.0.0, 16 queues",
    "tests[99]: segfault at 0 ip 0000000000401136 sp 00007ffd error 6 in tests[401000+1000]",
    "traps: tests[99] general protection fault ip:401136 sp:7ffd error:0",
    "x86/fpu: Supporting XSAVE feature 0x001: 'x87 floating point registers'",
    "DMAR: Host address width 39",
    "PCI: Using configuration type 1 for base access",
    "pcieport 0000:00:03.0: AER: enabled with IRQ 24",
    "DMA-API: preallocated 65536 debug entries",
    "DMA-API: debugging enabled by kernel config",
    "DMA-API: debugging disabled on kernel command line",
    "Spectre V2 : WARN-ings are off",
)


def found_in(text: str, **arguments) -> Watcher:
    watcher = Watcher(**arguments)
    watcher.feed(text)
    watcher.finish()
    return watcher


class Console(unittest.TestCase):
    def test_every_known_complaint_is_found(self):
        for line in COMPLAINTS:
            for text in (
                line,
                f"[    1.234567] {line}\r\n",
                f"before\n[12345.000001] {line}\nafter\n",
            ):
                with self.subTest(line=line):
                    self.assertEqual(found_in(text).complaint.line, line)

    def test_messages_of_a_healthy_kernel_are_no_complaint(self):
        for line in HARMLESS:
            with self.subTest(line=line):
                self.assertIsNone(found_in(f"[    0.000000] {line}\n").complaint)

    def test_a_line_that_comes_in_pieces_is_found_once_it_is_whole(self):
        watcher = Watcher()
        for piece in ("[ 1.0] WARN", "ING: CP", "U: 0 PID: 1"):
            watcher.feed(piece)
            self.assertIsNone(watcher.complaint)
        watcher.feed("\n")
        self.assertIsNotNone(watcher.complaint)

    def test_a_last_line_without_newline_counts(self):
        self.assertIsNotNone(found_in("fine\nkernel BUG at a.c:1!").complaint)

    def test_the_first_complaint_is_the_one_reported(self):
        self.assertIn("first", found_in("WARNING: first\nBUG: second\n").complaint.line)

    def test_a_complaint_names_the_program_that_ran(self):
        watcher = found_in("[ 1.0] accel-vm: running driver_tests\n[ 1.1] WARNING: CPU: 0\n")
        self.assertEqual(watcher.complaint.running, "driver_tests")
        self.assertIn("driver_tests", str(watcher.complaint))

    def test_a_fault_of_the_emulator_in_patched_code_is_recognized(self):
        for line in (
            "Oops: int3: 0000 [#1] PREEMPT SMP NOPTI",
            "int3: 0000 [#1] PREEMPT SMP NOPTI",
        ):
            self.assertTrue(found_in(f"[    1.670000] {line}\n").mispatched)
        self.assertFalse(found_in("traps: int3 in tests[99]\n").mispatched)

    def test_only_allowed_lines_are_ignored(self):
        text = "DMAR: [DMA Read] fault addr 0x1\nWARNING: CPU: 0\n"
        self.assertIn("WARNING", found_in(text, allowed=[r"DMAR: \[DMA Read\]"]).complaint.line)

    def test_a_panic_is_reported_with_its_reason(self):
        self.assertEqual(
            found_in("[ 3.0] Kernel panic - not syncing: sysrq triggered crash\n").panic,
            "sysrq triggered crash",
        )


KNOWN = """
[[known]]
name = "overlap"
complaint = "cacheline tracking EEXIST|at kernel/dma/debug.c"
trace = "ours_copy"
reason = "because"
control = "Control.Some"
control_trace = "theirs"
"""
REPORT = """\
[ 1.000001] ------------[ cut here ]------------
[ 1.000002] DMA-API: accel 0000:01:00.0: cacheline tracking EEXIST, overlapping mappings
[ 1.000003] WARNING: CPU: 0 PID: 7 at kernel/dma/debug.c:570 add_dma_entry+0x1/0x2
[ 1.000004]  {trace}+0x1/0x2
[ 1.000005] ---[ end trace 0000000000000000 ]---
[ 1.000006] DMA-API: Mapped at:
[ 1.000007]  debug_dma_map_page+0x1/0x2
"""


class Known(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(KNOWN)
            file.flush()
            self.known = known.read(Path(file.name))
            self.controls = known.read(Path(file.name), controls=True)

    def test_a_known_complaint_with_its_trace_is_counted_and_is_no_fault(self):
        watcher = found_in(2 * REPORT.format(trace="ours_copy"), known=self.known)
        self.assertIsNone(watcher.complaint)
        self.assertEqual(watcher.known_seen, {"overlap": 2})

    def test_the_same_complaint_with_another_trace_is_a_fault(self):
        watcher = found_in(REPORT.format(trace="ours_register"), known=self.known)
        self.assertIn("EEXIST", watcher.complaint.line)
        self.assertEqual(watcher.known_seen, {})

    def test_a_control_has_a_trace_of_its_own(self):
        text = REPORT.format(trace="theirs")
        self.assertIsNotNone(found_in(text, known=self.known).complaint)
        self.assertIsNone(found_in(text, known=self.controls).complaint)

    def test_another_complaint_in_the_same_report_is_a_fault(self):
        text = REPORT.format(trace="ours_copy").replace(
            "[ 1.000004]", "[ 1.000004] BUG: KASAN: use-after-free in f\n[ 1.000004]"
        )
        self.assertIn("EEXIST", found_in(text, known=self.known).complaint.line)

    def test_a_report_ends_where_the_next_one_begins(self):
        text = "WARNING: first\n" + REPORT.format(trace="ours_copy")
        watcher = found_in(text, known=self.known)
        self.assertEqual(watcher.complaint.line, "WARNING: first")
        self.assertEqual(watcher.known_seen, {"overlap": 1})

    def test_each_leak_is_a_report_of_its_own(self):
        leak = "kmemleak: unreferenced object 0x1 (size 64):\nkmemleak:   backtrace:\n"
        text = leak + leak + "kmemleak:     ours_copy+0x1\n"
        entries = [known.Known("leak", re.compile("unreferenced"), re.compile("ours_copy"), "", "")]
        watcher = found_in(text, known=entries)
        self.assertIsNotNone(watcher.complaint)
        self.assertEqual(watcher.known_seen, {"leak": 1})

    def test_a_trace_far_below_does_not_excuse(self):
        text = "DMA-API: x: cacheline tracking EEXIST\n" + "x\n" * REPORT_LINES + "ours_copy\n"
        self.assertIsNotNone(found_in(text, known=self.known).complaint)

    def test_a_report_that_is_cut_off_counts(self):
        self.assertIsNotNone(found_in("WARNING: first", known=self.known).complaint)

    def test_the_entries_of_the_debug_kernel_are_complete(self):
        entries = known.read(FRAGMENT.with_name("known.toml"))
        self.assertEqual(len({entry.name for entry in entries}), len(entries))
        controls = FRAGMENT.with_name("controls_test.cpp").read_text()
        for entry in entries:
            with self.subTest(entry=entry.name):
                self.assertTrue(entry.reason.strip())
                suite, _, name = entry.control.partition(".")
                self.assertIn(f"TEST({suite}, {name})", controls)

    def test_an_incomplete_entry_is_refused(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(KNOWN.replace('reason = "because"', ""))
            file.flush()
            with self.assertRaises(VmError):
                known.read(Path(file.name))


class Fragment(unittest.TestCase):
    def test_a_line_that_kconfig_dropped_is_named(self):
        fragment = "# CPU\nCONFIG_SMP=y\n\nCONFIG_NR_CPUS=4\nCONFIG_GONE=y\n"
        config = "CONFIG_SMP=y\nCONFIG_NR_CPUS=2\n# CONFIG_GONE is not set\n"
        self.assertEqual(missing_lines(fragment, config), ["CONFIG_NR_CPUS=4", "CONFIG_GONE=y"])
        self.assertEqual(missing_lines(fragment, fragment), [])


class Taint(unittest.TestCase):
    def test_a_warning_is_no_fault_if_it_was_a_known_one(self):
        self.assertEqual(bad_taint(1 << 9 | 1 << 12, known=True), 0)
        self.assertEqual(bad_taint(1 << 7, known=True), 1 << 7)

    def test_an_unsigned_module_from_outside_the_tree_is_no_fault(self):
        self.assertEqual(bad_taint(1 << 12 | 1 << 13), 0)

    def test_every_other_bit_is(self):
        for bit in set(range(19)) - {12, 13}:
            with self.subTest(bit=bit):
                self.assertEqual(bad_taint(1 << bit | 1 << 12), 1 << bit)
