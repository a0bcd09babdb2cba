# SPDX-License-Identifier: Apache-2.0
"""The package for DKMS contains everything that a build needs; `make test-deb` installs it."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGING = PROJECT / "driver/packaging"


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="accel-deb.")))
        cls.deb = subprocess.run(
            [PACKAGING / "deb.sh", cls.folder], capture_output=True, text=True, check=True
        ).stdout.strip()
        subprocess.run(["dpkg-deb", "-R", cls.deb, cls.folder / "tree"], check=True)
        cls.tree = cls.folder / "tree"
        cls.source = next((cls.tree / "usr/src").iterdir())

    def test_it_contains_every_source_of_the_driver(self):
        for folder in ("driver", "include"):
            for file in (PROJECT / folder).rglob("*"):
                if file.suffix in (".c", ".h") or file.name in ("Kbuild", "Makefile"):
                    with self.subTest(file=file):
                        packed = self.source / file.relative_to(PROJECT)
                        self.assertEqual(packed.read_bytes(), file.read_bytes())

    def test_every_file_has_the_version_of_the_project(self):
        version = re.search(
            r"project\(accel VERSION (\S+)", (PROJECT / "CMakeLists.txt").read_text()
        )[1]
        self.assertEqual(self.source.name, f"accel-{version}")
        self.assertIn(f'PACKAGE_VERSION="{version}"', (self.source / "dkms.conf").read_text())
        self.assertIn(f"\nVersion: {version}\n", (self.tree / "DEBIAN/control").read_text())
        module = (self.source / "driver/accel_drv.c").read_text()
        self.assertIn(f'MODULE_VERSION("{version}")', module)
        for file in self.tree.rglob("*"):
            if file.is_file() and self.source / "driver" not in file.parents:
                self.assertIsNone(re.search(r"@[A-Z]+@", file.read_text()), file)

    def test_every_file_belongs_to_root_and_is_readable(self):
        listing = subprocess.run(
            ["dpkg-deb", "-c", self.deb], capture_output=True, text=True, check=True
        ).stdout
        for line in listing.splitlines():
            self.assertRegex(line, r"^[d-]rw[x-]r-[x-]r-[x-] root/root ")

    def test_hooks_are_configuration_files(self):
        listed = (self.tree / "DEBIAN/conffiles").read_text().split()
        self.assertEqual(
            sorted(listed),
            sorted(
                f"/{p.relative_to(self.tree)}"
                for p in (self.tree / "etc").rglob("*")
                if p.is_file()
            ),
        )
