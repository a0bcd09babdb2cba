# SPDX-License-Identifier: Apache-2.0
"""Buffers and arrays: one memory, kept alive by both."""

import gc
import io
import mmap
import unittest

import accel
import numpy as np
from card import CardTest

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

DTYPES = ["f32", "f16", "f64", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "boolean"]


def page_aligned(shape, dtype=np.float32):
    """An array that starts at a page."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, count), dtype, int(np.prod(shape))).reshape(shape)


class Buffer(CardTest):
    def test_is_zeroed_and_has_shape_and_data_type(self):
        buffer = self.card.buffer((2, 3), np.float32)
        self.assertEqual((buffer.shape, buffer.ndim, buffer.size), ((2, 3), 2, 6))
        self.assertEqual((buffer.nbytes, buffer.dtype), (24, np.float32))
        self.assertEqual(buffer.data_type, accel.DataType.f32)
        self.assertEqual(len(buffer), 2)
        np.testing.assert_array_equal(buffer.numpy(), np.zeros((2, 3), np.float32))

    def test_an_array_is_the_memory_itself_for_every_data_type(self):
        for name in DTYPES:
            with self.subTest(name):
                buffer = self.card.buffer(5, name)
                np.asarray(buffer)[:] = [1, 0, 1, 1, 0]
                again = buffer.numpy()
                self.assertEqual(again.dtype, buffer.dtype)
                self.assertEqual(again.tolist(), [1, 0, 1, 1, 0])
                self.assertEqual(memoryview(buffer).shape, (5,))

    def test_scalars_have_an_empty_shape(self):
        buffer = self.card.buffer((), np.int32)
        buffer.numpy()[()] = 7
        self.assertEqual((buffer.shape, buffer.size, int(buffer.numpy())), ((), 1, 7))

    @unittest.skipUnless(ml_dtypes, "the package ml_dtypes is not installed")
    def test_bf16_is_an_array_of_ml_dtypes(self):
        buffer = self.card.buffer((2, 2), ml_dtypes.bfloat16)
        self.assertEqual(buffer.data_type, accel.DataType.bf16)
        buffer.numpy()[:] = [[1.5, 2], [3, 4]]
        self.assertEqual(buffer.numpy().dtype, ml_dtypes.bfloat16)
        self.assertEqual(np.asarray(buffer).astype(np.float32).tolist(), [[1.5, 2], [3, 4]])
        with self.assertRaises(BufferError):
            memoryview(buffer)

    @unittest.skipUnless(hasattr(ml_dtypes, "int4"), "the package ml_dtypes is not installed")
    def test_small_types_are_arrays_of_ml_dtypes(self):
        names = {"f8e4m3fn": "float8_e4m3fn", "f8e5m2": "float8_e5m2", "i4": "int4", "u4": "uint4"}
        for name, numpy_name in names.items():
            dtype = np.dtype(getattr(ml_dtypes, numpy_name))
            array = np.array([0, 1, 2, 3], dtype)
            buffer = self.card.from_array(array)
            self.assertEqual(buffer.data_type, getattr(accel.DataType, name))
            self.assertEqual(buffer.nbytes, 4)
            np.testing.assert_array_equal(buffer.numpy(), array)
            with self.assertRaisesRegex(BufferError, name):
                memoryview(buffer)
        with self.assertRaisesRegex(TypeError, "int4.*astype"):
            buffer.copy_from(np.zeros(4, ml_dtypes.int4))

    @unittest.skipUnless(ml_dtypes, "the package ml_dtypes is not installed")
    def test_bf16_passes_through_dlpack(self):
        source = self.card.buffer(3, "bf16")
        source.numpy()[:] = [1, 2, 3]
        target = self.card.import_dlpack(source)
        self.assertEqual(target.data_type, accel.DataType.bf16)
        target.numpy()[0] = 9
        self.assertEqual(source.numpy().astype(np.float32).tolist(), [9, 2, 3])

    @unittest.skipIf(
        np.lib.NumpyVersion(np.__version__) < "1.25.0",
        "numpy before 1.25 reads tensors of DLPack only, and has no booleans in them",
    )
    def test_dlpack_shares_the_memory_in_both_directions(self):
        for name in ("f32", "f16", "i64", "u8", "boolean"):
            with self.subTest(name):
                buffer = self.card.buffer((2, 2), name)
                view = np.from_dlpack(buffer)
                view[0, 0] = 1
                self.assertEqual(buffer.numpy()[0, 0], 1)
                array = np.ones((3, 2), buffer.dtype)
                imported = self.card.import_dlpack(array)
                self.assertEqual((imported.shape, imported.registered), ((3, 2), True))
                imported.numpy()[2, 1] = 0
                self.assertEqual(array[2, 1], 0)
        self.assertEqual(buffer.__dlpack_device__(), (1, 0))

    def test_dlpack_is_in_place_or_refused(self):
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        with self.assertRaises(TypeError):
            self.card.import_dlpack(array.T)
        with self.assertRaises(TypeError):
            self.card.import_dlpack(array.astype(np.complex64))
        array.flags.writeable = False
        self.assertEqual(self.card.import_dlpack(array).access, accel.Access.read)

    def test_an_array_keeps_the_memory_of_a_closed_buffer(self):
        before = self.host_memory()
        buffer = self.card.buffer(1000, np.float32)
        array = buffer.numpy()
        tensor = np.from_dlpack(buffer)
        buffer.close()
        self.assertTrue(buffer.closed)
        array[:] = 3
        self.assertEqual(tensor.sum(), 3000)
        self.assertGreater(self.host_memory(), before)
        del array, tensor
        gc.collect()
        self.expect_soon(self.host_memory, before)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "closed"):
            buffer.numpy()

    def test_memory_is_freed_when_the_object_dies(self):
        before = self.host_memory()
        buffer = self.card.buffer(1 << 20, np.uint8)
        self.assertGreaterEqual(self.host_memory(), before + (1 << 20))
        del buffer
        self.expect_soon(self.host_memory, before)
        with self.card.buffer(1 << 20, np.uint8):
            self.assertGreaterEqual(self.host_memory(), before + (1 << 20))
        self.expect_soon(self.host_memory, before)

    def test_slices_and_shapes_are_handles_on_the_same_memory(self):
        buffer = self.card.buffer(6, np.int32)
        buffer.reshape((2, 3)).numpy()[1, 2] = 5
        part = buffer.slice(4, 2)
        self.assertEqual(part.numpy().tolist(), [0, 5])
        self.assertEqual(part.address, buffer.address + 16)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "6 elements"):
            buffer.slice(5, 2)
        with self.assertRaises(ValueError):
            buffer.reshape(5)

    def test_copies_convert_lists_but_no_other_data_types(self):
        buffer = self.card.buffer((2, 2), np.float32)
        buffer.copy_from([[1, 2], [3, 4]])
        self.assertEqual(buffer.copy_to().tolist(), [[1, 2], [3, 4]])
        buffer.copy_from(np.arange(4, dtype=np.float32).reshape(2, 2).T)
        self.assertEqual(buffer.numpy().tolist(), [[0, 2], [1, 3]])
        out = np.empty((2, 2), np.float32)
        self.assertIs(buffer.copy_to(out), out)
        self.assertEqual(out.tolist(), [[0, 2], [1, 3]])
        with self.assertRaisesRegex(TypeError, "float64.*astype"):
            buffer.copy_from(np.zeros((2, 2)))
        with self.assertRaisesRegex(accel.InvalidArgumentError, "as many elements"):
            buffer.copy_from([1, 2, 3])

    def test_device_memory_is_copied_by_a_queue(self):
        buffer = self.card.buffer(1000, np.int32, placement=accel.Placement.device)
        self.assertFalse(buffer.mapped)
        values = np.arange(1000, dtype=np.int32)
        buffer.copy_from(values)
        with self.card.create_queue() as queue:
            np.testing.assert_array_equal(buffer.copy_to(queue=queue), values)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "mapping|access"):
            buffer.numpy()
        with self.assertRaises(BufferError):
            memoryview(buffer)

    def test_page_aligned_arrays_are_used_in_place(self):
        array = page_aligned((1024, 4))
        buffer = self.card.from_array(array)
        self.assertTrue(buffer.registered)
        self.assertEqual(buffer.shape, (1024, 4))
        with self.card.create_queue() as queue:
            queue.submit(accel.commands.fill(buffer, 2.5)).wait()
        self.assertTrue((array == 2.5).all())

    def test_other_arrays_are_copied_unless_the_caller_forbids_it(self):
        array = np.arange(100, dtype=np.float32)[4:]
        copied = self.card.from_array(array)
        self.assertFalse(copied.registered)
        np.testing.assert_array_equal(copied.numpy(), array)
        in_place = self.card.from_array(array, copy=False)
        array[0] = -1
        self.assertEqual(in_place.numpy()[0], -1)
        self.assertFalse(self.card.from_array(page_aligned(4), copy=True).registered)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "copy=False"):
            self.card.from_array([1, 2, 3], copy=False)
        with self.assertRaisesRegex(accel.InvalidArgumentError, "copy=False"):
            self.card.from_array(array.astype(np.float32)[::2], copy=False)

    def test_a_buffer_keeps_the_array_that_it_uses_in_place(self):
        class Owner(np.ndarray):
            pass

        array = page_aligned(1024).view(Owner)
        references = []
        array.finalizer = references
        buffer = self.card.from_array(array)
        del array
        gc.collect()
        self.assertEqual(float(buffer.numpy().sum()), 0)

    def test_a_read_only_array_is_read_only_for_the_card(self):
        array = np.frombuffer(bytes(range(64)), np.uint8)
        buffer = self.card.from_array(array, copy=False)
        self.assertEqual(buffer.access, accel.Access.read)
        with self.card.create_queue() as queue, self.assertRaises(accel.InvalidArgumentError):
            queue.submit(accel.commands.fill(buffer, 1))

    def test_a_read_only_array_is_read_only_for_the_cpu(self):
        content = bytes(range(64))
        for buffer in (
            self.card.from_array(np.frombuffer(content, np.uint8), copy=False),
            self.card.import_dlpack(content),
        ):
            self.assertFalse(buffer.numpy().flags.writeable)
            self.assertTrue(memoryview(buffer).readonly)
            with self.assertRaises(ValueError):
                buffer.numpy()[0] = 65
            with self.assertRaisesRegex(accel.InvalidArgumentError, "read-only"):
                buffer.copy_from(np.zeros(64, np.uint8))
            with self.assertRaises((BufferError, TypeError)):
                io.BytesIO(b"x").readinto(buffer)
            if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
                self.assertFalse(np.from_dlpack(buffer).flags.writeable)
            with self.assertRaises(BufferError):
                buffer.__dlpack__()
        self.assertEqual(content, bytes(range(64)))

    def test_the_byte_order_of_another_machine_is_named(self):
        foreign = np.arange(4).astype(np.dtype(np.float32).newbyteorder())
        buffer = self.card.buffer(4)
        with self.assertRaisesRegex(TypeError, "byte order"):
            buffer.copy_from(foreign)
        for dtype in (foreign.dtype, foreign.dtype.str):
            with self.assertRaises(TypeError):
                self.card.buffer(4, dtype)
        buffer.copy_from(foreign.astype("float32"))
        self.assertEqual(buffer.numpy().tolist(), [0, 1, 2, 3])

    def test_options_of_an_enumeration_take_no_numbers(self):
        for make in (
            lambda: self.card.create_queue(priority=3),
            lambda: accel.RequestQueue(self.card, priority=3),
            lambda: self.card.buffer(4, placement=1),
            lambda: self.card.buffer(4, access=1),
        ):
            with self.assertRaises(TypeError):
                make()
        self.card.create_queue(priority=accel.Priority.low).close()
        accel.RequestQueue(self.card, priority=accel.Priority.low).close()

    def test_numpy_functions_take_a_buffer(self):
        buffer = self.card.from_array(np.float32([1, 2, 3]))
        self.assertEqual(float(np.sum(buffer)), 6)
        self.assertEqual(np.array(buffer, dtype=np.float64).dtype, np.float64)
        copy = np.array(buffer, copy=True)
        copy[0] = 5
        self.assertEqual(buffer.numpy()[0], 1)

    def test_bad_shapes_and_data_types_are_refused(self):
        for shape in (0, (2, 0), (1,) * 7, -1, (2, -1), 1 << 64):
            with self.subTest(shape), self.assertRaises(accel.InvalidArgumentError):
                self.card.buffer(shape)
        for shape, dtype in (((1.5,), "f32"), (4, "f99"), (4, np.complex64), ("4", "f32")):
            with self.subTest((shape, dtype)), self.assertRaises(TypeError):
                self.card.buffer(shape, dtype)


if __name__ == "__main__":
    unittest.main()
