# SPDX-License-Identifier: Apache-2.0
"""The headers' binary interface matches its record, in 32 and 64 bits, in C and C++.

Planted breaks are found.
"""

import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import abi
from abi import Interface, Member, Structure

INCLUDE = abi.INCLUDE
WARNINGS = ("-Wall", "-Wextra", "-pedantic", "-Wpadded", "-Werror", "-fsyntax-only", "-I", INCLUDE)


def compiler_says(compiler: str, text: str, *options: str, suffix: str = ".c") -> str:
    with tempfile.TemporaryDirectory(prefix="accel-abi.") as scratch:
        source = Path(scratch, f"alone{suffix}")
        source.write_text(text)
        return subprocess.run(
            [compiler, *options, *WARNINGS, source], capture_output=True, text=True, check=False
        ).stderr


class Headers(unittest.TestCase):
    def expect_silent(self, compiler: str, header: str, *options: str, suffix: str = ".c") -> None:
        with self.subTest(header=header, compiler=compiler, options=options):
            self.assertEqual(
                compiler_says(compiler, f'#include "{header}"\n', *options, suffix=suffix), ""
            )

    def test_the_uapi_is_strict_c99_without_padding(self):
        for word in ("-m64", "-m32"):
            self.expect_silent("cc", "accel_uapi.h", "-std=c99", word)

    def test_both_compile_as_c11(self):
        for header in abi.HEADERS:
            self.expect_silent("cc", header, "-std=c11")

    def test_the_uapi_is_strict_cxx11(self):
        for word in ("-m64", "-m32"):
            self.expect_silent("c++", "accel_uapi.h", "-std=c++11", word, suffix=".cpp")

    def test_both_compile_as_cxx20(self):
        for header in abi.HEADERS:
            # An unnamed structure in a union is C11; in C++ it is an extension of all compilers.
            self.expect_silent("c++", header, "-std=c++20", "-Wno-pedantic", suffix=".cpp")

    def test_padding_would_be_found(self):
        said = compiler_says("cc", "struct hole { char a; long b; };\n", "-std=c99")
        self.assertIn("padding", said)


class Record(unittest.TestCase):
    def test_the_headers_match_their_record(self):
        for header in abi.HEADERS:
            with self.subTest(header=header):
                self.assertEqual("\n".join(abi.sentences(header, abi.changes_of(header))), "")

    def test_32_bit_programs_have_the_same_structures(self):
        for header in abi.HEADERS:
            with self.subTest(header=header):
                self.assertEqual(
                    abi.of_header(INCLUDE / header, "-m32").structures,
                    abi.of_header(INCLUDE / header).structures,
                )

    def test_a_record_can_be_read_back(self):
        for header in abi.HEADERS:
            now = abi.of_header(INCLUDE / header)
            self.assertEqual(abi.of_record(abi.text_of(header, now)), now)


class Comparison(unittest.TestCase):
    """Planted changes are found and classified."""

    CREATE = Structure(
        24,
        [
            Member(0, 4, "__u32", "size"),
            Member(4, 4, "__u32", "flags"),
            Member(8, 8, "__u64", "bytes"),
            Member(16, 4, "__u32", "handle"),
            Member(20, 4, "__u32", "reserved"),
        ],
    )
    PLAIN = Structure(
        16, [Member(0, 8, "__le64", "address"), Member(8, 8, "__le64", "reserved[1]")]
    )
    CONSTANTS = {"ACCEL_IOCTL_CREATE": 0xAC10, "ACCEL_CMD_FLAGS": 1, "ACCEL_VERSION_MINOR": 0}

    def changes(self, create=CREATE, plain=PLAIN, **constants) -> abi.Changes:
        old = Interface({"create": self.CREATE, "plain": self.PLAIN}, dict(self.CONSTANTS))
        new = Interface({"create": create, "plain": plain}, {**self.CONSTANTS, **constants})
        new.structures = {
            name: structure for name, structure in new.structures.items() if structure
        }
        new.constants = {name: value for name, value in new.constants.items() if value is not None}
        return abi.compare(old, new)

    def expect_break(self, sentence: str, changes: abi.Changes) -> None:
        self.assertEqual(changes.breaks, [sentence])
        self.assertIn(
            f"accel_uapi.h: {sentence}: this breaks programs that are already compiled.",
            abi.sentences("accel_uapi.h", changes)[0],
        )

    def expect_addition(self, sentence: str, changes: abi.Changes) -> None:
        self.assertEqual(changes.breaks, [])
        self.assertIn(sentence, changes.additions)
        self.assertIn("run `make abi` to record it", abi.sentences("accel_uapi.h", changes)[0])

    @staticmethod
    def with_member(structure: Structure, index: int, **changed) -> Structure:
        members = list(structure.members)
        members[index] = replace(members[index], **changed)
        return Structure(structure.size, members)

    def test_equal_interfaces_have_no_changes(self):
        self.assertEqual(self.changes(), abi.Changes())

    def test_a_member_that_moves_breaks(self):
        self.expect_break(
            "create.handle was at 16 and is at 8",
            self.changes(self.with_member(self.CREATE, 3, offset=8)),
        )

    def test_a_removed_member_breaks(self):
        self.expect_break(
            "create.bytes was removed",
            self.changes(
                Structure(24, [member for member in self.CREATE.members if member.name != "bytes"])
            ),
        )

    def test_a_member_of_another_type_breaks(self):
        self.expect_break(
            "create.bytes was __u64 of 8 bytes and is __s64 of 8",
            self.changes(self.with_member(self.CREATE, 2, type="__s64")),
        )

    def test_a_removed_structure_breaks(self):
        self.expect_break("struct plain was removed", self.changes(plain=None))

    def test_a_structure_that_shrinks_breaks(self):
        self.expect_break(
            "create shrank from 24 to 16 bytes", self.changes(Structure(16, self.CREATE.members))
        )

    def test_a_structure_that_grows_breaks_unless_it_begins_with_its_size(self):
        self.expect_break(
            "plain had 16 bytes and has 24, and does not begin with its size",
            self.changes(plain=Structure(24, self.PLAIN.members)),
        )

    def test_a_changed_or_removed_constant_breaks(self):
        self.expect_break(
            "ACCEL_IOCTL_CREATE was 0xac10 and is 0xac11", self.changes(ACCEL_IOCTL_CREATE=0xAC11)
        )
        self.expect_break("ACCEL_IOCTL_CREATE was removed", self.changes(ACCEL_IOCTL_CREATE=None))
        self.expect_break("ACCEL_CMD_FLAGS was 0x1 and is 0x2", self.changes(ACCEL_CMD_FLAGS=2))

    def test_a_structure_that_begins_with_its_size_may_grow(self):
        grown = Structure(32, [*self.CREATE.members, Member(24, 8, "__u64", "more")])
        self.expect_addition("create grew from 24 to 32 bytes", self.changes(grown))
        self.expect_addition("create.more is new", self.changes(grown))

    def test_a_reserved_member_may_be_used(self):
        self.expect_addition(
            "create.reserved is used", self.changes(self.with_member(self.CREATE, 4, name="fd"))
        )
        self.expect_addition(
            "plain.reserved[1] is used",
            self.changes(plain=self.with_member(self.PLAIN, 1, name="bytes")),
        )

    def test_structures_and_constants_may_be_added(self):
        self.expect_addition("ACCEL_IOCTL_NEW is new", self.changes(ACCEL_IOCTL_NEW=1))
        self.expect_addition("ACCEL_CMD_FLAGS was 0x1 and is 0x3", self.changes(ACCEL_CMD_FLAGS=3))
        self.expect_addition(
            "ACCEL_VERSION_MINOR was 0x0 and is 0x1", self.changes(ACCEL_VERSION_MINOR=1)
        )
        old = Interface()
        self.expect_addition(
            "struct plain is new", abi.compare(old, Interface({"plain": self.PLAIN}))
        )
