# SPDX-License-Identifier: Apache-2.0
"""Errors have the names of Python, wrong arguments a remedy, and objects a short description."""

import io
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import accel
import numpy as np
from accel import commands
from accel._messages import to_python
from accel.examples import FASHION
from card import CardTest


class Messages(CardTest):
    def message(self, kind, function, *arguments, **options) -> str:
        with self.assertRaises(kind) as caught:
            function(*arguments, **options)
        return str(caught.exception)

    def assert_terms(self, message: str, *terms: str) -> None:
        self.assertNotIn("::", message)
        for term in terms:
            self.assertIn(term, message)

    def test_errors_have_the_names_of_python(self):
        model = accel.Model.load(FASHION, self.card)
        queue = self.card.create_queue()
        self.assert_terms(
            self.message(accel.Error, model.submit, queue, []), "Model.submit() takes"
        )
        self.assert_terms(
            self.message(accel.Error, self.card.create_queue, entries=3), "`entries` must"
        )
        self.assert_terms(
            self.message(accel.Error, self.card.create_queue, time_limit=1e9), "`time_limit`"
        )
        device_memory = self.card.buffer(4, placement=accel.Placement.device)
        self.assert_terms(
            self.message(accel.Error, device_memory.numpy),
            "copy_from() and copy_to()",
            "Placement.device_mapped",
        )
        job = queue.submit(commands.Fill(dst=accel.Address(1 << 40), pattern=0, bytes=64))
        self.assert_terms(self.message(accel.Error, job.wait, 60), "Queue.reset()")

    def test_only_names_of_the_package_are_translated(self):
        self.assertEqual(to_python("node 'Foo::bar': aten::add"), "node 'Foo::bar': aten::add")
        self.assertEqual(to_python("use Access::read"), "use Access.read")
        self.assertEqual(
            to_python("set LoadOptions::host_fallback (accelctl --host-fallback) to compute it"),
            "set `host_fallback` to compute it",
        )
        self.assertEqual(to_python("use argument() instead"), "use Argument() instead")
        once = to_python("Device::list() lists the cards; Queue::reset()")
        self.assertEqual(once, "accel.devices() lists the cards; Queue.reset()")
        self.assertEqual(to_python(once), once)

    def test_translated_names_are_those_of_the_package(self):
        text = Path(accel.__file__).with_name("_messages.py").read_text()
        for owner, member in re.findall(r'"([A-Z]\w+)\.(\w+)(?:\(\))?"', text):
            with self.subTest(f"{owner}.{member}"):
                self.assertTrue(hasattr(getattr(accel, owner), member))

    def test_a_timeout_is_named_in_short(self):
        held = self.card.create_semaphore()
        job = self.card.create_queue().submit(held.wait(1))
        self.assertIn(" in 0.05 s", self.message(accel.TimeoutError, job.wait, 0.05))

    def test_wrong_arguments_are_named_with_what_is_allowed(self):
        create, buffer = self.card.create_queue, self.card.buffer
        self.assert_terms(
            self.message(TypeError, buffer, (3,), "complex64"), "'complex64'", "f32", "numpy"
        )
        self.assert_terms(self.message(ValueError, buffer, (2, -1)), "(2, -1)", "negative")
        self.assert_terms(self.message(TypeError, buffer, "4"), "int or a sequence of ints", "'4'")
        self.assert_terms(
            self.message(TypeError, create, priority="high"), "accel.Priority", "'high'", "urgent"
        )
        self.assert_terms(
            self.message(TypeError, accel.RequestQueue, self.card, priority="high"), "urgent"
        )
        self.assert_terms(
            self.message(TypeError, buffer, 4, placement="device"), "accel.Placement", "'device'"
        )
        content = io.BytesIO(FASHION.read_bytes())
        for function in (accel.Model.load, accel.Model.check, accel.Model.describe_inputs):
            with self.subTest(function):
                self.assert_terms(self.message(TypeError, function, content), "path", "BytesIO")

    def test_objects_describe_themselves(self):
        model = accel.Model.load(FASHION, self.card)
        model(np.zeros((1, 1, 28, 28), np.float32))
        info = self.card.info()
        loop = accel.EventLoop()
        requests = accel.RequestQueue(self.card, loop)
        request = requests.submit(commands.Nop())
        described = {
            model: ("'image'", "'logits'", "f32"),
            model.memory: (str(model.memory.weights),),
            model.commands[0]: (model.commands[0].node, model.commands[0].command),
            model.stats: ("1 calls", str(model.stats.bytes_copied)),
            info: (info.path, str(info.memory_size)),
            info.user_queues: (str(info.user_queues.used),),
            self.card.create_queue().stats(): ("0 commands",),
            request: ("not over",),
        }
        for thing, parts in described.items():
            with self.subTest(type(thing)):
                self.assertTrue(repr(thing).startswith(f"<accel.{type(thing).__name__}"))
                for part in parts:
                    self.assertIn(part, repr(thing))
        model.close()
        self.assertIn("closed", repr(model))

    def test_a_report_of_quantization_describes_itself(self):
        result = self.folder() / "int8.onnx"
        runs = [np.ones((1, 1, 28, 28), np.float32)]
        report = accel.quantize(FASHION, runs, result, self.card)
        quantized = sum(not node.reason for node in report.nodes)
        self.assertIn(f"{quantized} of {len(report.nodes)} nodes quantized", repr(report))
        self.assertIn(report.nodes[0].node, repr(report.nodes[0]))
        self.assertIn("'logits'", repr(report.outputs[0]))


class Program(CardTest):
    def test_the_program_of_the_package_checks_the_cards(self):
        path = self.card.info().path
        self.card.close()
        done = subprocess.run(
            [sys.executable, "-m", "accel"], capture_output=True, text=True, timeout=120
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"accel {accel.__version__}", done.stdout)
        self.assertIn(f"{path}: works", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_the_program_names_a_card_that_cannot_be_opened(self):
        done = subprocess.run(
            [sys.executable, "-m", "accel"],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "ACCEL_DEVICE": "emulated:color=red"},
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("color", done.stdout)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
