# SPDX-License-Identifier: Apache-2.0
"""lsaccel: its output agrees with lspci, and the rest with the files of the machine."""

import os
import subprocess
import unittest

from machine import DUMP, ToolTest, config_space


def lspci(*arguments: str) -> str:
    return subprocess.run(
        ["lspci", "-F", str(DUMP), *arguments], capture_output=True, text=True, check=True
    ).stdout


class Dump(ToolTest):
    """Compares with lspci; both read the same dump of the emulated card."""

    def dump(self, *arguments: str) -> str:
        done = self.ls("-F", str(DUMP), *arguments, here=True)
        self.expect_exit(done, 0)
        return done.stdout

    def test_verbose_listings_have_the_lines_of_lspci_and_no_others(self):
        for level in ("-v", "-vv"):
            theirs, ours = lspci(level).splitlines(), self.dump(level).splitlines()
            self.assertEqual([line for line in ours if line not in theirs], [], level)
            # These registers do not concern the state of a card.
            left_out = ("DevCap2:", "DevCtl2:", "LnkSta2:", "\t\t\t ")
            self.assertEqual(
                [
                    line
                    for line in theirs
                    if line not in ours and not any(name in line for name in left_out)
                ],
                [],
                level,
            )

    def test_short_numeric_and_machine_readable_listings_equal_those_of_lspci(self):
        for options in (
            (),
            ("-n",),
            ("-nn",),
            ("-D",),
            ("-D", "-n"),
            ("-mm",),
            ("-mm", "-n"),
            ("-mm", "-v"),
            ("-mm", "-v", "-D"),
            ("-x",),
            ("-xxx",),
            ("-xxxx",),
        ):
            self.assertEqual(self.dump(*options), lspci(*options), options)

    def test_filters_select_the_same_devices_as_lspci(self):
        for options in (
            ("-s", "01:00.0"),
            ("-s", "2:"),
            ("-s", ".0"),
            ("-s", "0000:01:00"),
            ("-d", "1234:"),
            ("-d", ":acc1"),
            ("-d", "8086:"),
            ("-d", "::1200"),
        ):
            self.assertEqual(self.dump(*options), lspci(*options), options)

    def test_json_of_a_dump_agrees_with_config_space(self):
        device = self.document(self.ls("-F", str(DUMP), "--json", here=True))["devices"][0]
        self.assertEqual(
            (device["address"], device["serial"], device["card"]),
            ("0000:01:00.0", "0" * 15 + "1", None),
        )
        self.assertEqual(
            device["link"],
            {
                "speed_gts": 16.0,
                "width": 16,
                "max_speed_gts": 16.0,
                "max_width": 16,
                "downgraded": False,
            },
        )
        self.assertEqual(device["msix"], {"enabled": True, "count": 65, "masked": False})
        self.assertEqual([bar["index"] for bar in device["bars"]], [0, 2, 4])

    def test_malformed_dumps_give_a_listing_or_an_error_but_never_a_crash(self):
        text = DUMP.read_text()
        endless = text.replace("a0: 11 60", "a0: 11 a0").replace(
            "100: 01 00 82 14", "100: 01 00 82 10"
        )
        for name, content in {
            "endless": endless,
            "empty": "",
            "short": "\n".join(text.splitlines()[:3]),
            "noise": "01:00.0 x\n00: zz\n",
            "ones": "01:00.0 x\n" + "\n".join(f"{i:02x}:" + " ff" * 16 for i in range(0, 256, 16)),
        }.items():
            path = self.folder / name
            path.write_text(content)
            for options in (("-vv",), ("--json",), ("-t",), ("-xxxx",)):
                done = self.ls("-F", str(path), *options, here=True)
                self.assertIn(done.returncode, (0, 7), f"{name} {options}: {done.stderr}")


class Live(ToolTest):
    def test_without_a_card_it_prints_an_empty_list_and_succeeds(self):
        done = self.ls()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(self.document(self.ls("--json"))["devices"], [])

    def test_shows_the_state_of_the_running_system(self):
        self.machine.card()
        self.machine.process(4711, "python3")
        text = self.ls("-v").stdout
        for words in (
            "/dev/accel0, running, serial 0000000000000001, firmware 1.2.3",
            "256 MiB, 64 MiB used",
            "Interrupt vectors: 3 set up",
            "correctable RxErr 3",
            "Held by: python3 (pid 4711",
            "IOMMU group 7",
            "NUMA node 1",
            "Kernel driver in use: accel",
        ):
            self.assertIn(words, text)

    def test_json_has_card_and_clients(self):
        self.machine.card()
        self.machine.process(4711, "python3")
        device = self.document(self.ls("--json"))["devices"][0]
        self.assertEqual(device["card"]["aer"]["correctable"]["RxErr"], 3)
        self.assertEqual([client["pid"] for client in device["clients"]], [4711])
        self.assertEqual(
            (device["iommu_group"], device["numa_node"], device["driver"]), ("7", 1, "accel")
        )

    def test_a_link_below_what_both_ends_support_causes_a_warning(self):
        self.machine.card(width=4)
        done = self.ls()
        self.assertIn(
            "WARNING: the link runs at 16 GT/s x4, and both ends can do more", done.stdout
        )
        self.assertTrue(self.document(self.ls("--json"))["devices"][0]["card"]["link"]["degraded"])

    def test_a_slow_slot_is_told_from_a_fault(self):
        self.machine.card(width=8, port_width=8)
        self.assertIn("as the slot can do no more", self.ls().stdout)
        link = self.document(self.ls("--json"))["devices"][0]["card"]["link"]
        self.assertEqual((link["downgraded"], link["degraded"]), (True, False))

    def test_notes_name_what_the_user_may_not_read(self):
        self.machine.card(config=bytes(config_space(64)))
        done = self.ls("-v")
        self.expect_exit(done, 0, "config space beyond 64 bytes is root's")
        self.assertIn("Capabilities: <access denied>", done.stdout)

    def test_cards_are_listed_by_address_and_drawn_as_a_tree(self):
        self.machine.card("0000:02:00.0", 0, serial=2, port="0000:00:03.0")
        self.machine.card("0000:01:00.0", 1, serial=1)
        self.assertEqual(
            [line[:7] for line in self.ls().stdout.splitlines()], ["01:00.0", "02:00.0"]
        )
        tree = self.ls("-t", "-v").stdout.splitlines()
        self.assertRegex(tree[0], r"^-\[0000:00\]-\+-02\.0-\[01\]----00\.0  .*accel1  16 GT/s x16$")
        self.assertRegex(tree[1], r"^ +\\-03\.0-\[02\]----00\.0  .*accel0")
        self.assertIn("Node: /dev/accel1", self.ls("-k").stdout)

    def test_a_card_without_a_driver_refers_to_the_doctor(self):
        self.machine.card(node=None, driver="")
        self.assertIn("accelctl doctor", self.ls("-v").stdout)

    def test_works_for_an_unprivileged_user(self):
        self.machine.card()
        os.chmod(self.folder, 0o755)
        options = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        done = self.ls("-vv", **options)
        self.expect_exit(done, 0)
        self.assertIn("/dev/accel0, running", done.stdout)


class Errors(ToolTest):
    def test_invalid_filters_are_explained(self):
        self.expect_exit(self.ls("-s", "zz"), 2, "-s zz", "such as -s 01:00.0")
        self.expect_exit(self.ls("-d", "12345678:"), 2, "-d 12345678:")

    def test_unknown_options_and_missing_dumps(self):
        self.expect_exit(self.ls("--jsn"), 2, "--help")
        self.expect_exit(self.ls("-F", "/nonexistent", here=True), 7, "/nonexistent")

    def test_with_json_an_error_is_a_document(self):
        done = self.ls("--json", "-s", "zz")
        self.assertEqual(self.document(done)["error"]["exit"], 2)

    def test_a_machine_without_pci_is_reported(self):
        os.rename(self.machine.root / "sys/bus/pci", self.machine.root / "sys/bus/gone")
        self.expect_exit(self.ls(), 8, "no PCI")


if __name__ == "__main__":
    unittest.main()
