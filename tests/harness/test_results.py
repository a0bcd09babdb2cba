# SPDX-License-Identifier: Apache-2.0
"""A report of the guest counts as a result only if it is complete."""

import hashlib
import io
import tarfile
import tempfile
import unittest
from pathlib import Path

from accelvm.results import Report, Stage


def archive(names=("a.xml",), content=b"<testsuites/>") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def transcript(tar: bytes, digest: str | None = None) -> bytes:
    digest = digest or hashlib.sha256(tar).hexdigest()
    return b"up\nready\nexit 3\ntainted 12288\nfiles %d %s\n%send\n" % (
        len(tar),
        digest.encode(),
        tar,
    )


def report_of(data: bytes, step: int | None = None) -> Report:
    report = Report()
    for start in range(0, len(data), step or len(data)):
        report.feed(data[start : start + (step or len(data))])
    return report


class Protocol(unittest.TestCase):
    def test_a_complete_report_is_done_however_it_is_split(self):
        for step in (1, 7, 4096, None):
            with self.subTest(step=step):
                report = report_of(transcript(archive()), step)
                self.assertEqual(
                    (report.stage, report.status, report.tainted, report.corrupt),
                    (Stage.DONE, 3, 12288, False),
                )

    def test_no_shorter_report_is_done(self):
        data = transcript(archive())
        for length in range(len(data)):
            self.assertNotEqual(report_of(data[:length] or b"\0").stage, Stage.DONE)

    def test_an_archive_with_another_hash_is_corrupt(self):
        self.assertTrue(report_of(transcript(archive(), digest="0" * 64)).corrupt)

    def test_unknown_lines_are_corrupt(self):
        for line in (
            b"hello\n",
            b"exit\n",
            b"exit -1\n",
            b"exit x\n",
            b"files a b\n",
            b"end\n",
            b"\xff\xfe\n",
        ):
            with self.subTest(line=line):
                self.assertTrue(report_of(line).corrupt)

    def test_a_failure_is_kept(self):
        self.assertEqual(report_of(b"up\nfailed module accel.ko\n").failure, ("module", "accel.ko"))

    def test_files_are_unpacked_only_below_their_folder(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "results"
            report_of(transcript(archive(("a.xml", "sub/b.xml", "../evil")))).unpack(folder)
            self.assertEqual((folder / "sub/b.xml").read_bytes(), b"<testsuites/>")
            self.assertEqual(sorted(p.name for p in Path(name).rglob("*.xml")), ["a.xml", "b.xml"])
            self.assertFalse((Path(name) / "evil").exists())
