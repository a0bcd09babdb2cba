# SPDX-License-Identifier: Apache-2.0
"""The Makefile's scripts report a failure in one sentence, and print nothing when all is well."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SETUP = PROJECT / "tools/setup"
RUN = Path(__file__).resolve().with_name("run.py")


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

    def test_of_two_steps_with_one_lock_the_second_waits_and_says_so(self):
        lock, log = self.folder / "build/.lock", self.folder / "build/x.log"
        first = subprocess.Popen(
            [SETUP / "step.sh", "--lock", lock, log, "First", "sh", "-c", "echo one; read line"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert first.stdin
        while not (log.exists() and log.read_text() == "one\n"):
            self.assertIsNone(first.poll())
        second = subprocess.Popen(
            [SETUP / "step.sh", "--lock", lock, log, "Second", "echo", "two"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert second.stdout
        self.assertEqual(second.stdout.readline(), "==> Second\n")
        self.assertIn(f"another make works in {lock.parent}", second.stdout.readline())
        self.assertEqual(log.read_text(), "one\n")  # its log is not touched before
        first.stdin.close()
        first.wait(30)
        self.assertEqual(second.wait(30), 0)
        second.stdout.close()
        self.assertEqual(log.read_text(), "two\n")

    def test_a_process_that_a_step_leaves_behind_does_not_keep_the_lock(self):
        lock = self.folder / "lock"
        for command in ("sleep 60 & echo $! >" + str(self.folder / "pid"), "true"):
            done = self.run_script(
                "step.sh", "--lock", lock, self.folder / "x.log", "Doing it", "sh", "-c", command
            )
            self.assertEqual(done.returncode, 0)
            self.assertNotIn("waiting", done.stdout)
        os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)


class Clean(Scripts):
    def test_only_a_folder_of_the_build_is_removed(self):
        build, other = self.folder / "my build", self.folder / "other"
        for folder, mark in ((build, "CMakeCache.txt"), (other, "precious")):
            folder.mkdir()
            (folder / mark).write_text("")
        self.assertEqual(self.run_script("clean.sh", build, "CMakeCache.txt").returncode, 0)
        self.assertFalse(build.exists())
        done = self.run_script("clean.sh", other, "CMakeCache.txt")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{other} is not a folder of this build", done.stderr)
        self.assertTrue((other / "precious").exists())
        self.assertEqual(self.run_script("clean.sh", self.folder / "missing", "x").returncode, 0)


class Installed(Scripts):
    """After `make install`."""

    def setUp(self):
        super().setUp()
        self.library = self.folder / "prefix/lib/libaccel.so.0"
        self.library.parent.mkdir(parents=True)
        self.library.write_text("")
        self.ran = self.folder / "ran"

    def refresh(self, destination: str = "") -> subprocess.CompletedProcess:
        return self.run_script("refresh-libraries.sh", destination, self.folder / "prefix")

    def test_root_tells_the_loader(self):
        self.stand_in("id", "echo 0")
        self.stand_in("ldconfig", f'[ -n "$1" ] && echo "{self.library}" || touch {self.ran}')
        done = self.refresh()
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        self.assertTrue(self.ran.exists())

    def test_a_prefix_that_the_loader_does_not_search_is_told(self):
        self.stand_in("id", "echo 1000")
        self.stand_in("ldconfig", f'[ -n "$1" ] || touch {self.ran}')
        done = self.refresh()
        self.assertEqual(done.returncode, 0)
        self.assertIn(f"-rpath,{self.library.parent}", done.stdout)
        self.assertFalse(self.ran.exists())

    def test_an_installation_for_another_system_changes_nothing(self):
        self.stand_in("id", "echo 0")
        self.stand_in("ldconfig", f"touch {self.ran}")
        self.assertEqual(self.refresh("/stage").stdout, "")
        self.assertFalse(self.ran.exists())


class Spaces(Scripts):
    """A path with spaces is refused, and nothing beside it changes."""

    def make(self, *arguments, cwd: Path) -> subprocess.CompletedProcess:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(
            ["make", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    def setUp(self):
        super().setUp()
        self.kept = self.folder / "my"
        self.kept.mkdir()
        (self.kept / "keep").write_text("precious")
        self.copy = self.folder / "project/driver"
        shutil.copytree(PROJECT / "driver", self.copy)
        shutil.copytree(PROJECT / "include", self.folder / "project/include")

    def test_the_driver_refuses_an_output_folder_with_spaces(self):
        for target in ("clean", "sources"):
            done = self.make(target, f"O={self.folder}/my build", cwd=self.copy)
            self.assertEqual(done.returncode, 2)
            self.assertIn("must be paths without spaces", done.stderr)
        self.assertTrue((self.kept / "keep").exists())
        self.assertFalse((self.copy / "build").exists())

    def test_the_driver_cleans_only_what_it_built(self):
        done = self.make("clean", f"O={self.kept}", cwd=self.copy)
        self.assertEqual(done.returncode, 2)
        self.assertIn("not a folder of this build", done.stderr)
        self.assertTrue((self.kept / "keep").exists())
        out = self.folder / "out"
        self.assertEqual(self.make("sources", f"O={out}", cwd=self.copy).returncode, 0)
        self.assertEqual(self.make("clean", f"O={out}", cwd=self.copy).returncode, 0)
        self.assertFalse(out.exists())

    def test_the_project_refuses_a_build_folder_with_spaces(self):
        for arguments in ([f"BUILD={self.folder}/my build"], ["BUILD="], ["DATA=/my data"]):
            done = self.make("clean", *arguments, cwd=PROJECT)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("must be paths without spaces", done.stderr)
        self.assertTrue((self.kept / "keep").exists())

    def test_a_project_in_a_folder_with_spaces_says_so(self):
        place = self.folder / "two words"
        place.mkdir()
        shutil.copy(PROJECT / "Makefile", place)
        done = self.make("help", cwd=place)
        self.assertEqual(done.returncode, 2)
        self.assertIn("has a space", done.stderr)


class Targets(unittest.TestCase):
    def test_every_target_of_help_is_phony(self):
        text = (PROJECT / "Makefile").read_text()
        named = set(re.findall(r"^([a-z][a-z0-9-]*):.*##", text, re.MULTILINE))
        phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)", text, re.MULTILINE)
        assert phony
        self.assertGreater(len(named), 20)
        self.assertEqual(named - set(phony[1].replace("\\", " ").split()), set())


class Settings(Scripts):
    """A setting of make that makes no sense ends it with one line, before anything is built."""

    def make(self, *arguments) -> subprocess.CompletedProcess:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(
            ["make", *arguments],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            env={**environment, "BUILD": str(self.folder / "build")},
        )

    def test_jobs_is_a_number(self):
        for value in ("abc", "0", "-1", "2 3", ""):
            done = self.make("help", f"JOBS={value}")
            self.assertEqual(done.returncode, 2, value)
            self.assertIn("JOBS must be a number", done.stderr)
        self.assertEqual(self.make("help", "JOBS=12").returncode, 0)

    def test_an_unknown_kernel_is_told_once_with_those_that_there_are(self):
        done = self.make("driver", "ACCEL_KERNEL=bogus")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("there is no kernel 'bogus': give 6.1, rt, 6.12"), 1)
        self.assertNotIn("Building", done.stdout)

    def test_headers_that_do_not_exist_are_named(self):
        done = self.make("driver", "KDIR=/nonexistent")
        self.assertEqual(done.returncode, 2)
        self.assertIn("==> Building the driver for nonexistent", done.stdout)
        self.assertIn("no kernel headers in /nonexistent", done.stderr)


class Signals(Scripts):
    def test_tests_get_ctrl_c_even_if_their_parent_ignores_it(self):
        (self.folder / "test_x.py").write_text(
            "import signal, unittest\n"
            "class X(unittest.TestCase):\n"
            "    def test_it(self):\n"
            "        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)\n"
        )
        script = f"trap '' INT; exec {sys.executable} {RUN} --folder {self.folder}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


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
