# SPDX-License-Identifier: Apache-2.0
"""`accelctl bundle`: everything that --root needs, and nothing that belongs to users."""

import os
import subprocess
import tarfile
from pathlib import Path

from machine import ToolTest


class Bundle(ToolTest):
    def setUp(self) -> None:
        super().setUp()
        self.card = self.machine.card(events="3 1000000000 started generation=0")
        self.machine.card("0000:02:00.0", 1, serial=2, width=4, port="0000:00:03.0")
        self.machine.process(4711, "python3")
        self.machine.write("/proc/4711/environ", "TOKEN=hunter2")
        self.machine.write("/proc/cmdline", "quiet luks.key=hunter2 iommu=pt")
        self.machine.write(
            "/dev/kmsg",
            "6,1,1,-;accel 0000:01:00.0: accel0: serial 1\n"
            "6,2,1,-;usb 1-1: SerialNumber: hunter2\n"
            "4,3,1,-;pcieport 0000:00:02.0: AER: error of 0000:01:00.0",
        )
        self.machine.write(f"{self.card}/devcoredump/data", "hunter2")
        self.machine.write(f"{self.card}/resource0", "hunter2")
        self.machine.write(f"{self.card}/reset", "hunter2")

    def unpacked(self, *arguments: str) -> Path:
        path = self.folder / "b.tar.gz"
        self.expect_exit(self.ctl("bundle", str(path), *arguments), 0)
        with tarfile.open(path) as archive:
            archive.extractall(self.folder / "copy", filter="data")
        return self.folder / "copy/accel-bundle"

    def test_the_tools_read_it_as_they_read_the_machine(self):
        copy = str(self.unpacked())
        for tool, arguments in (
            ("accelctl", ("info", "--json")),
            ("accelctl", ("topology",)),
            ("lsaccel", ("-vv",)),
            ("lsaccel", ("-t",)),
        ):
            here = self.run_tool(tool, *arguments)
            there = self.run_tool(tool, "--root", copy, *arguments, here=True)
            self.expect_exit(there, 0)
            if arguments == ("info", "--json"):
                cards = self.document(there)["cards"]
                self.assertEqual(cards, self.document(here)["cards"])
            elif tool == "accelctl":
                self.assertEqual(there.stdout, here.stdout)
            else:  # processes are not copied
                lines = [line for line in here.stdout.splitlines() if "Held by" not in line]
                kept = [line for line in there.stdout.splitlines() if "Held by" not in line]
                self.assertEqual(kept, lines)

    def test_it_has_the_events(self):
        copy = self.unpacked()
        done = self.ctl("--root", str(copy), "events", "--json", here=True)
        self.assertEqual([e["event"] for e in self.document(done)["events"]], ["started"])

    def test_the_list_names_every_file_and_the_reports_are_there(self):
        copy = self.unpacked()
        listed = (copy / "CONTENT.txt").read_text().split("Files:\n")[1].splitlines()
        found = [
            str((Path(folder) / name).relative_to(copy))
            for folder, _, names in os.walk(copy)
            for name in names
        ]
        self.assertLessEqual(set(found) - {"CONTENT.txt"}, set(listed))
        self.assertIn("accel0", (copy / "report/info.txt").read_text())
        self.assertIn("started", (copy / "report/events.txt").read_text())
        self.assertIn("LnkSta", (copy / "report/lsaccel.txt").read_text())
        self.assertIn("0000:01:00.0", (copy / "report/coredumps.txt").read_text())
        self.assertTrue((copy / "report/accelctl-version.txt").read_text().startswith("accelctl "))

    def test_it_has_no_data_of_users(self):
        copy = self.unpacked()
        for path in copy.rglob("*"):
            if path.is_file() and not path.is_symlink():
                self.assertNotIn(b"hunter2", path.read_bytes(), path)
        self.assertEqual((copy / "proc/cmdline").read_text(), "iommu=pt\n")
        log = (copy / "dev/kmsg").read_text()
        self.assertEqual(log.count("\n"), 2)
        self.assertIn("AER: error of 0000:01:00.0", log)

    def test_it_has_a_name_and_prints_how_to_look_into_it(self):
        done = self.ctl("bundle", cwd=self.folder)
        self.expect_exit(done, 0)
        names = [name for name in os.listdir(self.folder) if name.startswith("accel-bundle-")]
        self.assertEqual(len(names), 1)
        self.assertIn(f"tar -xOf {names[0]} accel-bundle/CONTENT.txt", done.stdout)
        document = self.document(self.ctl("bundle", str(self.folder / "x.tgz"), "--json"))
        self.assertTrue(document["kernel_log"])
        path = self.folder / "it's here.tar.gz"
        line = self.ctl("bundle", str(path)).stdout.splitlines()[-1]
        listed = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
        self.assertIn(b"report/", listed.stdout)
        self.assertNotIn("tar -x", self.ctl("bundle", "/dev/null").stdout)

    def test_a_machine_without_a_card_or_a_log_has_a_bundle_too(self):
        for name in ("sys/bus/pci/devices", "sys/class/accel-card"):
            for link in (self.machine.root / name).iterdir():
                link.unlink()
        (self.machine.root / "dev/kmsg").unlink()
        done = self.ctl("bundle", str(self.folder / "b.tar.gz"))
        self.expect_exit(done, 0)
        self.assertIn("log is missing", done.stdout)
        self.expect_exit(self.ctl("bundle", "/nosuch/b.tar.gz"), 7, "there is no folder /nosuch")
