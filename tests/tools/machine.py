# SPDX-License-Identifier: Apache-2.0
"""A machine in a folder: the files of /sys, /proc and /dev that the tools read with --root.

ToolTest is the base of all tests that run a tool on such a machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

# Debian's package is in a folder that another Python does not search.
sys.path.append("/usr/lib/python3/dist-packages")
import jsonschema

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
BUILD = Path(os.environ.get("ACCEL_BUILD", PROJECT / "build")).absolute()
DUMP = HERE / "data/card.dump"
SCHEMAS = {
    name: json.loads((PROJECT / f"tools/schema/{name}.json").read_text())
    for name in ("lsaccel", "accelctl")
}
KERNEL = "6.1.0-test-amd64"
TIMEOUT = 60  # seconds; generous, as no test measures time


def config_space(size: int = 4096) -> bytearray:
    """The config space of the card, from the dump."""
    data = bytearray()
    for line in DUMP.read_text().splitlines()[1:]:
        data += bytes.fromhex(line.partition(":")[2])
    return data[:size]


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the process has just ended
        if int(after_name[1]) == pid:
            found.append(int(path.parent.name))
    return found


class Machine:
    """Writes the files. Their default content is that of a healthy machine."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for name in (
            "sys/bus/pci/devices",
            "sys/bus/pci/drivers",
            "sys/class/accel-card",
            "sys/kernel/iommu_groups/7",
            "proc",
            "dev",
            f"lib/modules/{KERNEL}/build",
        ):
            (folder / name).mkdir(parents=True)
        self.write("/proc/sys/kernel/osrelease", KERNEL)
        self.write("/proc/cmdline", "quiet")

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((text + "\n").encode() if isinstance(text, str) else text)
        return file

    def link(self, path: str, target: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)

    def device(self, address: str, identity: tuple[int, int, int], config: bytes, path: str) -> str:
        """Adds a PCI function; `path` is its parent below /sys/devices."""
        folder = f"/sys/devices/{path}/{address}"
        vendor, device, kind = identity
        self.write(f"{folder}/vendor", f"{vendor:#06x}")
        self.write(f"{folder}/device", f"{device:#06x}")
        self.write(f"{folder}/class", f"{kind << 8:#08x}")
        self.write(f"{folder}/irq", "0")
        self.write(
            f"{folder}/resource",
            "\n".join(["0x0000000000000000 0x0000000000000000 0x0000000000000000"] * 7),
        )
        self.write(f"{folder}/config", config)
        self.link(f"/sys/bus/pci/devices/{address}", f"../../../devices/{path}/{address}")
        return folder

    def card(
        self,
        address: str = "0000:01:00.0",
        node: int | None = 0,
        driver: str = "accel",
        *,
        serial: int = 1,
        state: str = "running",
        width: int = 16,
        port_width: int = 16,
        config: bytes | None = None,
        port: str = "0000:00:02.0",
        events: str = "",
    ) -> str:
        """Adds a card behind a port; returns its folder."""
        if not (self.root / f"sys/bus/pci/devices/{port}").exists():
            bridge = bytearray(256)
            bus = int(address[5:7], 16)
            bridge[0x0E], bridge[0x18], bridge[0x19], bridge[0x1A] = 1, 0, bus, bus
            above = self.device(port, (0x1B36, 0x000C, 0x0604), bridge, "pci0000:00")
            self.write(f"{above}/max_link_speed", "16.0 GT/s PCIe")
            self.write(f"{above}/max_link_width", str(port_width))
        folder = self.device(
            address, (0x1234, 0xACC1, 0x1200), config or config_space(), f"pci0000:00/{port}"
        )
        for name, value in {
            "current_link_speed": "16.0 GT/s PCIe",
            "current_link_width": width,
            "max_link_speed": "16.0 GT/s PCIe",
            "max_link_width": 16,
            "numa_node": 1,
            "driver_override": "(null)",
        }.items():
            self.write(f"{folder}/{name}", str(value))
        self.write(f"{folder}/aer_dev_correctable", "RxErr 3\nBadTLP 0\nTOTAL_ERR_COR 3")
        self.write(f"{folder}/aer_dev_nonfatal", "CmpltTO 0\nTOTAL_ERR_NONFATAL 0")
        self.write(f"{folder}/aer_dev_fatal", "DLP 0\nTOTAL_ERR_FATAL 0")
        self.link(f"{folder}/iommu_group", "../../../../kernel/iommu_groups/7")
        if driver:
            (self.root / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
            self.link(f"{folder}/driver", f"../../../../bus/pci/drivers/{driver}")
        if node is not None:
            self._node(folder, node, serial, state, events)
        return folder

    def _node(self, folder: str, node: int, serial: int, state: str, events: str) -> None:
        own = f"{folder}/accel-card/accel{node}"
        self.link(f"/sys/class/accel-card/accel{node}", f"../..{own.removeprefix('/sys')}")
        values = {
            "serial": f"{serial:016x}",
            "hardware_version": "1.0",
            "firmware_version": "1.2.3",
            "generation": 2,
            "state": state,
            "memory_size": 256 << 20,
            "memory_used": 64 << 20,
            "contexts_used": 1,
            "queues_used": 2,
            "dev": f"240:{node}",
            "events": events,
            "engines/dma_busy_ns": 1000,
            "engines/compute_busy_ns": 2000,
            "engines/clock_ns": 9000,
            "engines/dma_count": 1,
            "engines/compute_count": 2,
            "counters/commands": 41,
            "counters/doorbells": 7,
            "counters/faults": 0,
        }
        for name, value in values.items():
            self.write(f"{own}/{name}", str(value))
        for vector in range(3):
            self.write(f"{folder}/msi_irqs/{24 + vector}", "msix")
        for name, value in {
            "temp1_input": 61500,
            "power1_input": 30_000_000,
            "power1_cap": 75_000_000,
            "power1_cap_min": 20_000_000,
            "power1_cap_max": 75_000_000,
            "freq1_input": 1_000_000_000,
        }.items():
            self.write(f"{folder}/hwmon/hwmon3/{name}", str(value))
        self.write(f"/dev/accel{node}", "")

    def process(
        self,
        pid: int,
        name: str,
        address: str = "0000:01:00.0",
        client: int = 5,
        queues: str = "",
        state: str = "running",
    ) -> None:
        """Adds a process that holds a card, or replaces it."""
        self.write(f"/proc/{pid}/comm", name)
        (self.root / f"proc/{pid}/fd/3").unlink(missing_ok=True)
        self.link(f"/proc/{pid}/fd/3", "/dev/accel0")
        self.write(
            f"/proc/{pid}/fdinfo/3",
            "pos:\t0\nflags:\t02\n"
            f"drm-driver:\taccel\ndrm-pdev:\t{address}\ndrm-client-id:\t{client}\n"
            "drm-engine-dma:\t100 ns\ndrm-engine-compute:\t200 ns\n"
            "drm-total-memory:\t2048 KiB\ndrm-total-vram:\t65536 KiB\n"
            f"accel-registered:\t4 KiB\naccel-queues:\t1\naccel-state:\t{state}\n{queues}",
        )


def as_user(test: ToolTest) -> dict:
    """Options of subprocess that drop the rights of root."""
    os.chmod(test.folder, 0o755)
    return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


class ToolTest(unittest.TestCase):
    """Runs the tools on a machine that the test creates."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="accel-tools.")))
        self.machine = Machine(self.folder / "machine")

    def run_tool(
        self, name: str, *arguments: str, here: bool = False, **options: Any
    ) -> subprocess.CompletedProcess:
        """Runs a tool on the folder, or with `here` on this machine."""
        root = [] if here else ["--root", str(self.machine.root)]
        environment = {
            key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")
        }
        environment.update(options.pop("env", {}))
        return subprocess.run(
            [BUILD / "tools" / name, *root, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT,
            env=environment,
            **options,
        )

    def ctl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess:
        return self.run_tool("accelctl", *arguments, **options)

    def ls(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess:
        return self.run_tool("lsaccel", *arguments, **options)

    def document(self, done: subprocess.CompletedProcess) -> Any:
        """Returns the one JSON document that a tool printed, after its schema accepted it."""
        document = json.loads(done.stdout)
        jsonschema.validate(
            document, SCHEMAS[document["schema"].partition("/")[0].partition(".")[0]]
        )
        return document

    def expect_exit(self, done: subprocess.CompletedProcess, status: int, *words: str) -> None:
        self.assertEqual(done.returncode, status, f"{done.stdout}{done.stderr}")
        for word in words:
            self.assertIn(word, done.stderr)
