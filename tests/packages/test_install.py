# SPDX-License-Identifier: Apache-2.0
"""`make install` under a prefix that the machine does not know."""

import shutil
import tempfile
import unittest
from pathlib import Path

from debs import BUILD, COMPILERS, CONSUMER, PROJECT, VERSION, run

PC_FILES = ("accel", "accel-c", "accel-model")


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="accel-sdk.")))
        cls.prefix = cls.folder / "opt"
        done = run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        assert done.returncode == 0, done.stdout
        cls.libraries = next(cls.prefix.rglob("libaccel.so.0")).parent

    def test_the_tools_start_without_ldconfig(self):
        for tool in ("accelctl", "lsaccel"):
            done = run(self.prefix / "bin" / tool, "--version")
            self.assertEqual(done.stdout, f"{tool} {VERSION}\n")

    def prefixes(self, libraries: Path) -> set[str]:
        return {
            run(
                *("pkg-config", "--variable=prefix", name),
                PKG_CONFIG_LIBDIR=str(libraries / "pkgconfig"),
            ).stdout.strip()
            for name in PC_FILES
        }

    def test_the_files_for_pkg_config_have_the_prefix(self):
        self.assertEqual(self.prefixes(self.libraries), {str(self.prefix)})

    def test_a_staging_folder_is_no_part_of_the_prefix(self):
        stage = self.folder / "stage"
        done = run("cmake", "--install", BUILD, "--prefix", "/opt/accel", DESTDIR=str(stage))
        self.assertEqual(done.returncode, 0, done.stdout)
        libraries = next((stage / "opt/accel").rglob("libaccel.so.0")).parent
        self.assertEqual(self.prefixes(libraries), {"/opt/accel"})

    def test_a_project_builds_and_runs_with_it(self):
        done = run(
            *(CONSUMER / "check.sh", *COMPILERS),
            CMAKE_PREFIX_PATH=str(self.prefix),
            PKG_CONFIG_PATH=str(self.libraries / "pkgconfig"),
            LDFLAGS=f"-Wl,-rpath,{self.libraries} -Wl,-rpath-link,{self.libraries}",
        )
        self.assertEqual(done.stdout, f"{2 * len(COMPILERS)} passed, 0 failed\n")


class Symbols(unittest.TestCase):
    def test_the_symbols_files_have_every_symbol(self):
        done = run(PROJECT / "tools/packaging/symbols.py", BUILD)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_a_new_and_a_lost_symbol_are_found(self):
        with tempfile.TemporaryDirectory(prefix="accel-symbols.") as name:
            copy = Path(name, "packaging")
            shutil.copytree(PROJECT / "tools/packaging", copy)
            symbols = copy / "debian/libaccel-c0.symbols"
            text = symbols.read_text()
            symbols.write_text(text.replace(" accel_job_wait@", " accel_job_awaited@"))
            done = run(copy / "symbols.py", BUILD)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"libaccel-c0: accel_job_wait@ACCEL_C_0 is new")
        self.assertRegex(done.stdout, r"libaccel-c0: accel_job_awaited@ACCEL_C_0 is lost")


class Clang(unittest.TestCase):
    def test_the_sdk_builds_with_clang(self):
        if "clang" not in COMPILERS:
            self.skipTest("clang is not installed (tools/setup/packages.sh check)")
        build = BUILD / "clang"
        parts = ("TESTS", "CARD", "TOOLS", "EXAMPLES")
        for words in (
            ("-S", PROJECT, "-B", build, "-G", "Ninja", "-DCMAKE_C_COMPILER=clang")
            + ("-DCMAKE_CXX_COMPILER=clang++", *(f"-DACCEL_BUILD_{part}=OFF" for part in parts)),
            ("--build", build, "--target", "accel"),
        ):
            done = run("cmake", *words)
            self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
