# SPDX-License-Identifier: Apache-2.0
"""accelctl doctor names the cause and the commands that fix it, in each case that it knows."""

import os
import unittest

from machine import KERNEL, ToolTest

MODULE = f"/lib/modules/{KERNEL}/updates/dkms/accel.ko"


def module(kernel: str = KERNEL, signed: bool = False) -> bytes:
    """The parts of a module that the doctor reads."""
    return (
        b"\x7fELF..."
        + f"license=GPL\0vermagic={kernel} SMP preempt mod_unload \0".encode()
        + (b"~Module signature appended~\n" if signed else b"")
    )


class Doctor(ToolTest):
    def findings(self, healthy: bool = False) -> dict:
        done = self.ctl("doctor", "--json")
        document = self.document(done)
        self.assertEqual(
            (done.returncode, document["healthy"]), (0 if healthy else 1, healthy), done.stdout
        )
        return {finding["id"]: finding for finding in document["findings"]}

    def expect(self, name: str, *words: str) -> None:
        """Expects this one problem, with these words in its cause or its fixes."""
        found = self.findings()
        self.assertEqual(
            [key for key, finding in found.items() if finding["severity"] == "problem"], [name]
        )
        text = found[name]["text"] + "\n" + "\n".join(found[name]["fixes"])
        self.assertTrue(found[name]["fixes"], "a problem has a fix")
        for word in words:
            self.assertIn(word, text)
        self.assertIn(found[name]["text"], self.ctl("doctor").stdout)

    def test_a_healthy_machine(self):
        self.machine.card()
        self.assertIn("state", self.findings(healthy=True))
        self.assertIn("No problem found", self.ctl("doctor").stdout)

    def test_no_card_in_the_machine(self):
        self.expect("no-card", "1234:acc1", "rescan")

    def test_no_card_in_this_machine(self):
        if os.path.exists("/sys/class/accel-card"):
            self.skipTest("this machine has a card")
        self.expect_exit(self.ctl("doctor", here=True), 1)

    def test_module_not_installed(self):
        self.machine.card(node=None, driver="")
        self.expect("module-not-installed", "accel-dkms", "modprobe accel")

    def test_module_not_built_for_this_kernel(self):
        self.machine.card(node=None, driver="")
        self.machine.write("/lib/modules/5.10.0-old/updates/accel.ko", module("5.10.0-old"))
        self.expect("module-not-built", KERNEL, "5.10.0-old", f"accel-dkms {KERNEL}")

    def test_module_not_built_as_headers_are_missing(self):
        self.machine.card(node=None, driver="")
        self.machine.write("/lib/modules/5.10.0-old/updates/accel.ko", module("5.10.0-old"))
        os.rmdir(self.machine.root / f"lib/modules/{KERNEL}/build")
        self.expect("module-not-built", f"apt-get install linux-headers-{KERNEL}")

    def test_module_built_for_another_kernel(self):
        self.machine.card(node=None, driver="")
        self.machine.write(MODULE, module("6.1.0-other-amd64"))
        self.expect("module-wrong-kernel", "6.1.0-other-amd64", KERNEL, "accel-dkms")

    def test_module_not_loaded(self):
        self.machine.card(node=None, driver="")
        self.machine.write(MODULE, module())
        self.expect("module-not-loaded", "modprobe accel")

    def test_module_blacklisted(self):
        self.machine.card(node=None, driver="")
        self.machine.write(MODULE, module())
        self.machine.write("/etc/modprobe.d/local.conf", "# not now\nblacklist accel")
        self.expect("module-blacklisted", "/etc/modprobe.d/local.conf")

    def test_secure_boot_and_a_missing_signature(self):
        self.machine.card(node=None, driver="")
        self.machine.write(MODULE, module())
        self.machine.write(
            "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
            b"\6\0\0\0\1",
        )
        self.expect("secure-boot", "mokutil --import /var/lib/dkms/mok.pub", "has none")

    def test_lockdown_and_an_unknown_key(self):
        self.machine.card(node=None, driver="")
        self.machine.write(MODULE, module(signed=True))
        self.machine.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality")
        self.machine.write(
            "/dev/kmsg", "4,900,1,-;Loading of module accel: Key was rejected by service"
        )
        self.expect("secure-boot", "a key that it does not know")

    def test_bound_to_vfio_pci(self):
        self.machine.card(node=None, driver="vfio-pci")
        (self.machine.root / "sys/bus/pci/drivers/accel").mkdir()
        self.expect(
            "other-driver",
            "vfio-pci",
            "drivers_probe",
            "/sys/bus/pci/devices/0000:01:00.0/driver/unbind",
        )

    def test_reserved_for_another_driver(self):
        folder = self.machine.card(node=None, driver="")
        (self.machine.root / "sys/bus/pci/drivers/accel").mkdir()
        self.machine.write(f"{folder}/driver_override", "vfio-pci")
        self.expect("driver-override", "vfio-pci")

    def test_the_driver_did_not_bind_and_logged_the_reason(self):
        self.machine.card(node=None, driver="")
        (self.machine.root / "sys/bus/pci/drivers/accel").mkdir()
        self.machine.write(
            "/dev/kmsg", "3,900,1,-;accel 0000:01:00.0: the card does not leave reset"
        )
        self.expect("not-bound", "the card does not leave reset", "/sys/bus/pci/drivers/accel/bind")

    def test_an_unbound_card_that_worked_is_told_without_the_message_of_its_start(self):
        self.machine.card(node=None, driver="")
        (self.machine.root / "sys/bus/pci/drivers/accel").mkdir()
        self.machine.write(
            "/dev/kmsg",
            "4,800,1,-;accel 0000:01:00.0: an old warning\n"
            "6,900,2,-;accel 0000:01:00.0: accel0: serial 1, 256 MiB",
        )
        self.assertNotIn("message", self.ctl("doctor").stdout)

    def test_the_node_is_missing_in_a_container(self):
        self.machine.card()
        os.unlink(self.machine.root / "dev/accel0")
        self.machine.write("/.dockerenv", "")
        self.expect("node-missing", "container", "docker run --device /dev/accel0")

    def test_the_node_is_missing_outside_a_container(self):
        self.machine.card()
        os.unlink(self.machine.root / "dev/accel0")
        self.expect("node-missing", "udevadm trigger", "mknod -m 660 /dev/accel0 c 240 0")

    def test_the_card_failed(self):
        self.machine.card(state="failed")
        self.expect("card-failed", "accelctl reset accel0")

    def test_the_card_is_wedged(self):
        self.machine.card(state="wedged")
        self.expect("card-wedged", "ENOTRECOVERABLE", "accelctl reset accel0", "/unbind;", "power")

    def test_a_dump_and_another_version_of_the_driver_are_warnings(self):
        self.machine.card()
        self.machine.write("/sys/module/accel/version", "9.8.7")
        dump = "/sys/bus/pci/devices/0000:01:00.0/devcoredump/data"
        self.machine.write(dump, "accel-coredump: 1")
        found = self.findings(healthy=True)
        self.assertEqual(found["coredump"]["fixes"][0], f"accelctl coredump {dump}")
        self.assertIn("9.8.7", found["driver-version"]["text"])

    def test_a_degraded_card_that_works_is_a_warning(self):
        folder = self.machine.card(state="throttled", width=4)
        self.machine.write(f"{folder}/aer_dev_fatal", "DLP 2\nTOTAL_ERR_FATAL 2")
        self.machine.write("/proc/sys/kernel/io_uring_disabled", "2")
        found = self.findings(healthy=True)
        for name in ("throttled", "link-downgraded", "link-errors", "io-uring-disabled"):
            self.assertEqual(found[name]["severity"], "warning", name)
            self.assertTrue(found[name]["fixes"])

    def test_a_small_memlock_limit_is_reported_to_a_user(self):
        import resource

        self.machine.card()
        os.chmod(self.folder, 0o755)
        os.chmod(self.machine.root / "dev/accel0", 0o666)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        done = self.ctl(
            "doctor",
            "--json",
            **user,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20)),
        )
        found = {finding["id"]: finding for finding in self.document(done)["findings"]}
        self.assertIn("8 MiB", found["memlock-small"]["text"])
        self.assertIn("LimitMEMLOCK", "\n".join(found["memlock-small"]["fixes"]))

    def test_a_node_that_this_user_may_not_open_names_group_and_command(self):
        self.machine.card()
        os.chmod(self.folder, 0o755)
        os.chmod(self.machine.root / "dev/accel0", 0o660)
        if os.geteuid() != 0:
            self.skipTest("only root can change the owner of a file")
        os.chown(self.machine.root / "dev/accel0", 0, 44)
        done = self.ctl("doctor", "--json", user=65534, group=65534, extra_groups=[])
        found = {finding["id"]: finding for finding in self.document(done)["findings"]}
        self.assertEqual(done.returncode, 1)
        self.assertIn("group video (mode 0660)", found["no-permission"]["text"])
        self.assertIn("usermod -aG video nobody", found["no-permission"]["fixes"])


if __name__ == "__main__":
    unittest.main()
