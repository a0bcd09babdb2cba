# SPDX-License-Identifier: Apache-2.0
"""The scripts behind the Makefile say in one sentence what went wrong, and are silent when nothing did."""

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
        """A program that the script finds in place of the machine's."""
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

    def test_a_step_that_works_says_one_line_and_keeps_the_rest_in_its_log(self):
        done = self.step("echo", "many words")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "==> Doing it\n", ""))
        self.assertEqual((self.folder / "logs/x.log").read_text(), "many words\n")

    def test_a_step_that_fails_shows_the_end_of_its_log_and_where_it_is(self):
        done = self.step("sh", "-c", "seq 100; exit 3")
        lines = done.stderr.splitlines()
        self.assertEqual((done.returncode, lines[0], lines[-2]), (1, "61", "100"))
        self.assertEqual(
            lines[-1], f"error: 'Doing it' failed; the whole log is {self.folder}/logs/x.log"
        )

    def test_on_demand_the_output_is_shown_as_it_comes(self):
        self.assertIn("many words", self.step("echo", "many words", V="1").stdout)
        self.assertEqual(self.step("false", V="1").returncode, 1)


class Packages(Scripts):
    INSTALLED = 'while [ $# -gt 3 ]; do shift; echo "installed $3"; done'

    def test_when_all_is_installed_nothing_is_done_or_said(self):
        self.stand_in("dpkg-query", self.INSTALLED)
        self.stand_in("apt-get", "echo apt was called >&2; exit 1")
        done = self.run_script("packages.sh", "build", "check")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_without_root_the_exact_command_is_told(self):
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

    def test_only_what_is_missing_is_installed(self):
        self.stand_in("dpkg-query", self.INSTALLED + " | grep -v -e strace -e cmake")
        self.stand_in("id", "echo 0")
        self.stand_in("apt-get", f'echo "$@" >>{self.folder}/calls')
        self.assertEqual(self.run_script("packages.sh").returncode, 0)
        self.assertEqual(
            (self.folder / "calls").read_text(),
            "-q update\n-q install -y --no-install-recommends cmake strace\n",
        )

    def test_what_another_package_provides_is_not_installed(self):
        self.stand_in(
            "dpkg-query",
            self.INSTALLED + " | sed -e '/ npm$/d' -e 's/ nodejs$/ nodejs, nodejs-doc, npm/'",
        )
        self.stand_in("apt-get", "echo apt was called >&2; exit 1")
        done = self.run_script("packages.sh")
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_an_installation_that_fails_shows_what_apt_said(self):
        self.stand_in("dpkg-query", "exit 1")
        self.stand_in("id", "echo 0")
        self.stand_in("apt-get", "echo E: no network >&2; exit 100")
        done = self.run_script("packages.sh")
        self.assertEqual(done.returncode, 1)
        self.assertIn("E: no network", done.stderr)
        self.assertIn("error: packages could not be installed", done.stderr.splitlines()[-1])

    def test_another_architecture_is_told_at_once(self):
        self.stand_in("uname", "echo aarch64")
        done = self.run_script("packages.sh")
        self.assertEqual(
            (done.returncode, done.stderr),
            (1, "error: this needs an x86-64 machine, and this one is aarch64.\n"),
        )


class Load(Scripts):
    def test_a_machine_without_a_card_is_told_where_to_find_one(self):
        if any(Path("/sys/bus/pci/devices").glob("*/driver/module/drivers/pci:accel")):
            self.skipTest("this machine has a card")
        done = self.run_script("module.sh", "load", "accel.ko")
        self.assertEqual(done.returncode, 1)
        self.assertIn("make shell", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
