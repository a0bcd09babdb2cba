# SPDX-License-Identifier: Apache-2.0
"""Models: arrays in, arrays out, and which of them are copied."""

import io
import threading
import unittest

import accel
import numpy as np
import onnx_files
from card import CardTest


class Model(CardTest):
    def load(self, write=onnx_files.affine, *arguments, **options):
        file = write(self.folder() / "model.onnx", *arguments)
        return accel.Model.load(file, self.card, **options)

    def test_describes_its_inputs_and_outputs(self):
        model = self.load()
        (x,), (y,) = model.inputs, model.outputs
        self.assertEqual((x.name, x.shape, x.dtype), ("x", (1, 4), np.float32))
        self.assertEqual((y.name, y.shape, y.nbytes), ("y", (1, 3), 12))
        self.assertGreater(model.memory.weights, 0)
        self.assertGreater(len(model.commands), 0)
        self.assertEqual(model.host_nodes, [])

    def test_a_check_lists_what_is_not_supported(self):
        file = onnx_files.affine(self.folder() / "model.onnx")
        self.assertEqual(accel.Model.check(file), [])
        # The node's operator becomes one that no domain has.
        broken = self.folder() / "broken.onnx"
        broken.write_bytes(file.read_bytes().replace(b"MatMul", b"MatMal"))
        (found,) = accel.Model.check(broken, batch=2)
        self.assertEqual((found.domain, found.op_type, found.nodes), ("ai.onnx", "MatMal", 1))
        self.assertEqual(found.node, "product")
        self.assertIn("not supported", found.cause)
        self.assertTrue(found.remedy)
        self.assertIn("MatMal", repr(found))

    def test_is_called_with_an_array_a_list_a_dict_or_names(self):
        model = self.load()
        x = np.float32([[1, 2, 3, 4]])
        expected = [[5, 6, 7]]
        self.assertEqual(model(x).tolist(), expected)
        self.assertEqual(model([[1, 2, 3, 4]]).tolist(), expected)
        self.assertEqual(model({"x": x})["y"].tolist(), expected)
        self.assertEqual(model(x=x)["y"].tolist(), expected)
        self.assertEqual(model(self.card.from_array(x)).tolist(), expected)
        self.assertEqual(model(np.asfortranarray(x)).tolist(), expected)

    def test_an_array_that_cannot_take_an_output_is_described(self):
        model = self.load()
        x = np.ones((1, 4), np.float32)
        read_only = np.zeros((1, 3), np.float32)
        read_only.setflags(write=False)
        sparse = np.zeros((1, 6), np.float32)[:, ::2]
        foreign = np.dtype(np.float32).newbyteorder()
        for out, text in (
            (read_only, "is read-only"),
            (sparse, "is not dense"),
            (np.zeros((1, 3)), r"is f32\[1, 3\], not f64\[1, 3\]$"),
            (np.zeros((3, 1), np.float32), r"not f32\[3, 1\]$"),
            (np.zeros((1, 3), foreign), "byte order"),
            (self.card.from_array(read_only, copy=False), "read-only array"),
        ):
            with (
                self.subTest(text),
                self.assertRaisesRegex(accel.InvalidArgumentError, f"'y'.*{text}"),
            ):
                model(x, out=out)
        with self.assertRaisesRegex(TypeError, "byte order"):
            model(x.astype(foreign))

    def test_several_inputs_and_outputs(self):
        model = self.load(onnx_files.sum_and_product)
        a, b = np.float32([1, 2, 3, 4]), np.float32([5, 6, 7, 8])
        total, product = model(a, b)
        self.assertEqual((total.tolist(), product.tolist()), ((a + b).tolist(), (a * b).tolist()))
        named = model(b=b, a=a)
        self.assertEqual(named["product"].tolist(), (a * b).tolist())

    def test_refuses_arrays_that_do_not_fit(self):
        model = self.load(onnx_files.sum_and_product)
        a = np.zeros(4, np.float32)
        for inputs, named, sentence in (
            ((a,), {}, "2 inputs, 'a', 'b', not 1"),
            ((a, np.zeros(5, np.float32)), {}, r"input 'b' is f32\[4\], not f32\[5\]"),
            ((), {"a": a}, "input 'b' is missing"),
            ((), {"a": a, "b": a, "c": a}, "3 names"),
            ((a,), {"b": a}, "not both"),
            ((a, self.card.buffer(4, "i32")), {}, r"not i32\[4\]"),
        ):
            with self.subTest(sentence), self.assertRaisesRegex(ValueError, sentence):
                model(*inputs, **named)
        with self.assertRaisesRegex(TypeError, "float64.*astype"):
            model(a, np.zeros(4))

    def test_names_that_are_not_text_are_escaped_in_errors(self):
        file = onnx_files.affine(self.folder() / "model.onnx")
        file.write_bytes(file.read_bytes().replace(b"MatMul", b"Mat\xfful"))
        with self.assertRaisesRegex(accel.InvalidArgumentError, r"Mat\\xfful.*not supported"):
            accel.Model.load(file, self.card)

    def test_a_failed_run_does_not_stop_later_ones(self):
        model = self.load(onnx_files.pick_rows)
        table = np.float32([[1, 2], [3, 4]])
        # More runs than the ring has entries.
        for _ in range(100):
            with self.assertRaisesRegex(accel.Error, "out of range"):
                model(table, np.int64([2]))
        self.assertEqual(model(table, np.int64([1])).tolist(), [[3, 4]])

    def test_a_stopped_queue_reports_its_failure_when_its_ring_is_full(self):
        model = self.load(onnx_files.pick_rows)
        queue = self.card.create_queue(entries=4)
        for _ in range(20):
            with self.assertRaisesRegex(accel.Error, "out of range"):
                model(np.zeros((2, 2), np.float32), np.int64([2]), queue=queue)

    def test_small_arrays_are_copied_and_buffers_are_not(self):
        model = self.load()
        x = np.float32([[1, 2, 3, 4]])
        model(x)
        self.assertEqual((model.stats.bytes_copied, model.stats.bytes_in_place), (28, 0))
        inside = self.card.from_array(x)
        result = self.card.buffer((1, 3))
        self.assertIs(model(inside, out=result), result)
        self.assertEqual((model.stats.bytes_copied, model.stats.bytes_in_place), (28, 28))
        self.assertEqual(result.numpy().tolist(), [[5, 6, 7]])
        model(inside.numpy(), out=result.numpy())
        self.assertEqual((model.stats.bytes_copied, model.stats.bytes_in_place), (28, 56))

    def test_large_page_aligned_arrays_and_large_outputs_are_used_in_place(self):
        from test_buffer import page_aligned

        model = self.load(onnx_files.negate, (256, 256))
        x = page_aligned((256, 256))
        x[:] = np.arange(65536, dtype=np.float32).reshape(256, 256)
        for _ in range(3):
            np.testing.assert_array_equal(model(x), -x)
        self.assertEqual(model.stats.bytes_copied, 0)
        self.assertEqual(model.stats.bytes_in_place, 3 * 2 * x.nbytes)
        chained = model(model(x))
        np.testing.assert_array_equal(chained, x)
        self.assertEqual(model.stats.bytes_copied, 0)

    def test_results_of_calls_do_not_share_memory(self):
        for size in (4, 256):
            model = self.load(onnx_files.negate, (size, size))
            x = np.ones((size, size), np.float32)
            results = [model(x * i) for i in range(8)]
            for i, result in enumerate(results):
                self.assertTrue((result == -i).all())

    def test_out_accepts_an_array_of_the_caller(self):
        model = self.load()
        out = np.zeros((1, 3), np.float32)
        self.assertIs(model(np.ones((1, 4), np.float32), out=out), out)
        self.assertEqual(out.tolist(), [[2, 3, 4]])
        with self.assertRaisesRegex(ValueError, "output 'y'"):
            model(np.ones((1, 4), np.float32), out=np.zeros((3, 1), np.float32))

    def test_f16_arrays_pass_through(self):
        model = self.load(onnx_files.negate, (3,), onnx_files.FLOAT16)
        y = model(np.float16([1, -2, 0.5]))
        self.assertEqual((y.dtype, y.tolist()), (np.float16, [-1, 2, -0.5]))

    def test_options_choose_open_dimensions(self):
        model = self.load(onnx_files.negate, ("n", "width"), batch=2, dimensions={"width": 5})
        self.assertEqual(model.inputs[0].shape, (2, 5))
        model = self.load(onnx_files.negate, ("n", "width"), shapes={"x": [3, 4]})
        self.assertEqual(model(np.ones((3, 4), np.float32)).shape, (3, 4))

    def test_a_compiled_model_is_saved_and_loaded(self):
        file = self.folder() / "compiled.model"
        self.load().save(file)
        again = accel.Model.load(str(file), self.card)
        self.assertEqual(again(np.float32([[1, 2, 3, 4]])).tolist(), [[5, 6, 7]])

    def test_a_model_is_loaded_from_its_content(self):
        content = onnx_files.affine(self.folder() / "model.onnx").read_bytes()
        for given in (
            content,
            bytearray(content),
            memoryview(content),
            np.frombuffer(content, "u1"),
        ):
            with self.subTest(type(given)):
                model = accel.Model.load(given, self.card, folder=self.folder())
                self.assertEqual(model(np.float32([[1, 2, 3, 4]])).tolist(), [[5, 6, 7]])
        self.assertEqual(accel.Model.describe_inputs(content)[0].name, "x")
        self.assertEqual(accel.Model.check(content), [])
        with self.assertRaisesRegex(accel.Error, "in memory"):
            accel.Model.load(content[:-9], self.card)
        with self.assertRaisesRegex(accel.Error, "folder"):
            accel.Model.load(self.folder() / "model.onnx", self.card, folder=self.folder())

    def test_a_profile_has_the_time_of_each_command(self):
        model = self.load()
        profile = model.profile(np.ones((1, 4), np.float32))
        self.assertEqual(len(profile), len(model.commands))
        self.assertEqual([p.node for p in profile], [c.node for c in model.commands])

    def test_the_compiler_logs_its_passes(self):
        log = io.StringIO()
        self.load(log=log)
        self.assertIn("import", log.getvalue())

    def test_a_job_of_a_model_is_submitted_without_waiting(self):
        model = self.load()
        x, y = self.card.from_array(np.float32([[1, 2, 3, 4]])), self.card.buffer((1, 3))
        with self.card.create_queue() as queue:
            model.submit(queue, [x, y]).wait()
            self.assertEqual(model(x, queue=queue).tolist(), [[5, 6, 7]])
        self.assertEqual(y.numpy().tolist(), [[5, 6, 7]])

    def test_threads_call_one_model_at_once(self):
        model = self.load()
        wrong = []

        def work(value):
            x = np.full((1, 4), value, np.float32)
            for _ in range(50):
                y = model(x)
                if y.tolist() != [[2 * value, 2 * value + 1, 2 * value + 2]]:
                    wrong.append(y)

        threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(model.stats.calls, 200)

    def test_errors_name_the_file_and_the_reason(self):
        broken = self.folder() / "broken.onnx"
        broken.write_bytes(b"no model")
        with self.assertRaisesRegex(accel.Error, "broken.onnx"):
            accel.Model.load(broken, self.card)
        with self.assertRaises(accel.Error) as caught:
            accel.Model.load("/nowhere/model.onnx", self.card)
        self.assertEqual(caught.exception.errno, 2)

    def test_memory_is_freed_with_the_model(self):
        def usage():
            return self.host_memory(), self.card.info().user_device_memory.used

        self.load()([[1, 2, 3, 4]])  # the device keeps the queue for calls
        limit = usage()
        with self.load(onnx_files.negate, (256, 256)) as model:
            y = model(np.ones((256, 256), np.float32))
        self.assertTrue(model.closed)
        self.assertEqual(float(y[0, 0]), -1)
        del y
        # The driver may have freed more of the first model by now.
        self.expect_soon(
            lambda: [a <= b for a, b in zip(usage(), limit, strict=True)], [True, True]
        )
        with self.assertRaisesRegex(accel.InvalidArgumentError, "closed"):
            model(np.ones((256, 256), np.float32))


if __name__ == "__main__":
    unittest.main()
