# SPDX-License-Identifier: Apache-2.0
"""accelctl coredump explains the numbers of a dump, and finds the dump of a card."""

import struct
import subprocess
import unittest

from machine import BUILD, ToolTest

FILL = struct.pack("<BBHIQQQQQIIII", 0x11, 0, 4, 0, 0, 0x7F0000001000, 0, 64, 0, 1, 0, 0, 0)
CALL = struct.pack("<BBHIQQIIQQQQ", 0x01, 1, 0, 0, 0x2000, 0x10000, 12, 2, 0x3000, 0x4000, 0, 0)
COPY = struct.pack("<BBHIQQQQQQII", 0x10, 0, 0, 0, 0, 1 << 63 | 2 << 48 | 64, 8, 256, 0, 0, 1, 0)

INVALIDATE = struct.pack("<BxxxIQQ40x", 3, 7, 0x1000, 0x2000)

DUMP = f"""accel-coredump: 1
[card]
node: accel0
cause: hang
pid: 4711
[commands]
sequence 17: {FILL.hex()}
sequence 18: {CALL.hex()}
sequence 19: {COPY.hex()}
[page-table]
address: 0x7f0000001000
level 3: 0x456001
level 0: 0x12300f
[registers]
status: 0x9
[admin]
command 5: {INVALIDATE.hex()}
status 5: 16
[queues]
queue 3 pid: 4711
queue 3 error: 19
queue 3 reason: 2
[reports]
queue 3 activity: 3
queue 3 opcode: 0x20
queue 3 error_address: 0x10
"""


class Coredump(ToolTest):
    def entries(self, text: str = DUMP) -> dict:
        document = self.document(self.ctl("coredump", self.file(text), "--json"))
        return {
            (section["name"], entry["key"]): (entry["value"], entry["meaning"])
            for section in document["sections"]
            for entry in section["entries"]
        }

    def file(self, text: str) -> str:
        path = self.folder / "dump"
        path.write_text(text)
        return str(path)

    def test_numbers_have_their_meanings(self):
        entries = self.entries()
        self.assertEqual(entries["card", "cause"], ("hang", None))
        self.assertEqual(entries["registers", "status"], ("0x9", "ready, enabled"))
        self.assertEqual(entries["reports", "queue 3 activity"], ("3", "running"))
        self.assertIn("used all device time", entries["queues", "queue 3 error"][1])
        self.assertIn("used up its time limit", entries["queues", "queue 3 reason"][1])
        self.assertIsNone(entries["queues", "queue 3 pid"][1])
        self.assertEqual(entries["reports", "queue 3 opcode"], ("0x20", "GEMM"))
        self.assertIsNone(entries["reports", "queue 3 error_address"][1])
        self.assertEqual(entries["page-table", "level 3"][1], "table at 0x456000")
        self.assertEqual(
            entries["page-table", "level 0"][1],
            "page at 0x123000 on the bus, readable, writable",
        )
        self.assertIsNone(entries["page-table", "address"][1])

    def test_commands_are_decoded(self):
        entries = self.entries()
        self.assertEqual(
            entries["commands", "sequence 17"][1],
            "FILL dst=0x7f0000001000 pattern=0x0 pattern_bytes=4 bytes=64",
        )
        self.assertEqual(
            entries["commands", "sequence 18"][1],
            "CALL list=0x10000 count=12 arguments=2 argument0=0x3000 argument1=0x4000 "
            "record=0x2000",
        )
        self.assertEqual(
            entries["commands", "sequence 19"][1], "COPY dst=argument(2)+0x40 src=0x8 bytes=256"
        )
        self.assertTrue(
            entries["admin", "command 5"][1].startswith("INVALIDATE id=7 0x1000 0x2000 ")
        )
        self.assertIn("no object with this number", entries["admin", "status 5"][1])

    def test_people_read_the_same(self):
        done = self.ctl("coredump", self.file(DUMP))
        self.expect_exit(done, 0)
        for words in ("commands\n", "= FILL dst=", "= running", "hang"):
            self.assertIn(words, done.stdout)

    def test_a_dump_comes_from_a_pipe(self):
        done = subprocess.run(
            [BUILD / "tools/accelctl", "coredump", "-"],
            input=DUMP,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertIn("= GEMM", done.stdout)

    def test_without_a_file_the_dump_of_a_card_is_found(self):
        self.machine.card()
        self.expect_exit(self.ctl("coredump"), 7, "no dump of a card")
        self.machine.write("/sys/bus/pci/devices/0000:01:00.0/devcoredump/data", DUMP)
        self.assertIn("= GEMM", self.ctl("coredump").stdout)

    def test_a_newer_format_is_read_with_a_warning(self):
        done = self.ctl("coredump", self.file(DUMP.replace("coredump: 1", "coredump: 2")))
        self.expect_exit(done, 0, "version 2")
        self.assertIn("= GEMM", done.stdout)

    def test_what_is_no_dump_is_refused(self):
        self.expect_exit(self.ctl("coredump", self.file("hello: world")), 7, "not a dump")
        self.expect_exit(self.ctl("coredump", self.file("")), 7, "not a dump")
        self.expect_exit(self.ctl("coredump", "/nosuch/file"), 7, "No such file")

    def test_any_bytes_are_read(self):
        noise = bytes(range(256)) * 64
        path = self.folder / "noise"
        path.write_bytes(
            b"accel-coredump: 1\n[queue 1]\nerror: 99\nx: " + b"f" * 128 + b"\n" + noise
        )
        done = subprocess.run(
            [BUILD / "tools/accelctl", "coredump", path, "--json"],
            capture_output=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
