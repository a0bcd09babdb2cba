# SPDX-License-Identifier: Apache-2.0
"""The suites: their programs and how to run them; docs/project/testing.md has their purposes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import python_guest
from .outcome import Outcome, from_output, of_program

TESTS = Path(__file__).resolve().parents[1]
SILENCE_LIMIT = 300  # seconds without a line of output; the longest test takes a hundredth of it


@dataclass
class Options:
    """The options of a run."""

    build: Path
    kernel_release: str  # of the guest
    filter: str = "*"
    verbose: bool = False
    vm_arguments: list[str] = field(default_factory=list)
    label: str = ""  # suffix for the names of the logs
    silence: float = SILENCE_LIMIT  # seconds without a line of output that end a suite


@dataclass
class SuiteResult:
    """The result of a suite."""

    name: str
    outcome: Outcome
    seconds: float
    log: Path


# Fast suites come first.
NAMES = (
    "unit-card",
    "unit-card-timed",
    "qtest",
    "sdk",
    "c",
    "compiler",
    "python",
    "fuzz",
    "tools",
    "harness",
    "perf-gate",
    "vm",
    "vm-python",
    "vm-iommu",
    "vm-bounce",
)
# Suites that run only when they are named: they need more than a build.
NAMED = ("packages",)
# Suites that are a script.
SCRIPTS = {
    "harness": "harness/run.py",
    "tools": "harness/run.py",
    "c": "harness/run.py",
    "packages": "harness/run.py",
    "perf-gate": "bench/perf_gate.py",
}
# Suites that run the program of another folder: (folder, extra environment).
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "unit-card": ("card", {}),
    "unit-card-timed": ("card", {"ACCEL_TIMING": "model"}),
}


@dataclass(frozen=True)
class Guest:
    """A suite that runs in a VM."""

    machine: tuple[str, ...] = ()  # additions to the machine
    programs: str = "guest/*"  # pattern of its programs in the build's tests/vm
    tests: str = "*"  # the tests that it runs, unless the caller chooses
    driver: bool = True  # False for a guest without the driver
    python: bool = False  # the tests of suite `python` instead of programs of GoogleTest
    tools: bool = True  # False for a guest without the tools and the models of the host


# One test makes the card access an address without a mapping; the IOMMU reports that address.
GUESTS: dict[str, Guest] = {
    "vm": Guest(),
    "vm-python": Guest(python=True),
    "vm-iommu": Guest(
        machine=(
            "--qemu-arg=-device",
            "--qemu-arg=intel-iommu,intremap=on",
            "--append=intel_iommu=on",
            "--allow=DMAR: .*fault addr 0xdead0000 ",
            "--allow=DMAR: DRHD: handling fault status reg",
        )
    ),
    # Every DMA mapping of the kernel is a copy, as in an encrypted guest.
    "vm-bounce": Guest(
        machine=("--append=swiotlb=force",),
        programs="guest/buffer_test",
        tests="Bounce.*",
    ),
    # Only the debug kernel can run the next two: tests/debug_kernel.py.
    "failures": Guest(programs="debug/failures_test", tools=False),
    "controls": Guest(programs="debug/controls_test", driver=False, tools=False),
}


def run(name: str, options: Options) -> SuiteResult:
    """Runs suite `name`. A suite without a test is a failure, unless there is a filter."""
    log = (options.build / "logs" / f"test-{name}{options.label}.log").absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    card = (options.build / "qemu-device/accel-pci.so").absolute()
    if card.is_file():
        os.environ.setdefault("ACCEL_PCI_SO", str(card))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="accel-tests.") as scratch:
        folder = Path(scratch)
        outcome = (
            _run_guest(_choose_tests(options, GUESTS[name]), log, folder, GUESTS[name])
            if name in GUESTS
            else _run_native(name, options, log, folder)
        )
    if outcome.total == 0 and options.filter == "*":
        outcome.failed.append("no test ran at all")
    return SuiteResult(name, outcome, time.monotonic() - start, log)


def _choose_tests(options: Options, guest: Guest) -> Options:
    return replace(options, filter=guest.tests) if options.filter == "*" else options


class _Watchdog:
    """Kills a program that has printed nothing for `limit` seconds; the suite then fails.

    The VM's harness has a limit of its own.
    """

    def __init__(self, process: subprocess.Popen[bytes], limit: float) -> None:
        self._process = process
        self._limit = limit
        self._last = time.monotonic()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def feed(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(1):
            if time.monotonic() - self._last > self._limit:
                self._process.kill()


def _call(
    command: list[str],
    log: Path,
    options: Options,
    extra_environment: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Runs a program with its output in the log, and on the terminal if the options say so.

    Returns the exit status and the output.
    """
    collected: list[str] = []
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("GTEST_", "MAKE"))
    }
    environment.update(extra_environment or {})
    with log.open("a", buffering=1) as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        assert process.stdout
        watchdog = _Watchdog(process, options.silence)
        try:
            for raw in process.stdout:
                watchdog.feed()
                line = raw.decode(errors="replace")
                collected.append(line)
                file.write(line)
                if options.verbose:
                    print(line, end="", flush=True)
        finally:
            watchdog.stop()
            if process.poll() is None and sys.exc_info()[0]:
                process.terminate()
            process.wait()
    return process.returncode, "".join(collected)


def _run_native(name: str, options: Options, log: Path, folder: Path) -> Outcome:
    folder_name, environment = VARIANTS.get(name, (name, {}))
    program = (
        TESTS / SCRIPTS[name]
        if name in SCRIPTS
        else options.build / f"tests/{folder_name}/{folder_name}_tests"
    )
    log.write_text("")
    if not program.is_file():
        return Outcome(failed=[f"{program} is not built"])
    junit = folder / f"{name}.xml"
    status, output = _call(
        [
            str(program),
            f"--gtest_output=xml:{junit}",
            f"--gtest_filter={options.filter}",
            "--gtest_color=no",
            *(["--build", str(options.build)] if name == "perf-gate" else []),
            *(["--folder", str(TESTS / name)] if name in ("tools", "c", "packages") else []),
        ],
        log,
        options,
        {"ACCEL_BUILD": str(options.build.absolute()), **environment},
    )
    outcome = of_program(program.name, status, junit, output)
    return _without_empty(outcome, options)


def _without_empty(outcome: Outcome, options: Options) -> Outcome:
    """With a filter, a program without a matching test is no failure."""
    if options.filter != "*":
        outcome.failed = [name for name in outcome.failed if not name.endswith(" has no tests")]
    return outcome


def guest_programs(build: Path, pattern: str) -> list[Path]:
    """The test programs for the guest: every matching ELF executable in the build's tests/vm."""

    def is_program(path: Path) -> bool:
        if not path.is_file() or not os.access(path, os.X_OK) or ".so" in path.name:
            return False
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"

    return sorted(path for path in (build / "tests/vm").glob(pattern) if is_program(path))


# Files that the driver's package or the host provides, and their paths in the guest.
GUEST_FILES = (
    (TESTS.parent / "driver/packaging/70-accel.rules", "/lib/udev/rules.d/70-accel.rules"),
    (Path("/usr/share/misc/pci.ids"), "/usr/share/misc/pci.ids"),
    (Path("/usr/share/libonnx-testdata/data"), "/usr/share/libonnx-testdata/data"),
)


def guest_files(build: Path) -> list[tuple[Path, str]]:
    """Files for the guest and their paths there; suite `compiler` trains some of the models."""
    trained = [
        (path.absolute(), f"/usr/share/accel/{path.name}")
        for path in sorted((build / "tests/compiler/fashion").glob("*.onnx"))
    ]
    return [(source, target) for source, target in (*GUEST_FILES, *trained) if source.exists()]


def guest_tools(build: Path) -> list[Path]:
    """Programs of the host that tests need in the guest; tests of a missing one are skipped."""
    path = os.environ.get("PATH", "") + ":/usr/bin:/bin:/usr/sbin:/sbin"
    found = [shutil.which(name, path=path) for name in ("udevadm", "lspci")]
    built = [
        build / name
        for name in (
            "libaccel/examples/stream/stream",
            "libaccel/examples/onnx/onnx",
            "tools/lsaccel",
            "tools/accelctl",
        )
    ]
    return [
        *(Path(program) for program in found if program),
        *(program for program in built if program.is_file()),
    ]


def _guest_command(
    options: Options, module: Path | None, log: Path, folder: Path, machine: tuple[str, ...]
) -> list[str]:
    """The command line of vm.py, without the files and the command of the guest."""
    return [
        str(TESTS / "vm/vm.py"),
        "--verbose",
        "--kernel",
        options.kernel_release,
        *(["--module", str(module)] if module else []),
        "--program",
        str(TESTS / "vm/gtest.sh"),
        "--log",
        str(log.with_name(f"{log.stem}-console.log")),
        "--results",
        str(folder),
        "--timeout",
        "900",
        # The second card is for tests of peer memory, and has more queues than the first ring of
        # events, or the vectors of two processors, have room for; vgem is a foreign exporter.
        "--card",
        "serial=1",
        "--card",
        "serial=2,memory-size=64M,queues=512",
        "--stock-module",
        "vgem",
        # A test serves a file system.
        "--stock-module",
        "fuse",
        # Tests inject link errors on the second card only.
        "--stock-module",
        "aer_inject",
        "--allow",
        r"AER: .* 0000:02:00\.0|0000:02:00\.0: AER: ",
        "--monitor",  # tests compare the tools' output with QEMU's view of the card
        # With one processor, the driver's interrupt thread would never race with another thread.
        "--smp",
        "2",
        *machine,
        *options.vm_arguments,
    ]


def _run_guest(options: Options, log: Path, folder: Path, guest: Guest) -> Outcome:
    """Runs all guest programs in order in one boot."""
    log.write_text("")
    extra: list[str] = []
    if guest.python:
        try:
            extra, program = python_guest.arguments(options.build, folder)
        except python_guest.MissingPython as error:
            return Outcome(failed=[str(error)])
        programs = [program]
    else:
        programs = guest_programs(options.build, guest.programs)
    module = options.build / "driver" / options.kernel_release / "accel.ko"
    if not programs:
        return Outcome(failed=["no test program for the guest is built"])
    if guest.driver and not module.is_file():
        return Outcome(failed=[f"{module} is not built"])
    command = _guest_command(options, module if guest.driver else None, log, folder, guest.machine)
    command += extra
    tools = guest_tools(options.build) if guest.tools else []
    for program in [*([] if guest.python else programs), *tools]:
        command += ["--program", str(program)]
    for source, target in guest_files(options.build) if guest.tools else ():
        command += ["--files", f"{source}:{target}"]
    command += ["--", "gtest.sh", options.filter, *(program.name for program in programs)]
    status, output = _call(command, log, options)
    if status != 0:
        # A failed run has no results: only the names of its tests are read from the output.
        outcome = from_output(output)
        reason = re.findall(r"^vm: (.*)$", output, re.MULTILINE)
        outcome.failed.append(reason[-1] if reason else f"the VM harness ended with {status}")
        return outcome
    outcome = Outcome()
    for program in programs:
        outcome.add(_guest_program(program.name, folder, output))
    outcome.add(_check_documents(folder))
    return _without_empty(outcome, options)


def _check_documents(folder: Path) -> Outcome:
    """Checks the JSON that the tools printed in the guest against its schemas."""
    outcome = Outcome()
    documents = sorted(folder.glob("document-*.json"))
    schemas = {
        path.stem: json.loads(path.read_text())
        for path in (TESTS.parent / "tools/schema").glob("*.json")
    }
    for path in documents:
        # Debian's modules are there; a Python from elsewhere does not search that folder.
        sys.path.append("/usr/lib/python3/dist-packages")
        import jsonschema  # here, because the other suites do not need it

        try:
            document = json.loads(path.read_text())
            jsonschema.validate(document, schemas[re.split("[./]", document["schema"])[0]])
        except (ValueError, KeyError, jsonschema.ValidationError) as error:
            outcome.failed.append(
                "a JSON document of the tools does not match its schema: "
                f"{path.read_text()[:200]}: {error}"
            )
    if documents and not outcome.failed:
        outcome.passed.append("Documents.MatchTheirSchemas")
    return outcome


def _guest_program(name: str, folder: Path, output: str) -> Outcome:
    try:
        status = int((folder / f"{name}.status").read_text())
    except (OSError, ValueError):
        return Outcome(failed=[f"{name} did not run"])
    part = re.search(
        rf"^==== {re.escape(name)}$(.*?)(?=^==== |\Z)", output, re.MULTILINE | re.DOTALL
    )
    return of_program(name, status, folder / f"{name}.xml", part[1] if part else "")
