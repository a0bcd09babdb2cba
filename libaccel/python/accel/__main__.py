# SPDX-License-Identifier: Apache-2.0
"""`python -m accel`: prints the version and the cards, and runs a command on each."""

from __future__ import annotations

import sys

from . import Device, DeviceInfo, Error, __version__, commands, devices

MIB = 1 << 20


def describe(info: DeviceInfo) -> str:
    """The properties of a card in a line."""
    firmware = info.firmware_version
    version = f"{firmware >> 24}.{firmware >> 16 & 0xFF}.{firmware & 0xFFFF}"
    return (
        f"firmware {version}, {info.memory_free // MIB} of {info.memory_size // MIB} MiB "
        f"free, compute engines: {info.compute_engines}"
    )


def check(name: str) -> bool:
    """Opens a card, fills a buffer on it, and prints what it is. False if that fails."""
    try:
        with Device(name) as device, device.create_queue() as queue:
            buffer = device.buffer(1024)
            queue.submit(commands.fill(buffer, 1)).wait(60)
            works = bool((buffer.numpy() == 1).all())
            result = "works" if works else "fills memory with wrong values"
            print(f"{name}: {result}; {describe(device.info())}")
            return works
    except Error as error:
        print(f"{name}: {error}")
        return False


def main() -> int:
    """Checks the cards of this machine, and the emulated one."""
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"accel {__version__}, Python {python}")
    try:
        entries = devices()
    except Error as error:  # a wrong name in ACCEL_DEVICE
        print(error)
        return 1
    works = True
    for entry in entries:
        if entry.info is None:
            print(f"{entry.path}: {entry.reason}")
            works = False
        else:
            works = check(entry.path) and works
    if not entries:
        print("no card of this machine has a driver; 'accelctl doctor' of the package accel-tools")
        print("looks for the reason. A program runs without a card on the emulated one:")
    if not any(entry.info and entry.info.emulated for entry in entries):
        works = check("emulated") and works
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main())
