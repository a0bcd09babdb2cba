# SPDX-License-Identifier: Apache-2.0
"""`accelctl run` on an emulated card: inputs of every kind, outputs, comparisons, timelines."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import onnx_files as onnx
from machine import ToolTest

RED, GREEN, BLUE, GRAY = (250, 10, 20), (30, 240, 40), (50, 60, 230), (70, 70, 70)


class RunTest(ToolTest):
    """Models and files in a folder; results come back as raw elements."""

    def file(self, name: str, data: bytes | str) -> str:
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def model(self, op: str, kind: str, shape: tuple[int, ...]) -> str:
        return self.file("model.onnx", onnx.one_node(op, kind, shape))

    def run_model(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return self.ctl("run", *arguments, "--device", "emulated", here=True, **options)

    def result(self, *arguments: str) -> bytes:
        """The output of a run, as raw elements."""
        out = self.folder / "result.raw"
        self.expect_exit(self.run_model(*arguments, "-o", str(out)), 0)
        return out.read_bytes()


class Models(RunTest):
    def test_a_damaged_file_is_told_from_a_model_that_cannot_be_compiled(self):
        good = self.model("Neg", "f32", (2, 3))
        compiled = self.folder / "model.accel"
        done = self.ctl("compile", good, "-o", str(compiled), "--device", "emulated", here=True)
        self.expect_exit(done, 0)
        whole = compiled.read_bytes()
        for content, words in (
            (b"", "the file is empty"),
            (b"\xff" * 99, "it is not an ONNX model, or it is damaged"),
            (Path(good).read_bytes()[:-9], "damaged"),
            (whole[:-1], "copy the file again"),
            (whole[:20], "copy the file again"),
            (whole[:-1] + bytes([whole[-1] ^ 1]), "its checksum is wrong"),
        ):
            path = self.folder / "broken"
            path.write_bytes(content)
            self.expect_exit(self.run_model(str(path)), 7, str(path), words)
        self.expect_exit(self.run_model(self.model("Nonsense", "f32", (2, 3))), 8, "Nonsense")

    def test_a_check_lists_all_that_is_not_supported_and_needs_no_card(self):
        nodes = [("Nonsense", ["x"], "a"), ("Nonsense", ["a"], "b"), ("Other", ["b"], "y")]
        port = ("f32", (2, 3))
        bad = self.file("bad.onnx", onnx.model(nodes, [("x", *port)], [("y", *port)]))
        done = self.ctl("run", bad, "--check-only", "--json", here=True)
        self.expect_exit(done, 8)
        document = self.document(done)
        self.assertFalse(document["supported"])
        first, second = document["unsupported"]
        self.assertEqual((first["domain"], first["operator"]), ("ai.onnx", "Nonsense"))
        self.assertEqual((first["nodes"], first["node"]), (2, "a"))
        self.assertIn("not supported", first["cause"])
        self.assertTrue(first["remedy"])
        self.assertEqual((second["operator"], second["nodes"]), ("Other", 1))
        done = self.ctl("run", bad, "--check-only", here=True)
        self.expect_exit(done, 8)
        for words in ("2 causes", "Nonsense, 2 nodes, first 'a'", "Other, node 'y'", "remedy"):
            self.assertIn(words, done.stdout)
        good = self.model("Neg", "f32", (2, 3))
        done = self.ctl("run", good, "--check-only", here=True)
        self.expect_exit(done, 0)
        self.assertIn("supports this model", done.stdout)

    def test_a_model_that_cannot_be_read_is_told_with_the_cause(self):
        for path, words in (("/nosuch", "No such file"), (str(self.folder), "it is a folder")):
            self.expect_exit(self.run_model(path), 7, path, words)


class Inputs(RunTest):
    VALUES = (-1.5, 0.0, 2.25, 3.0, -4.0, 5.5)

    def test_without_a_file_the_values_are_random_and_the_report_says_so(self):
        model = self.model("Neg", "f32", (2, 3))
        self.assertRegex(self.run_model(model).stdout, r"(?m)^input .* \[2,3\], random values$")
        array = self.file("x.npy", onnx.npy("f32", (2, 3), self.VALUES))
        self.assertNotIn("random", self.run_model(model, "--input", array).stdout)

    def test_an_array_of_numpy_is_an_input(self):
        model = self.model("Neg", "f32", (2, 3))
        expected = onnx.raw("f32", [-v for v in self.VALUES])
        for version in (1, 2):
            array = self.file("x.npy", onnx.npy("f32", (2, 3), self.VALUES, version=version))
            self.assertEqual(self.result(model, "--input", array), expected)
        # Dimensions of length 1 may be missing.
        array = self.file("x.npy", onnx.npy("f32", (1, 2, 1, 3), self.VALUES))
        self.assertEqual(self.result(model, "--input", array), expected)

    def test_a_tensor_of_onnx_is_an_input(self):
        model = self.model("Neg", "f32", (2, 3))
        expected = onnx.raw("f32", [-v for v in self.VALUES])
        for data in (
            onnx.tensor("f32", (2, 3), self.VALUES),
            onnx.tensor_of_floats((2, 3), self.VALUES),
        ):
            self.assertEqual(self.result(model, "--input", self.file("x.pb", data)), expected)

    def test_every_data_type_is_read_and_written(self):
        for kind in ("f32", "f16", "u8", "i8", "i32", "i64"):
            model = self.model("Identity", kind, (4,))
            data = onnx.npy(kind, (4,), [0, 1, 2, 100])
            out = self.folder / "y.npy"
            done = self.run_model(model, "--input", self.file("x.npy", data), "--output", str(out))
            self.expect_exit(done, 0)
            self.assertEqual(
                onnx.parse_npy(out.read_bytes()), (onnx.TYPES[kind][2], (4,), (0, 1, 2, 100))
            )

    def test_inputs_have_names_and_an_order(self):
        model = self.file(
            "model.onnx",
            onnx.model(
                [("Sub", ["a", "b"], "y")],
                [("a", "f32", (2,)), ("b", "f32", (2,))],
                [("y", "f32", (2,))],
            ),
        )
        first = self.file("1.raw", onnx.raw("f32", [10, 20]))
        second = self.file("2.raw", onnx.raw("f32", [1, 2]))
        expected = onnx.raw("f32", [9, 18])
        for arguments in (
            ("--input", first, "--input", second),
            ("--input", f"a={first}", "--input", f"b={second}"),
            ("--input", f"b={second}", "--input", first),
        ):
            self.assertEqual(self.result(model, *arguments), expected)
        for arguments, words in (
            (("--input", first), "there is no file for input b"),
            (("--input", f"c={first}"), "the model has no 'c'"),
            (("--input", f"a={first}", "--input", f"a={first}"), "'a' is given twice"),
            (("--input", first, "--input", first, "--input", first), "3 files"),
        ):
            done = self.run_model(model, *arguments)
            self.expect_exit(done, 2, words, "a f32 [2]", "b f32 [2]")

    def test_a_file_that_does_not_fit_is_refused_with_the_remedy(self):
        model = self.model("Neg", "f32", (2, 3))
        for name, data, words in (
            ("x.npy", onnx.npy("i64", (2, 3), [1] * 6), "holds i64 [2,3]"),
            ("x.npy", onnx.npy("i64", (2, 3), [1] * 6), "astype('<f4')"),
            ("x.npy", onnx.npy("f32", (3, 2), self.VALUES), "holds f32 [3,2]"),
            ("x.npy", onnx.npy("f32", (2, 3), self.VALUES, fortran=True), "ascontiguousarray"),
            ("x.npy", onnx.npy("f32", (2, 3), self.VALUES, descr=">f4"), "newbyteorder"),
            ("x.npy", onnx.npy("f32", (2, 3), self.VALUES)[:-1], "copied as a whole"),
            ("x.npy", b"PK\x03\x04", "numpy.save()"),
            ("x.pb", onnx.tensor("i64", (6,), [1] * 6), "holds i64 [6]"),
            ("x.pb", b"\xff\xff", "no tensor of ONNX"),
            ("x.raw", b"123", "holds 3 bytes, and x f32 [2,3] needs 24"),
        ):
            done = self.run_model(model, "--input", self.file(name, data))
            self.expect_exit(done, 2, name, words)
        self.expect_exit(self.run_model(model, "--input", "/nosuch.npy"), 7, "/nosuch.npy")
        self.expect_exit(self.run_model(model, "--input", "/"), 7, "is a folder")


class Pictures(RunTest):
    def values(self, *arguments: str, shape: tuple[int, ...]) -> list[float]:
        data = self.result(self.model("Identity", "f32", shape), *arguments)
        return [data_value for (data_value,) in onnx.struct.iter_unpack("<f", data)]

    def picture(self) -> str:
        samples = bytes(sum((RED, GREEN, BLUE, GRAY), ()))
        return self.file("x.png", onnx.png(2, 2, 3, samples))

    def test_the_layout_follows_the_shape_and_the_option(self):
        pixels = (RED, GREEN, BLUE, GRAY)
        planes = [float(pixel[c]) for c in range(3) for pixel in pixels]
        rows = [float(sample) for pixel in pixels for sample in pixel]
        picture = self.picture()
        self.assertEqual(self.values("--input", picture, shape=(1, 3, 2, 2)), planes)
        self.assertEqual(self.values("--input", picture, shape=(1, 2, 2, 3)), rows)
        self.assertEqual(self.values("--input", picture, shape=(3, 2, 2)), planes)
        backwards = [float(pixel[c]) for c in (2, 1, 0) for pixel in pixels]
        self.assertEqual(self.values("--input", picture, "--bgr", shape=(1, 3, 2, 2)), backwards)
        both = self.file("y.png", onnx.png(3, 3, 3, bytes(range(27))))
        self.assertEqual(
            self.values("--input", both, "--layout", "hwc", shape=(1, 3, 3, 3)),
            [float(i) for i in range(27)],
        )

    def test_mean_and_scale_apply_to_each_channel(self):
        got = self.values(
            *("--input", self.picture(), "--mean", "10,20,30", "--scale", "0.5,0.25,2"),
            shape=(1, 3, 2, 2),
        )
        expected = [
            (pixel[c] - mean) * scale
            for c, (mean, scale) in enumerate(((10, 0.5), (20, 0.25), (30, 2)))
            for pixel in (RED, GREEN, BLUE, GRAY)
        ]
        self.assertEqual(got, expected)

    def test_integers_are_rounded_and_saturated(self):
        model = self.model("Identity", "u8", (1, 3, 2, 2))
        got = self.result(model, "--input", self.picture(), "--scale", "1.5")
        self.assertEqual(list(got[:4]), [255, 45, 75, 105])

    def test_a_picture_is_gray_for_one_channel_and_stretched_to_the_size(self):
        gray = self.file("x.png", onnx.png(2, 1, 1, bytes([0, 200])))
        self.assertEqual(self.values("--input", gray, shape=(1, 1, 1, 2)), [0, 200])
        self.assertEqual(self.values("--input", gray, shape=(1, 1, 1, 4)), [0, 50, 150, 200])
        self.assertEqual(self.values("--input", gray, shape=(1, 1, 2, 1)), [100, 100])
        self.assertEqual(self.values("--input", gray, shape=(1, 3, 1, 2)), [0, 200, 0, 200, 0, 200])

    def test_a_photograph_is_read(self):
        if shutil.which("pnmtojpeg") is None:
            self.skipTest("netpbm is not installed")
        ppm = b"P6 16 16 255\n" + bytes(RED * 256)
        jpeg = subprocess.run(["pnmtojpeg"], input=ppm, stdout=subprocess.PIPE, check=True).stdout
        path = self.file("x.jpg", jpeg)
        got = self.values("--input", path, shape=(1, 3, 16, 16))
        for c in range(3):
            for value in got[c * 256 : (c + 1) * 256]:
                self.assertLessEqual(abs(value - RED[c]), 3)
        model = self.model("Identity", "f32", (1, 3, 16, 16))
        broken = self.file("broken.jpg", jpeg[: len(jpeg) // 2])
        self.expect_exit(self.run_model(model, "--input", broken), 7, "cannot be read")

    def test_what_does_not_fit_is_refused_with_the_remedy(self):
        picture = self.picture()
        for shape, arguments, status, words in (
            ((2, 3, 2, 2), (), 2, "--batch 1"),
            ((1, 5, 2, 2), (), 2, "not of that kind"),
            ((5,), (), 2, "not of that kind"),
            ((1, 3, 2, 2), ("--mean", "1,2"), 2, "--mean has 2 numbers"),
        ):
            model = self.model("Identity", "f32", shape)
            self.expect_exit(self.run_model(model, "--input", picture, *arguments), status, words)
        data = Path(picture).read_bytes()
        model = self.model("Identity", "f32", (1, 3, 2, 2))
        cut = self.file("cut.png", data[:40])
        self.expect_exit(self.run_model(model, "--input", cut), 7, "cut.png", "cannot be read")
        huge = data[:16] + b"\x7f\xff\xff\xff" * 2 + data[24:]
        self.expect_exit(self.run_model(model, "--input", self.file("huge.png", huge)), 7)


class Outputs(RunTest):
    def test_the_ending_of_the_name_chooses_the_format(self):
        model = self.model("Neg", "f32", (1, 3))
        data = self.file("x.raw", onnx.raw("f32", [1, 2, 3]))
        for name in ("y.npy", "y.pb", "y.bin"):
            done = self.run_model(model, "--input", data, "--output", str(self.folder / name))
            self.expect_exit(done, 0)
            self.assertIn(name, done.stdout)
        self.assertEqual(
            onnx.parse_npy((self.folder / "y.npy").read_bytes()), ("<f4", (1, 3), (-1, -2, -3))
        )
        fields = onnx.parse_tensor((self.folder / "y.pb").read_bytes())
        self.assertEqual((fields[1], fields[2], fields[8]), ([1, 3], [1], [b"y"]))
        self.assertEqual(fields[9], [onnx.raw("f32", [-1, -2, -3])])
        self.assertEqual((self.folder / "y.bin").read_bytes(), onnx.raw("f32", [-1, -2, -3]))

    def test_several_outputs_have_names(self):
        model = self.file(
            "model.onnx",
            onnx.model(
                [("Neg", ["x"], "n"), ("Abs", ["x"], "a")],
                [("x", "f32", (2,))],
                [("n", "f32", (2,)), ("a", "f32", (2,))],
            ),
        )
        data = self.file("x.raw", onnx.raw("f32", [-1, 2]))
        path = str(self.folder / "a.raw")
        self.expect_exit(self.run_model(model, "--input", data, "-o", f"a={path}"), 0)
        self.assertEqual(Path(path).read_bytes(), onnx.raw("f32", [1, 2]))
        done = self.run_model(model, "-o", "b=/tmp/b.npy")
        self.expect_exit(done, 2, "the model has no 'b'", "n f32 [2]")

    def test_standard_output_has_nothing_but_the_output(self):
        model = self.model("Abs", "f32", (1,))
        done = self.run_model(model, "--input", self.file("x.raw", b"AAAA"), "-o", "-")
        self.expect_exit(done, 0, "card    emulated")
        self.assertEqual(done.stdout, "AAAA")

    def test_an_output_that_cannot_be_written_is_reported_before_the_run(self):
        model = self.model("Neg", "f32", (1,))
        for option in ("--output", "--trace"):
            done = self.run_model(model, option, "/nosuch/y.npy", "--input", "/nosuch/x")
            self.expect_exit(done, 7, "cannot write /nosuch/y.npy: there is no folder /nosuch")

    def test_the_largest_classes_have_labels(self):
        model = self.model("Identity", "f32", (2, 4))
        data = self.file("x.raw", onnx.raw("f32", [0.5, 9, -1, 3, 1, 1, float("nan"), 0]))
        labels = self.file("labels.txt", "ant\nbee\ncow\r\ndog\n")
        arguments = (model, "--input", data, "--top", "3", "--labels", labels)
        done = self.run_model(*arguments)
        self.expect_exit(done, 0)
        self.assertRegex(done.stdout, r"top 3 of y, row 0\n.*\n +1 +9 +bee\n +3 +3 +dog\n +0 ")
        document = self.document(self.run_model(*arguments, "--json"))
        self.assertEqual(
            [[one["class"] for one in row] for row in document["top"][0]["rows"]],
            [[1, 3, 0], [0, 1, 3]],
        )
        self.assertEqual(document["top"][0]["rows"][0][0]["label"], "bee")
        short = self.file("short.txt", "ant\nbee\n")
        done = self.run_model(model, "--top", "1", "--labels", short)
        self.expect_exit(done, 2, "has 2 lines, and output y has 4 classes")
        self.expect_exit(self.run_model(model, "--labels", labels), 2, "--top")
        done = self.run_model(model, "--top", "1", "--labels", "/dev/null")
        self.expect_exit(done, 2, "the file of labels /dev/null is empty")

    def test_the_timeline_has_every_command_and_node(self):
        model = self.file(
            "model.onnx",
            onnx.model(
                [("Softmax", ["x"], "s"), ("Neg", ["s"], "y")],
                [("x", "f32", (4, 8))],
                [("y", "f32", (4, 8))],
            ),
        )
        path = self.folder / "trace.json"
        document = self.document(self.run_model(model, "--trace", str(path), "--json"))
        trace = json.loads(path.read_text())
        slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        commands = [event for event in slices if event["cat"] == "command"]
        self.assertEqual(len(commands), sum(one["count"] for one in document["commands"]))
        self.assertEqual(min(event["ts"] for event in commands), 0)
        for before, after in zip(commands, commands[1:], strict=False):
            self.assertLessEqual(before["ts"] + before["dur"], after["ts"] + 1e-6)
        nodes = {event["name"] for event in slices if event["cat"] == "node"}
        self.assertEqual(nodes, {one["node"] for one in document["nodes"]})
        names = [event["args"]["name"] for event in trace["traceEvents"] if event["ph"] == "M"]
        self.assertEqual(names, ["emulated", "nodes", "commands"])


class Comparisons(RunTest):
    def compare(self, kind: str, wanted: list[float], *arguments: str):
        model = self.model("Identity", kind, (4,))
        given = self.file("x.raw", onnx.raw(kind, [1, 2, 3, 100]))
        expected = self.file("y.npy", onnx.npy(kind, (4,), wanted))
        return self.run_model(model, "--input", given, "--expect", f"y={expected}", *arguments)

    def test_equal_outputs_pass(self):
        done = self.compare("f32", [1, 2, 3, 100])
        self.expect_exit(done, 0)
        self.assertIn("as expected y: the largest error is 0", done.stdout)

    def test_tolerances_are_absolute_and_relative(self):
        off = [1.5, 2, 3, 110]
        for arguments, status in (
            ((), 1),
            (("--atol", "0.5"), 1),
            (("--atol", "10"), 0),
            (("--rtol", "0.1"), 1),
            (("--rtol", "0.34"), 0),
            (("--atol", "0.5", "--rtol", "0.1"), 0),
            (("--tolerance", "0.3"), 0),
        ):
            with self.subTest(arguments=arguments):
                self.expect_exit(self.compare("f32", off, *arguments), status)

    def test_integers_are_equal_unless_a_tolerance_is_given(self):
        self.expect_exit(self.compare("u8", [1, 2, 3, 101]), 1, "element 3 is 100, and 101")
        self.expect_exit(self.compare("u8", [1, 2, 3, 101], "--atol", "1"), 0)

    def test_a_difference_is_reported_with_its_position_and_outputs_are_written(self):
        out = self.folder / "out.npy"
        done = self.compare("f32", [1, 2, 4, 90], "-o", str(out))
        self.expect_exit(done, 1, "output y: element 2 is 3, and 4 was expected", "--atol")
        self.assertIn("DIFFERENT y", done.stdout)
        self.assertIn("2 of 4 elements", done.stdout)
        self.assertEqual(onnx.parse_npy(out.read_bytes())[2], (1, 2, 3, 100))
        document = self.document(self.compare("f32", [1, 2, 4, 90], "--json"))
        self.assertEqual(document["comparisons"][0]["different"], 2)
        self.assertEqual(document["max_error"], 10)

    def test_nan_equals_nan_and_infinity_only_itself(self):
        model = self.model("Identity", "f32", (3,))
        special = [float("nan"), float("inf"), -float("inf")]
        given = self.file("x.raw", onnx.raw("f32", special))
        self.expect_exit(self.run_model(model, "--input", given, "--expect", given), 0)
        other = self.file("y.raw", onnx.raw("f32", [float("nan"), float("inf"), 5]))
        self.expect_exit(self.run_model(model, "--input", given, "--expect", other), 1)
        self.expect_exit(self.run_model(model, "--input", other, "--expect", given), 1)
