# SPDX-License-Identifier: Apache-2.0
"""The suites: which programs each has, and how they are run. docs/testing.md says what each suite is for."""

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
from dataclasses import dataclass, field
from pathlib import Path

from .outcome import Outcome, from_output, of_program

TESTS = Path(__file__).resolve().parents[1]


@dataclass
class Options:
    """How to run a suite."""

    build: Path
    release: str  # of the guest's kernel
    filter: str = "*"
    verbose: bool = False
    vm_arguments: list[str] = field(default_factory=list)
    label: str = ""  # added to the names of the logs


@dataclass
class Suite:
    """A suite after it ran."""

    name: str
    outcome: Outcome
    seconds: float
    log: Path


SILENCE_LIMIT = 300  # seconds without a line of output; the longest test takes a hundredth
NAMES = (
    "unit-card",
    "unit-card-timed",
    "qtest",
    "sdk",
    "compiler",
    "fuzz",
    "tools",
    "harness",
    "perf-gate",
    "vm",
    "vm-iommu",
)  # quick ones first
# Suites that are not a program of their name: the program, and what it finds in its environment.
SCRIPTS = {"harness": "harness/run.py", "tools": "harness/run.py", "perf-gate": "bench/gate.py"}
# Suites that are the program of another folder, and what that finds in its environment.
VARIANTS = {"unit-card": ("card", {}), "unit-card-timed": ("card", {"ACCEL_TIMING": "model"})}
# What a suite adds to the machine of suite vm. One test has the card leave its mappings: the IOMMU reports that address.
MACHINES = {
    "vm": (),
    "vm-iommu": (
        "--qemu-arg=-device",
        "--qemu-arg=intel-iommu,intremap=on",
        "--append=intel_iommu=on",
        "--allow=DMAR: .*fault addr 0xdead0000 ",
        "--allow=DMAR: DRHD: handling fault status reg",
    ),
}


def run(name: str, options: Options) -> Suite:
    """Runs suite `name`. A suite that shows no test is a failure; with a filter it may be empty."""
    log = (options.build / "logs" / f"test-{name}{options.label}.log").absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    card = (options.build / "qemu-device/accel-pci.so").absolute()
    if card.is_file():
        os.environ.setdefault("ACCEL_PCI_SO", str(card))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="accel-tests.") as scratch:
        folder = Path(scratch)
        outcome = (
            _run_guest(options, log, folder, MACHINES[name])
            if name in MACHINES
            else _run_native(name, options, log, folder)
        )
    if outcome.total == 0 and options.filter == "*":
        outcome.failed.append("no test ran at all")
    return Suite(name, outcome, time.monotonic() - start, log)


class _Watchdog:
    """Ends a program that has been silent for too long, which fails it. The VM's harness has a limit of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._last = time.monotonic()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def fed(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(1):
            if time.monotonic() - self._last > SILENCE_LIMIT:
                self._process.kill()


def _call(
    command: list[str], log: Path, verbose: bool, more: dict[str, str] | None = None
) -> tuple[int, str]:
    """Runs a program with its output in the log, on the terminal too if wanted; returns status and output."""
    collected: list[str] = []
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("GTEST_", "MAKE"))
    }
    environment.update(more or {})
    with log.open("a", buffering=1) as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        assert process.stdout
        watchdog = _Watchdog(process)
        try:
            for raw in process.stdout:
                watchdog.fed()
                line = raw.decode(errors="replace")
                collected.append(line)
                file.write(line)
                if verbose:
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
            *(["--folder", str(TESTS / name)] if name == "tools" else []),
        ],
        log,
        options.verbose,
        {"ACCEL_BUILD": str(options.build.absolute()), **environment},
    )
    outcome = of_program(program.name, status, junit, output)
    return _without_empty(outcome, options)


def _without_empty(outcome: Outcome, options: Options) -> Outcome:
    """With a filter, a program none of whose tests match is not at fault."""
    if options.filter != "*":
        outcome.failed = [name for name in outcome.failed if not name.endswith(" has no tests")]
    return outcome


def guest_programs(build: Path) -> list[Path]:
    """The test programs for the guest: every ELF executable CMake put into tests/vm/guest."""

    def is_program(path: Path) -> bool:
        if not path.is_file() or not os.access(path, os.X_OK) or ".so" in path.name:
            return False
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"

    folder = build / "tests/vm/guest"
    return sorted(path for path in folder.iterdir() if is_program(path)) if folder.is_dir() else []


# What is installed with the driver and tested in the guest.
GUEST_FILES = (
    (TESTS.parent / "driver/packaging/70-accel.rules", "/lib/udev/rules.d/70-accel.rules"),
    (Path("/usr/share/misc/pci.ids"), "/usr/share/misc/pci.ids"),
    (Path("/usr/share/libonnx-testdata/data"), "/usr/share/libonnx-testdata/data"),
)


def guest_tools(build: Path) -> list[Path]:
    """Programs of the host that tests need in the guest; where one is missing, they skip."""
    found = shutil.which(
        "udevadm", path=os.environ.get("PATH", "") + ":/usr/bin:/bin:/usr/sbin:/sbin"
    )
    lspci = shutil.which(
        "lspci", path=os.environ.get("PATH", "") + ":/usr/bin:/bin:/usr/sbin:/sbin"
    )
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
        *(Path(path) for path in (found, lspci) if path),
        *(path for path in built if path.is_file()),
    ]


def _run_guest(options: Options, log: Path, folder: Path, machine: tuple[str, ...]) -> Outcome:
    """All guest programs, one after the other, in one boot."""
    log.write_text("")
    programs = guest_programs(options.build)
    module = options.build / "driver" / options.release / "accel.ko"
    if not programs:
        return Outcome(failed=["no test program for the guest is built"])
    if not module.is_file():
        return Outcome(failed=[f"{module} is not built"])
    command = [
        str(TESTS / "vm/vm.py"),
        "--verbose",
        "--kernel",
        options.release,
        "--module",
        str(module),
        "--program",
        str(TESTS / "vm/gtest.sh"),
        "--log",
        str(log.with_name(f"{log.stem}-console.log")),
        "--results",
        str(folder),
        "--timeout",
        "900",
        # The second card is for what one does with another's memory; vgem is a foreign exporter of such.
        "--card",
        "serial=1",
        "--card",
        "serial=2,memory-size=64M",
        "--stock-module",
        "vgem",
        # Errors of the link are planted on that card alone.
        "--stock-module",
        "aer_inject",
        "--allow",
        r"AER: .* 0000:02:00\.0|0000:02:00\.0: AER: ",
        "--monitor",  # the tools are compared with what QEMU knows of the card
        "--smp",
        "2",  # one processor runs the driver's interrupt thread before whoever might race with it
        *machine,
        *options.vm_arguments,
    ]
    for program in [*programs, *guest_tools(options.build)]:
        command += ["--program", str(program)]
    # Networks that the suite `compiler` trains.
    trained = options.build / "tests/compiler/fashion"
    networks = [
        (path.absolute(), f"/usr/share/accel/{path.name}")
        for path in sorted(trained.glob("*.onnx"))
    ]
    for source, place in (*GUEST_FILES, *networks):
        if source.exists():
            command += ["--files", f"{source}:{place}"]
    command += ["--", "gtest.sh", options.filter, *(program.name for program in programs)]
    status, output = _call(command, log, options.verbose)
    if status != 0:
        # Whatever is wrong with the run is wrong with all that ran in it: nothing it left behind counts but names.
        outcome = from_output(output)
        reason = re.findall(r"^vm: (.*)$", output, re.MULTILINE)
        outcome.failed.append(reason[-1] if reason else f"the VM harness ended with {status}")
        return outcome
    outcome = Outcome()
    for program in programs:
        outcome.add(_guest_program(program.name, folder, output))
    outcome.add(_documents(folder))
    return _without_empty(outcome, options)


def _documents(folder: Path) -> Outcome:
    """The JSON that the tools printed in the guest, against its schemas."""
    outcome = Outcome()
    documents = sorted(folder.glob("document-*.json"))
    schemas = {
        path.stem: json.loads(path.read_text())
        for path in (TESTS.parent / "tools/schema").glob("*.json")
    }
    for path in documents:
        sys.path.append(
            "/usr/lib/python3/dist-packages"
        )  # a Python of one's own does not look there
        import jsonschema  # not needed by who runs other suites

        try:
            document = json.loads(path.read_text())
            jsonschema.validate(document, schemas[re.split("[./]", document["schema"])[0]])
        except (ValueError, KeyError, jsonschema.ValidationError) as error:
            outcome.failed.append(
                f"a document of the tools does not fit its schema: {path.read_text()[:200]}: {error}"
            )
    if documents and not outcome.failed:
        outcome.passed.append("Documents.FitTheirSchemas")
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
