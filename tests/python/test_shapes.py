# SPDX-License-Identifier: Apache-2.0
"""Models that leave dimensions open: the shape of an array decides."""

import asyncio
import threading
import unittest

import accel
import numpy as np
import onnx_files
from card import CardTest


def affine(x):
    return np.maximum(np.float32(0.5) * x.sum(axis=1, keepdims=True) + np.arange(3), 0)


def rows(count):
    return np.arange(4 * count, dtype=np.float32).reshape(count, 4)


class Shapes(CardTest):
    def load(self, write=onnx_files.affine, *arguments, **options):
        file = write(self.folder() / "model.onnx", *(arguments or ("length",)))
        return accel.Model.load(file, self.card, **options)

    def test_the_shape_of_an_array_decides(self):
        model = self.load()
        self.assertEqual(model.inputs[0].shape, (-1, 4))
        (open_dimension,) = model.open_dimensions
        self.assertEqual(
            (open_dimension.input, open_dimension.axis, open_dimension.name), ("x", 0, "length")
        )
        for count in (3, 1, 700, 2, 3):
            with self.subTest(count):
                y = model(rows(count))
                self.assertEqual(y.shape, (count, 3))
                np.testing.assert_array_equal(y, affine(rows(count)))
        self.assertEqual(len(model.specializations), 4)

    def test_names_lists_buffers_and_an_output_decide_too(self):
        model = self.load()
        np.testing.assert_array_equal(model(x=rows(2))["y"], affine(rows(2)))
        np.testing.assert_array_equal(model(rows(5).tolist()), affine(rows(5)))
        buffer = self.card.buffer((6, 4))
        buffer.numpy()[:] = rows(6)
        out = np.zeros((6, 3), np.float32)
        self.assertIs(model(buffer, out=out), out)
        np.testing.assert_array_equal(out, affine(rows(6)))

    def test_a_specialized_model_has_its_shape(self):
        model = self.load()
        shape = model.specialize({"length": 7})
        self.assertEqual((shape.inputs[0].shape, shape.outputs[0].shape), ((7, 4), (7, 3)))
        np.testing.assert_array_equal(shape(rows(7)), affine(rows(7)))
        self.assertEqual(model.specialize(inputs={"x": [7, 4]}).inputs[0].shape, (7, 4))
        self.assertEqual(len(model.specializations), 1)
        model.close()
        np.testing.assert_array_equal(shape(rows(7)), affine(rows(7)))

    def test_a_shape_is_prepared_in_the_background(self):
        model = self.load()
        request = model.prepare({"length": 9})
        self.assertIsInstance(request, accel.Request)
        self.assertEqual(request.get(timeout=60).inputs[0].shape, (9, 4))

        async def prepared():
            return await model.prepare({"length": 11})

        self.assertEqual(asyncio.run(prepared()).inputs[0].shape, (11, 4))
        self.assertEqual(len(model.specializations), 2)

    def test_a_set_of_shapes_is_saved(self):
        file = self.folder() / "set.model"
        model = self.load(specializations=[{"length": 2}, {"x": [5, 4]}], max_shapes=1)
        model.save(file)
        again = accel.Model.load(file, self.card)
        for count in (2, 5):
            np.testing.assert_array_equal(again(rows(count)), affine(rows(count)))
        with self.assertRaisesRegex(accel.Error, r"'x' \[2,4\]"):
            again(rows(3))

    def test_shapes_that_the_model_cannot_have_are_refused(self):
        model = self.load()
        with self.assertRaisesRegex(accel.Error, r"dimension 1 of input 'x' is 3: it can only be 4"):
            model(np.ones((2, 3), np.float32))
        with self.assertRaisesRegex(accel.Error, "'width'"):
            model.specialize({"width": 2})
        with self.assertRaisesRegex(accel.Error, r"\('length'\) of input 'x' is open"):
            self.load(open_dimensions=[])
        with self.assertRaises(TypeError):
            self.load(specializations=[{"length": "long"}])

    def test_threads_call_with_different_shapes(self):
        model = self.load(max_shapes=2)
        wrong = []

        def work(first):
            with self.card.create_queue() as queue:
                for i in range(20):
                    x = rows(1 + (first + i) % 5)
                    if not np.array_equal(model(x, queue=queue), affine(x)):
                        wrong.append(x.shape)

        threads = [threading.Thread(target=work, args=(first,)) for first in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
