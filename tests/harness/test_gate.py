# SPDX-License-Identifier: Apache-2.0
"""The gate can fail: real boots with planted faults must end with the exit code of their fault."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import dataclass
from pathlib import Path

from accelvm import headers, kernel
from accelvm.verdict import Verdict

HERE = Path(__file__).resolve().parent
VM = HERE.parent / "vm/vm.py"
RUN_TESTS = HERE.parent / "run_tests.py"


@dataclass(frozen=True)
class Ending:
    """The end of a run: exit code, output, results, console, and files left behind."""

    code: int
    out: str
    err: str
    results: dict[str, str]
    console: str
    leftovers: list[str]


KNOWN_WARNING = """
[[known]]
name = "planted"
complaint = "WARNING: .*faulty_module"
trace = "{trace}"
reason = "it is planted"
control = "none"
"""


def scenarios(faulty_module: Path) -> dict[str, list[str]]:
    """The arguments of vm.py for each run. All runs use stock QEMU; the gate needs no card."""

    def shell(script: str) -> list[str]:
        return ["--", "sh", "-c", script]

    return {
        "good": [
            "--module",
            str(faulty_module),
            "--device",
            "/dev/null",
            "--env",
            "GREETING=hello there",
            "--program",
            shutil.which("getconf") or "",
            "--files",
            f"{__file__}:/etc/asked",
            *shell(
                "grep -q faulty_module /proc/modules && head -n 1 /etc/asked && echo $GREETING && "
                "getconf PAGE_SIZE && echo kept > /results/note && mkdir /results/d && "
                "echo deep > /results/d/note; exit 42"
            ),
        ],
        "own_code": shell("exit 73"),
        "warn": [
            "--module",
            f"{faulty_module},fault=warn",
            "--device",
            "/dev/null",
            *shell("echo not reached"),
        ],
        "oops": shell(
            "echo 'accel-vm: running faulty_tests' > /dev/kmsg; "
            "insmod /tmp/faulty_module.ko fault=oops; sleep 60"
        ),
        "quiet_complaint": shell("echo 'DMA-API: accel: planted' > /dev/kmsg; sleep 60"),
        "panic": shell("echo c > /proc/sysrq-trigger; sleep 60"),
        "power_off": shell("poweroff -f; sleep 60"),
        "hang": ["--timeout", "2", *shell("sleep 600")],
        "lost_results": [
            "--module",
            f"{faulty_module},fault=switch_off",
            "--device",
            "/dev/null",
            *shell("true"),
        ],
        "no_room": shell("echo kept > /results/note; dd if=/dev/zero of=/run/filler bs=1M; true"),
        "taint": shell("echo 32 > /proc/sys/kernel/tainted"),
        "module_refuses": ["--module", f"{faulty_module},fault=refuse", *shell("echo not reached")],
        "module_held": [
            "--module",
            f"{faulty_module},fault=hold",
            "--device",
            "/dev/null",
            *shell("true"),
        ],
        "no_device": [
            "--module",
            str(faulty_module),
            "--device",
            "/dev/accel7",
            *shell("echo not reached"),
        ],
        "no_init": ["--append", "rdinit=/missing init=/missing", *shell("true")],
        "stopped_cpu": ["--qemu-arg=-S", "--boot-timeout", "1", *shell("true")],
        "bad_qemu": ["--qemu-arg=-no-such-option", *shell("true")],
        "no_file": ["--files", "/no/such/file", *shell("true")],
        "no_command": [],
    }


def build_faulty_module(folder: Path) -> Path:
    """Builds the faulty module for the guest's kernel."""
    for name in ("Kbuild", "faulty_module.c"):
        shutil.copy(HERE / "faulty_module" / name, folder)
    done = subprocess.run(
        ["make", "-s", "-C", str(headers.get(kernel.default_release())), f"M={folder}", "modules"],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))},
    )
    if done.returncode != 0:
        raise RuntimeError(f"faulty_module.ko was not built:\n{done.stdout}{done.stderr}")
    return folder / "faulty_module.ko"


class Gate(unittest.TestCase):
    """setUpClass starts all scenarios, one for each processor; the tests check their endings."""

    folder: Path
    faulty_module: Path
    scenarios: dict[str, list[str]]
    endings: dict[str, concurrent.futures.Future[Ending]]

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="accel-gate.")))
        cls.faulty_module = build_faulty_module(cls.folder)
        cls.scenarios = scenarios(cls.faulty_module)
        cls.scenarios["oops"] = [
            "--files",
            f"{cls.faulty_module}:/tmp/faulty_module.ko",
            *cls.scenarios["oops"],
        ]
        for name, trace in (("known_warning", "faulty_module_init"), ("other_trace", "elsewhere")):
            known = cls.folder / f"{name}.toml"
            known.write_text(KNOWN_WARNING.format(trace=trace))
            cls.scenarios[name] = [
                "--append=panic_on_warn=0",
                f"--known={known}",
                *cls.scenarios["warn"][:-1],
                "echo reached",
            ]
        large = cls.folder / "large"
        with large.open("wb") as file:
            file.truncate(100 << 20)
        for name, memory in (("no_memory", "160M"), ("little_memory", "320M")):
            cls.scenarios[name] = [
                f"--memory={memory}",
                f"--files={large}:/large",
                *("--", "sh", "-c", "echo not reached"),
            ]
        pool = cls.enterClassContext(
            concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1)
        )
        cls.endings = {name: pool.submit(cls.run_scenario, name) for name in cls.scenarios}

    @classmethod
    def run_scenario(cls, name: str) -> Ending:
        folder = cls.folder / name
        temporary = folder / "tmp"
        temporary.mkdir(parents=True)
        done = subprocess.run(
            [
                sys.executable,
                VM,
                "--no-card",
                "--log",
                folder / "console",
                "--results",
                folder / "results",
                *cls.scenarios[name],
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        results = folder / "results"
        files = {
            str(p.relative_to(results)): p.read_text() for p in results.rglob("*") if p.is_file()
        }
        console = folder / "console"
        return Ending(
            done.returncode,
            done.stdout,
            done.stderr,
            files,
            console.read_text(errors="replace") if console.exists() else "",
            [p.name for p in temporary.iterdir()],
        )

    def ending(self, name: str) -> Ending:
        return self.endings[name].result()

    def expect(self, name: str, verdict: Verdict, *words: str) -> Ending:
        """Checks that the run failed with this verdict and one line of explanation."""
        ending = self.ending(name)
        self.assertEqual(ending.code, verdict, ending.err + ending.console[-2000:])
        self.assertEqual(ending.err.count("\n"), 1, ending.err)
        self.assertNotIn("not reached", ending.out)
        for word in words:
            self.assertIn(word, ending.err)
        return ending

    def test_a_good_run_hands_back_status_output_and_files(self):
        ending = self.ending("good")
        self.assertEqual((ending.code, ending.err), (42, ""), ending.console[-2000:])
        self.assertEqual(ending.out, "# SPDX-License-Identifier: Apache-2.0\nhello there\n4096\n")
        self.assertEqual(ending.results, {"note": "kept\n", "d/note": "deep\n"})

    def test_a_command_cannot_return_a_code_of_the_harness(self):
        ending = self.ending("own_code")
        self.assertEqual(ending.code, 1)
        self.assertIn("73", ending.err)

    def test_a_warning_of_the_kernel_fails_the_run(self):
        self.expect("warn", Verdict.SPLAT, "WARNING: CPU: ", "faulty_module_init")

    def test_a_known_warning_fails_the_run_unless_its_trace_is_there(self):
        ending = self.ending("known_warning")
        self.assertEqual((ending.code, ending.out), (0, "reached\n"), ending.err)
        self.assertEqual(self.ending("other_trace").code, Verdict.SPLAT)

    def test_an_oops_fails_the_run_and_names_the_program(self):
        self.expect("oops", Verdict.SPLAT, "BUG: kernel NULL pointer", "while faulty_tests ran")

    def test_a_complaint_without_a_panic_fails_the_run_before_its_time_is_up(self):
        self.expect("quiet_complaint", Verdict.SPLAT, "DMA-API: accel: planted")

    def test_a_panic_is_a_dead_guest(self):
        self.expect("panic", Verdict.DIED, "sysrq triggered crash")

    def test_a_power_off_before_the_end_is_a_dead_guest(self):
        self.expect("power_off", Verdict.DIED, "before the command did")

    def test_a_command_that_hangs_runs_out_of_time(self):
        self.expect("hang", Verdict.TIMEOUT, "2 s")

    def test_a_status_without_result_files_is_no_result(self):
        self.assertEqual(self.expect("lost_results", Verdict.TRUNCATED).results, {})

    def test_result_files_that_cannot_be_packed_are_no_result(self):
        self.assertEqual(self.expect("no_room", Verdict.TRUNCATED).results, {})

    def test_a_tainted_kernel_fails_the_run(self):
        self.expect("taint", Verdict.SPLAT, "tainted", "0x20")

    def test_a_module_that_does_not_load_fails_the_run(self):
        self.expect("module_refuses", Verdict.MODULE, "faulty_module.ko did not load")

    def test_a_module_that_does_not_unload_fails_the_run(self):
        self.expect("module_held", Verdict.MODULE, "could not be unloaded")

    def test_a_device_that_does_not_appear_fails_the_run(self):
        self.expect("no_device", Verdict.DEVICE, "/dev/accel7")

    def test_a_kernel_that_finds_no_init_did_not_boot(self):
        self.expect("no_init", Verdict.NO_BOOT, "panicked")

    def test_a_machine_without_output_did_not_boot(self):
        self.expect("stopped_cpu", Verdict.NO_BOOT, "1 s")

    def test_a_qemu_that_does_not_start_is_an_error_of_the_host(self):
        self.expect("bad_qemu", Verdict.SETUP, "QEMU did not start", "no-such-option")

    def test_a_missing_file_of_the_host_is_reported_before_the_boot(self):
        self.assertEqual(self.expect("no_file", Verdict.SETUP, "/no/such/file").console, "")

    def test_a_guest_whose_files_do_not_fit_into_its_memory_is_told_so(self):
        self.expect("no_memory", Verdict.SETUP, "do not fit", "160M", "--memory")
        self.expect("little_memory", Verdict.SETUP, "do not fit", "320M", "--memory")

    def test_no_command_is_an_error_of_its_own(self):
        self.expect("no_command", Verdict.SETUP, "--interactive")

    def test_failing_runs_name_the_kernel_log(self):
        for name in ("warn", "panic", "hang", "lost_results", "no_init"):
            self.assertIn(str(self.folder / name / "console"), self.ending(name).err)

    def test_no_run_leaves_a_file_behind(self):
        for name in self.scenarios:
            with self.subTest(scenario=name):
                self.assertEqual(self.ending(name).leftovers, [])


class Suite(unittest.TestCase):
    """Suite `vm` as run_tests.py runs it, on stand-ins.

    The faulty module stands in for the driver and true(1) for the test programs.
    """

    def test_guest_programs_that_leave_no_results_fail_the_suite(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="accel-gate.")))
        module = folder / "driver" / kernel.default_release() / "accel.ko"
        module.parent.mkdir(parents=True)
        shutil.copy(build_faulty_module(folder), module)
        guest = folder / "tests/vm/guest"
        guest.mkdir(parents=True)
        for name in ("one", "two"):
            shutil.copy("/bin/true", guest / name)
        done = subprocess.run(
            [sys.executable, RUN_TESTS, "vm", "--build", folder, "--vm-arg=--no-card"],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.splitlines()[-1], "0 passed, 2 failed")
        for name in ("one", "two"):
            self.assertIn(f"  {name} ended with 0 and left no results", done.stdout.splitlines())


class Leaving(unittest.TestCase):
    """QEMU and the temporary files do not outlive the harness. The CPU is stopped: no boot."""

    def start(self, *options: str) -> tuple[subprocess.Popen, Path, int]:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="accel-gate.")))
        harness = subprocess.Popen(
            [sys.executable, VM, "--no-card", "--qemu-arg=-S", *options, "--", "true"],
            env={**os.environ, "TMPDIR": str(folder)},
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(harness.wait)
        self.addCleanup(harness.kill)
        children = Path(f"/proc/{harness.pid}/task/{harness.pid}/children")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for child in children.read_text().split():
                with contextlib.suppress(FileNotFoundError):  # a helper like ldd may have ended
                    if "qemu" in os.readlink(f"/proc/{child}/exe"):
                        return harness, folder, int(child)
            time.sleep(0.02)
        raise AssertionError("QEMU did not start")

    def gone(self, process: int) -> bool:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return True
            if state == "Z":
                return True
            time.sleep(0.02)
        return False

    def test_signals_end_the_harness_and_qemu(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(signal=number.name):
                harness, folder, qemu = self.start()
                harness.send_signal(number)
                self.assertEqual(harness.wait(30), code)
                self.assertTrue(self.gone(qemu))
                self.assertEqual(list(folder.iterdir()), [])

    def test_killing_the_harness_ends_qemu(self):
        harness, _, qemu = self.start()
        harness.kill()
        self.assertTrue(self.gone(qemu))

    def test_qemu_answers_on_its_qmp_socket_while_it_runs(self):
        path = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="accel-gate."))) / "qmp"
        harness, _, _ = self.start("--qmp", str(path))
        with socket.socket(socket.AF_UNIX) as connection:
            # The file of the socket appears before QEMU listens to it.
            while connection.connect_ex(str(path)) != 0:
                self.assertIsNone(harness.poll())
                time.sleep(0.02)
            conversation = connection.makefile("rw")
            self.assertIn("QMP", json.loads(conversation.readline()))
            for command in ("qmp_capabilities", "query-status", "quit"):
                conversation.write(json.dumps({"execute": command}))
                conversation.flush()
                self.assertNotIn("error", json.loads(conversation.readline()))
        self.assertEqual(harness.wait(30), Verdict.NO_BOOT)
