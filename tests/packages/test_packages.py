# SPDX-License-Identifier: Apache-2.0
"""The Debian packages have what they promise; `make test-deb` installs them."""

import re
import shutil
import unittest
from pathlib import Path

from debs import BUILD, COMPILERS, CONSUMER, NAMES, PROJECT, VERSION, field, paths, run, unpacked


class Packages(unittest.TestCase):
    def test_each_part_has_its_package(self):
        self.assertEqual(sorted(paths()), sorted(NAMES))

    def test_every_package_has_the_version_of_the_project(self):
        for package in NAMES:
            self.assertRegex(field(package, "Version"), rf"^{re.escape(VERSION)}-\w+$")

    def test_development_files_come_with_their_libraries(self):
        version = field("libaccel-dev", "Version")
        for library in ("libaccel0", "libaccel-model0", "libaccel-c0"):
            self.assertIn(f"{library} (= {version})", field("libaccel-dev", "Depends"))

    def test_a_program_without_models_needs_no_protobuf(self):
        self.assertNotIn("protobuf", field("libaccel0", "Depends"))
        self.assertIn("protobuf", field("libaccel-model0", "Depends"))

    def test_the_card_depends_on_the_qemu_that_it_was_built_for(self):
        headers = (BUILD / "qemu-headers").read_text().strip()
        version = Path(headers).name.removeprefix("qemu-headers-")
        self.assertIn(f"qemu-system-x86 (>= 1:{version})", field("accel-qemu", "Depends"))
        self.assertIn(f"qemu-system-x86 (<< 1:{version}+c)", field("accel-qemu", "Depends"))

    def test_every_file_belongs_to_root_and_is_readable(self):
        for path in paths().values():
            listing = run("dpkg-deb", "-c", path).stdout
            for line in listing.splitlines():
                self.assertRegex(line, r"^([d-]rw[x-]r-[x-]r-[x-]|lrwxrwxrwx) root/root ")

    def test_lintian_finds_nothing(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is not installed (tools/setup/packages.sh deb)")
        done = run(
            *("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"),
            *paths().values(),
            *(BUILD / "packages/source").glob("*.dsc"),
        )
        self.assertEqual((done.returncode, done.stdout), (0, ""))


class Files(unittest.TestCase):
    def test_no_program_searches_folders_of_the_build(self):
        programs = unpacked().programs()
        self.assertGreater(len(programs), 6)
        for program in programs:
            self.assertNotRegex(run("readelf", "-d", program).stdout, r"R(UN)?PATH")

    def test_every_tool_says_its_version(self):
        for tool in ("accelctl", "lsaccel"):
            done = run(
                *(unpacked().root / "usr/bin" / tool, "--version"),
                LD_LIBRARY_PATH=str(unpacked().libraries),
            )
            self.assertEqual(done.stdout, f"{tool} {VERSION}\n")
        done = run(unpacked().root / "usr/sbin/accel-dkms", "--version")
        self.assertEqual(done.stdout, f"accel-dkms {VERSION}\n")

    def test_the_python_package_runs_a_job(self):
        if run("/usr/bin/python3", "-c", "import numpy").returncode != 0:
            self.skipTest("Debian's python3-numpy is not installed")
        script = (
            "import accel, importlib.metadata as metadata\n"
            "device = accel.Device('emulated')\n"
            "print(accel.__version__, metadata.version('accel'), device.info().emulated)\n"
        )
        done = run(
            *("/usr/bin/python3", "-c", script),
            LD_LIBRARY_PATH=str(unpacked().libraries),
            PYTHONPATH=str(unpacked().root / "usr/lib/python3/dist-packages"),
        )
        self.assertEqual(done.stdout, f"{VERSION} {VERSION} True\n")

    def test_a_project_builds_and_runs_with_them(self):
        root, libraries = unpacked().root, unpacked().libraries
        done = run(
            *(CONSUMER / "check.sh", *COMPILERS),
            CMAKE_PREFIX_PATH=str(root / "usr"),
            PKG_CONFIG_LIBDIR=str(libraries / "pkgconfig"),
            PKG_CONFIG_SYSROOT_DIR=str(root),
            LDFLAGS=f"-Wl,-rpath-link,{libraries}",
            LD_LIBRARY_PATH=str(libraries),
        )
        self.assertEqual(done.stdout, f"{2 * len(COMPILERS)} passed, 0 failed\n")

    def test_the_example_for_users_is_this_project(self):
        example = unpacked().root / "usr/share/doc/libaccel-dev/examples/consumer"
        names = sorted(path.name for path in CONSUMER.iterdir())
        self.assertEqual(sorted(path.name for path in example.iterdir()), names)
        for name in names:
            self.assertEqual((example / name).read_bytes(), (CONSUMER / name).read_bytes())


class Driver(unittest.TestCase):
    """The package for DKMS contains everything that a build needs."""

    def setUp(self):
        self.root = unpacked().root
        self.source = self.root / f"usr/src/accel-{VERSION}"

    def test_it_contains_every_source_of_the_driver(self):
        for folder in ("driver", "include"):
            for file in (PROJECT / folder).rglob("*"):
                if file.suffix in (".c", ".h") or file.name in ("Kbuild", "Makefile"):
                    if file.name.endswith(".mod.c"):
                        continue
                    with self.subTest(file=file):
                        packed = self.source / file.relative_to(PROJECT)
                        self.assertEqual(packed.read_bytes(), file.read_bytes())

    def test_it_has_the_version_of_the_project(self):
        self.assertIn(f'PACKAGE_VERSION="{VERSION}"', (self.source / "dkms.conf").read_text())
        module = (self.source / "driver/accel_drv.c").read_text()
        self.assertIn(f'MODULE_VERSION("{VERSION}")', module)

    def test_no_placeholder_is_left(self):
        files = [self.source / "dkms.conf", self.root / "usr/sbin/accel-dkms"]
        files += [
            path
            for folder in ("etc", "usr/lib/udev", "usr/lib/sysusers.d", "usr/lib/modprobe.d")
            for path in (self.root / folder).rglob("*")
            if path.is_file()
        ]
        self.assertGreater(len(files), 5)
        for file in files:
            self.assertNotRegex(file.read_text(), r"@[A-Z]+@")

    def test_hooks_are_configuration_files(self):
        listed = run("dpkg-deb", "--info", paths()["accel-dkms"], "conffiles").stdout.split()
        files = [p for p in (self.root / "etc").rglob("*") if p.is_file()]
        self.assertEqual(sorted(listed), sorted(f"/{p.relative_to(self.root)}" for p in files))


if __name__ == "__main__":
    unittest.main()
