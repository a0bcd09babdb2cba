# SPDX-License-Identifier: Apache-2.0
"""Files that the tools write: regular files are replaced as a whole, everything else is written."""

import os
import resource
import stat
import subprocess
import threading
import unittest
from pathlib import Path

from machine import BUILD, ToolTest

ROOT = os.geteuid() == 0


class Output(ToolTest):
    """`metrics --output` stands for all outputs: they share one function."""

    def setUp(self) -> None:
        super().setUp()
        self.machine.card()
        self.metrics = self.ctl("metrics").stdout
        self.out = self.folder / "out"
        self.out.mkdir()

    def write(self, path: Path | str, **options) -> subprocess.CompletedProcess:
        return self.ctl("metrics", "-o", str(path), **options)

    def expect_written(self, path: Path) -> None:
        self.expect_exit(self.write(path), 0)
        self.assertEqual(path.read_text(), self.metrics)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.out))

    def test_a_new_file_has_the_permissions_that_the_umask_leaves(self):
        for mask in (0o022, 0o027, 0o077):
            path = self.out / f"{mask:o}"
            self.expect_exit(self.write(path, umask=mask), 0)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o666 & ~mask)
            self.assertEqual(path.read_text(), self.metrics)

    def test_an_existing_file_is_replaced_and_keeps_permissions_and_owner(self):
        path = self.out / "file"
        path.write_text("old")
        path.chmod(0o642)
        if ROOT:
            os.chown(path, 1234, 4321)
        with path.open() as reader:  # a reader of the old file still has all of it
            self.expect_written(path)
            self.assertEqual(reader.read(), "old")
        info = path.stat()
        self.assertEqual(stat.S_IMODE(info.st_mode), 0o642)
        if ROOT:
            self.assertEqual((info.st_uid, info.st_gid), (1234, 4321))
        self.assertEqual(self.names(), ["file"])

    def test_an_empty_value_is_refused(self):
        for command in (["metrics", "-o", ""], ["bundle", ""], ["run", ""], ["info", ""]):
            done = self.ctl(*command)
            self.expect_exit(done, 2, "the value is empty")

    def test_a_name_of_255_bytes_works(self):
        self.expect_written(self.out / ("n" * 255))

    def test_links_are_followed_and_stay(self):
        (self.out / "deep").mkdir()
        file = self.out / "deep/file"
        file.write_text("old")
        (self.out / "deep/second").symlink_to("file")
        first = self.out / "first"
        first.symlink_to("deep/second")
        self.expect_written(first)
        self.assertTrue(first.is_symlink() and (self.out / "deep/second").is_symlink())
        self.assertEqual(file.read_text(), self.metrics)
        self.assertFalse(file.is_symlink())

    def test_a_link_to_a_missing_file_makes_that_file(self):
        link = self.out / "link"
        link.symlink_to(self.out / "missing")
        self.expect_written(link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.names(), ["link", "missing"])

    @unittest.skipUnless(ROOT, "only root makes device nodes")
    def test_a_device_node_stays_one(self):
        node = self.out / "null"
        try:
            os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            node.write_text("")
        except PermissionError:
            self.skipTest("device nodes do not work in this folder")
        link = self.out / "link"
        link.symlink_to("null")
        for path in (node, link):
            self.expect_exit(self.write(path), 0)
            self.assertTrue(stat.S_ISCHR(node.stat().st_mode))
        self.assertTrue(link.is_symlink())

    def test_a_pipe_gets_the_bytes(self):
        pipe = self.out / "pipe"
        os.mkfifo(pipe)
        got: list[str] = []
        reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
        reader.start()
        self.expect_exit(self.write(pipe), 0)
        reader.join(60)
        self.assertEqual(got, [self.metrics])
        self.assertTrue(stat.S_ISFIFO(pipe.stat().st_mode))

    def test_standard_output_and_descriptors_get_the_bytes(self):
        for name in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
            done = self.write(name)
            self.expect_exit(done, 0)
            self.assertEqual(done.stdout, self.metrics, name)
        self.assertTrue(Path("/dev/stdout").is_symlink())
        self.assertFalse(Path("-").exists())

    def test_a_redirection_is_written_at_its_position(self):
        path = self.out / "log"
        path.write_text("before\n")
        with path.open("a") as log:
            subprocess.run(
                [BUILD / "tools/accelctl", "--root", self.machine.root]
                + ["metrics", "-o", "/dev/stdout"],
                stdout=log,
                check=True,
            )
        self.assertEqual(path.read_text(), "before\n" + self.metrics)

    def test_parallel_writers_leave_one_whole_file(self):
        path = self.out / "shared"
        command = [str(BUILD / "tools/accelctl"), "--root", str(self.machine.root)]
        for _ in range(5):
            writers = [subprocess.Popen([*command, "metrics", "-o", str(path)]) for _ in range(8)]
            self.assertEqual([writer.wait(60) for writer in writers], [0] * 8)
            self.assertEqual(path.read_text(), self.metrics)
        self.assertEqual(self.names(), ["shared"])

    def test_the_old_file_stays_if_the_new_one_does_not_fit(self):
        path = self.out / "file"
        path.write_text("old")

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        for target in (path, self.out / "new"):
            done = self.write(target, preexec_fn=limit)
            self.assertNotEqual(done.returncode, 0)
        self.assertEqual(path.read_text(), "old")
        self.assertEqual(self.names(), ["file"])

    def test_errors_name_the_path_and_the_cause(self):
        (self.out / "file").write_text("")
        (self.out / "loop").symlink_to("loop")
        for path, cause in (
            ("/nosuch/x", "there is no folder /nosuch"),
            (str(self.out), "it is a folder"),
            (f"{self.out}/new/", "it is a folder"),
            (f"{self.out}/file/x", f"{self.out}/file is no folder"),
            (f"{self.out}/loop", "Too many levels of symbolic links"),
            (f"{self.out}/{'n' * 256}", "File name too long"),
            ("/dev/full", "no space left"),
            ("/dev/fd/77", "Bad file descriptor"),
        ):
            self.expect_exit(self.write(path), 7, f"cannot write {path}: ", cause)
        self.assertEqual(self.names(), ["file", "loop"])

    def test_missing_permission_is_the_cause_for_a_user(self):
        self.folder.chmod(0o755)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if ROOT else {}
        self.out.chmod(0o777)
        locked = self.out / "locked"
        locked.mkdir(0o555)
        protected = self.out / "protected"
        protected.write_text("old")
        protected.chmod(0o444)
        self.expect_exit(
            self.write(locked / "x", **user),
            7,
            f"not permitted to create or replace files in {locked}",
        )
        self.expect_exit(self.write(protected, **user), 7, "not permitted to write to it")
        self.assertEqual(protected.read_text(), "old")

    def test_a_picture_of_a_benchmark_is_refused_before_anything_is_measured(self):
        done = self.ctl("bench", "0", "--svg", "/nosuch/x.svg")
        self.expect_exit(done, 7, "cannot write /nosuch/x.svg: there is no folder /nosuch")

    def test_json_and_an_output_cannot_share_standard_output(self):
        done = self.ctl("compile", "model.onnx", "-o", "-", "--json")
        self.expect_exit(done, 2, "would both write to standard output")
