# SPDX-License-Identifier: Apache-2.0
"""The Makefile's scripts report a failure in one sentence, and print nothing when all is well."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SETUP = Path(__file__).resolve().parents[2] / "tools/setup"


class Scripts(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="accel-setup.")))

    def stand_in(self, name: str, script: str) -> None:
        """Makes a program that the script finds instead of the machine's."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run_script(self, *command, **environment) -> subprocess.CompletedProcess:
        return subprocess.run(
            [SETUP / command[0], *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                "V": "",
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                **environment,
            },
        )


class Step(Scripts):
    def step(self, *command, **environment):
        return self.run_script(
            "step.sh", self.folder / "logs/x.log", "Doing it", *command, **environment
        )

    def test_a_step_that_succeeds_prints_one_line_and_keeps_its_output_in_a_log(self):
        done = self.step("echo", "many words")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "==> Doing it\n", ""))
        self.assertEqual((self.folder / "logs/x.log").read_text(), "many words\n")

    def test_a_step_that_fails_prints_the_end_of_its_log_and_the_path(self):
        done = self.step("sh", "-c", "seq 100; exit 3")
        lines = done.stderr.splitlines()
        self.assertEqual((done.returncode, lines[0], lines[-2]), (1, "61", "100"))
        self.assertEqual(
            lines[-1], f"error: 'Doing it' failed; the whole output is in {self.folder}/logs/x.log"
        )

    def test_a_verbose_step_prints_its_output_at_once(self):
        self.assertIn("many words", self.step("echo", "many words", V="1").stdout)
        self.assertEqual(self.step("false", V="1").returncode, 1)


class Packages(Scripts):
    INSTALLED = 'while [ $# -gt 3 ]; do shift; echo "installed $3"; done'

    def test_without_missing_packages_nothing_is_done_or_printed(self):
        self.stand_in("dpkg-query", self.INSTALLED)
        self.stand_in("apt-get", "echo apt was called >&2; exit 1")
        done = self.run_script("packages.sh", "build", "check")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_without_root_the_exact_command_is_printed(self):
        self.stand_in("dpkg-query", self.INSTALLED + " | grep -v strace")
        self.stand_in("id", "echo 1000")
        self.stand_in("sudo", "exit 1")
        done = self.run_script("packages.sh")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr,
            "error: packages are missing; as root, run: apt-get update && "
            "apt-get install --no-install-recommends strace\n",
        )

    def test_only_missing_packages_are_installed(self):
        self.stand_in("dpkg-query", self.INSTALLED + " | grep -v -e strace -e cmake")
        self.stand_in("id", "echo 0")
        self.stand_in("apt-get", f'echo "$@" >>{self.folder}/calls')
        self.assertEqual(self.run_script("packages.sh").returncode, 0)
        self.assertEqual(
            (self.folder / "calls").read_text(),
            "-q update\n-q install -y --no-install-recommends cmake strace\n",
        )

    def test_a_package_that_another_one_provides_is_not_installed(self):
        self.stand_in(
            "dpkg-query",
            self.INSTALLED + " | sed -e '/ npm$/d' -e 's/ nodejs$/ nodejs, nodejs-doc, npm/'",
        )
        self.stand_in("apt-get", "echo apt was called >&2; exit 1")
        done = self.run_script("packages.sh")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_a_failed_installation_prints_the_output_of_apt(self):
        self.stand_in("dpkg-query", "exit 1")
        self.stand_in("id", "echo 0")
        self.stand_in("apt-get", "echo E: no network >&2; exit 100")
        done = self.run_script("packages.sh")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E: no network", done.stderr)
        self.assertIn("error: apt-get could not install the packages", done.stderr.splitlines()[-1])

    def test_another_architecture_is_refused_at_once(self):
        self.stand_in("uname", "echo aarch64")
        done = self.run_script("packages.sh")
        self.assertEqual(
            (done.returncode, done.stderr),
            (1, "error: this needs an x86-64 machine, and this one is aarch64.\n"),
        )


class Load(Scripts):
    def test_without_a_card_the_message_points_to_the_emulated_one(self):
        if any(Path("/sys/bus/pci/devices").glob("*/driver/module/drivers/pci:accel")):
            self.skipTest("this machine has a card")
        done = self.run_script("module.sh", "load", "accel.ko")
        self.assertEqual(done.returncode, 1)
        self.assertIn("make shell", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
