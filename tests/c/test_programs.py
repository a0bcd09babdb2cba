# SPDX-License-Identifier: Apache-2.0
"""Programs in C and C++ compile without a warning, and run on the emulated device.

The program of docs/reference/c.md is among them. The check of the symbols finds differences.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import abi
from library import BUILD, FOLDER, HEADERS, MODELS, ROOT, SANITIZERS

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror")
C = tuple(name for name in ("gcc", "clang") if shutil.which(name))
SANITIZED = (f"-fsanitize={SANITIZERS}",) if SANITIZERS else ()
LINKING = C[:1] if SANITIZERS else C  # a program has the sanitizers of the compiler of the library
CXX = tuple(name for name in ("g++", "clang++") if shutil.which(name))


def run(*words: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **environment},
    )


class ProgramTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="accel-c.")
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def expect(self, done: subprocess.CompletedProcess, output: str) -> None:
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, output), done.args)


class Programs(ProgramTest):
    def compile(self, compiler: str, source: Path, *options: str) -> Path:
        program = self.folder / f"{source.stem}-{compiler}"
        link = (f"-L{FOLDER}", "-laccel_c", "-lpthread", f"-Wl,-rpath,{FOLDER}")
        self.expect(
            run(
                compiler,
                *STRICT,
                *SANITIZED,
                *options,
                f"-I{HEADERS}",
                source,
                "-o",
                program,
                *link,
            ),
            "",
        )
        return program

    def test_a_program_uses_each_part(self):
        model = MODELS / "test_sub/model.onnx"
        for compiler in LINKING:
            with self.subTest(compiler):
                program = self.compile(
                    compiler, ROOT / "tests/c/program.c", "-std=c11", "-Wconversion"
                )
                words = (program, model) if model.is_file() else (program,)
                self.expect(run(*words, ACCEL_DEVICE="emulated"), "passed\n")

    def test_the_documented_program_prints_its_result(self):
        page = (ROOT / "docs/reference/c.md").read_text()
        source = self.folder / "hello.c"
        match = re.search(r"```c\n(.*?)```", page, re.DOTALL)
        assert match
        source.write_text(match[1])
        for compiler in LINKING:
            with self.subTest(compiler):
                program = self.compile(compiler, source, "-std=c11")
                self.expect(run(program, ACCEL_DEVICE="emulated"), "5 6 0\n")
        done = run(program, ACCEL_DEVICE="/dev/accel-not-there")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/dev/accel-not-there", done.stderr)

    def includes(self, *headers: str) -> str:
        return "".join(f"#include <{header}>\n" for header in headers)

    def expect_silent(self, compiler: str, text: str, *options: str) -> None:
        source = self.folder / ("all.c" if compiler in C else "all.cpp")
        source.write_text(text)
        with self.subTest(compiler=compiler, options=options, text=text):
            self.expect(
                run(compiler, *STRICT, *options, f"-I{HEADERS}", "-fsyntax-only", source), ""
            )

    def test_every_header_is_strict_c11_and_cxx11(self):
        headers = [str(path.relative_to(HEADERS)) for path in sorted(HEADERS.rglob("*.h"))]
        self.assertIn("accel.h", headers)
        for header in headers:
            for compiler in C:
                self.expect_silent(compiler, self.includes(header, header), "-std=c11")
            for compiler in CXX:
                self.expect_silent(compiler, self.includes(header, header), "-std=c++11")

    def test_the_other_headers_can_be_included_too(self):
        contract = ("accel_hw.h", "accel_uapi.h")
        for order in ((*contract, "accel.h"), ("accel.h", *contract)):
            for compiler in C:
                text = self.includes(*order)
                self.expect_silent(compiler, text, "-std=c11", f"-I{ROOT / 'include'}")
        for compiler in CXX:
            text = self.includes("accel.h", "accel/accel.hpp", "accel/model.hpp")
            folders = (ROOT / "libaccel/include", ROOT / "libaccel/compiler/include")
            self.expect_silent(compiler, text, "-std=c++20", *(f"-I{name}" for name in folders))

    def test_the_headers_include_standard_headers_only(self):
        for path in HEADERS.rglob("*.h"):
            for name in re.findall(r"#include [<\"](.*)[>\"]", path.read_text()):
                self.assertRegex(name, r"^(accel/c/\w+\.h|stddef\.h|stdint\.h)$")


class Installed(ProgramTest):
    """The installed package serves C projects, without a compiler for C++."""

    def setUp(self):
        super().setUp()
        if SANITIZERS:
            self.skipTest("a library with sanitizers does not link into a plain program")
        self.prefix = self.folder / "prefix"
        for component in ("sdk", "sdk-dev"):
            done = run(
                *("cmake", "--install", BUILD, "--prefix", self.prefix, "--component", component)
            )
            self.assertEqual(done.returncode, 0, done.stderr)
        self.libraries = next(self.prefix.rglob("libaccel_c.so")).parent
        page = (ROOT / "docs/reference/c.md").read_text()
        match = re.search(r"```c\n(.*?)```", page, re.DOTALL)
        assert match
        (self.folder / "hello.c").write_text(match[1])

    def expect_result(self, program: Path) -> None:
        environment = {"ACCEL_DEVICE": "emulated", "LD_LIBRARY_PATH": str(self.libraries)}
        self.expect(run(program, **environment), "5 6 0\n")

    def test_pkg_config_has_the_options(self):
        done = run(
            *("pkg-config", "--cflags", "--libs", "accel-c"),
            PKG_CONFIG_PATH=str(self.libraries / "pkgconfig"),
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("std=", done.stdout)  # the standard is the program's choice
        program = self.folder / "hello"
        self.expect(
            run(
                *("cc", *STRICT, "-std=c11", self.folder / "hello.c", "-o", program),
                *done.stdout.split(),
                f"-Wl,-rpath-link,{self.libraries}",
            ),
            "",
        )
        self.expect_result(program)

    def test_cmake_finds_the_target(self):
        (self.folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\n"
            "project(hello LANGUAGES C)\n"
            "find_package(accel REQUIRED)\n"
            "add_executable(hello hello.c)\n"
            "target_link_libraries(hello accel::c)\n"
        )
        build = self.folder / "build"
        for words in (
            ("-S", self.folder, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}"),
            ("--build", build),
        ):
            done = run("cmake", *words)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.expect_result(build / "hello")


class Record(unittest.TestCase):
    def test_the_structures_and_constants_match_their_record(self):
        changes = abi.changes_of(abi.C_HEADER)
        self.assertEqual("\n".join(abi.sentences(abi.C_HEADER, changes)), "")

    def test_no_structure_has_padding(self):
        source = "#include <accel.h>\n"
        done = subprocess.run(
            ["cc", "-std=c11", "-Wpadded", "-Werror", f"-I{HEADERS}"]
            + ["-fsyntax-only", "-x", "c", "-"],
            input=source,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.stderr, "")

    def test_structures_begin_with_their_size_or_are_listed_as_fixed(self):
        page = (ROOT / "docs/reference/c.md").read_text()
        fixed = page[page.index("Structures without `size`") : page.index("never change")]
        structures = abi.of_record(abi.record_of(abi.C_HEADER).read_text()).structures
        self.assertEqual(
            {name for name, structure in structures.items() if not structure.extensible},
            set(re.findall(r"accel_\w+_t", fixed)),
        )


class Symbols(unittest.TestCase):
    def check(self, lines: str) -> str:
        """The output of the build's check for a map with these lines instead of the job's wait."""
        text = (ROOT / "libaccel/c/libaccel_c.map").read_text()
        with tempfile.TemporaryDirectory(prefix="accel-c.") as folder:
            changed = Path(folder, "changed.map")
            changed.write_text(text.replace("        accel_job_wait;\n", lines))
            done = run(
                *("cmake", "-DNM=nm", f"-DLIBRARY={FOLDER / 'libaccel_c.so.0'}"),
                *(f"-DMAP={changed}", f"-DHEADERS={HEADERS / 'accel/c'}"),
                *("-P", ROOT / "libaccel/c/check_symbols.cmake"),
            )
        self.assertEqual(done.returncode == 0, not done.stderr, done.stderr)
        return done.stderr

    def test_the_map_the_headers_and_the_library_agree(self):
        self.assertEqual(self.check("        accel_job_wait;\n"), "")

    def test_differences_are_found(self):
        said = self.check("")
        self.assertIn("accel_job_wait: accel.h declares it", said)
        self.assertIn("accel_job_wait: the library exports it", said)
        said = self.check("        accel_job_wait;\n        accel_invented;\n")
        self.assertIn("accel_invented", said)

    def test_the_library_is_known_by_its_major_version(self):
        done = run("readelf", "-d", FOLDER / "libaccel_c.so")
        self.assertIn("[libaccel_c.so.0]", done.stdout)
        self.assertTrue((BUILD / "libaccel/c/libaccel_c.so.0").exists())
