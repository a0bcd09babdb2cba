# SPDX-License-Identifier: Apache-2.0
"""What the tests share: a card, and programs in processes of their own."""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import accel


class CardTest(unittest.TestCase):
    """Opens the card that ACCEL_DEVICE names for each test."""

    def setUp(self):
        self.card = accel.Device()
        self.addCleanup(self.card.close)

    def folder(self) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def expect_soon(self, value, expected) -> None:
        """Waits until value() is `expected`: a driver may free memory a little later."""
        deadline = time.monotonic() + 30
        while value() != expected and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(value(), expected)

    def host_memory(self) -> int:
        """Bytes of host memory that this user's buffers hold on the card."""
        return self.card.info().user_host_memory.used


def tools_environment() -> dict[str, str]:
    """The environment for programs that are not Python: without the runtime of a sanitizer."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs a Python program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
