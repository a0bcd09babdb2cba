# SPDX-License-Identifier: Apache-2.0
"""Errors of the C interface: what they name, and the values that they refuse."""

import ctypes
import errno
import unittest
from ctypes import c_float, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from library import (
    MODELS,
    CardTest,
    Elementwise,
    Error,
    Fill,
    Format,
    Gemm,
    Operand,
    Reduce,
    Tensor,
    shape,
)


class Errors(CardTest):
    def test_they_name_the_parameter_that_is_null(self):
        with self.fails(errno.EINVAL, "queue is NULL"):
            self.library.call("queue_synchronize", None)
        with self.fails(errno.EINVAL, "command is NULL"):
            self.library.call("queue_submit", self.queue, None, None)
        with self.fails(errno.EINVAL, "out is NULL"):
            self.library.call("command_nop", None)

    def test_they_may_be_ignored(self):
        self.assertEqual(self.library.c.accel_queue_synchronize(None, None), errno.EINVAL)
        small = Error(size=16, code=77)
        self.assertEqual(
            self.library.c.accel_queue_synchronize(None, ctypes.byref(small)), errno.EINVAL
        )
        self.assertEqual(small.code, 77)

    def test_a_card_that_is_not_there(self):
        with self.fails(errno.ENOENT, "/dev/accel-not-there"):
            self.library.make("device_open", b"/dev/accel-not-there")
        with self.fails(errno.EINVAL, "wheels"):
            self.library.make("device_open", b"emulated:wheels=4")

    def test_they_have_the_names_of_c(self):
        fill = Fill(dst=self.zeros(64), bytes=64, pattern_bytes=3)
        with self.fails(errno.EINVAL, "accel_fill_t.pattern_bytes"):
            self.library.command("fill", fill)
        for reason in range(12):
            text = self.library.c.accel_reason_text(reason)
            self.assertTrue(text)
            self.assertNotIn(b"::", text)
        self.assertIn(b"accel_queue_reset()", self.library.c.accel_reason_text(1))
        self.assertIn(b"aligned", self.library.c.accel_status_text(3))
        self.assertIn(b"does not know", self.library.c.accel_status_text(1 << 20))

    def test_a_long_text_is_cut_between_characters(self):
        name = "/models/" + "ä" * 2000
        with self.assertRaises(Exception) as caught:
            self.library.make("model_load", self.card, name.encode(), None)
        text = str(caught.exception)  # decoding would fail in the middle of a character
        self.assertTrue(text.endswith("ä..."), text[-20:])
        self.assertLessEqual(len(text.encode()), 1023)

    def test_an_operand_without_its_kind(self):
        dst = self.zeros(64)
        dst.kind = 0
        with self.fails(errno.EINVAL, "accel_at()"):
            self.library.command("fill", Fill(dst=dst, bytes=64))
        dst.kind, dst.offset = 1, 65
        with self.fails(errno.EINVAL):
            self.library.command("fill", Fill(dst=dst, bytes=4))

    def test_values_that_no_enumeration_has(self):
        src, dst = self.write("f", 1), self.zeros(4)
        for op in (7, 255, 256, 1 << 31):
            with self.subTest(op=op), self.fails(errno.EINVAL):
                self.library.command("reduce", Reduce(op=op, dst=dst, src=src, n=1))
        wrong = Elementwise(dst=dst, a=src, b=src, shape=shape(1))
        wrong.shape.rank = 7
        with self.fails(errno.EINVAL, "rank of a shape is 7"):
            self.library.command("elementwise", wrong)
        with self.fails(errno.EINVAL, "placement is 3"):
            self.library.make("command_list_create", self.card, 3)

    def test_members_that_are_reserved_are_zero(self):
        src, dst = self.write("f", 1), self.zeros(64)
        with self.fails(errno.EINVAL, "fill->reserved is 3"):
            self.library.command("fill", Fill(dst=dst, bytes=4, reserved=3))
        with self.fails(errno.EINVAL, "reserve"):
            self.library.command("reduce", Reduce(dst=dst, src=src, n=1, reserved=1))
        with self.fails(errno.EINVAL, "format.reserved is 1"):
            numbers = Format(reserved=1)
            self.library.command("gemm", Gemm(d=dst, a=src, b=src, m=1, n=1, k=1, format=numbers))
        with self.fails(errno.EINVAL, "reserved of a shape is 2"):
            wrong = Elementwise(dst=dst, a=src, b=src, shape=shape(1))
            wrong.shape.reserved = 2
            self.library.command("elementwise", wrong)
        buffer = (c_uint32 * 4)(16, 0, 0, 1)  # size, placement, access, reserved
        with self.fails(errno.EINVAL, "options->reserved is 1"):
            self.library.make("buffer_allocate", self.card, c_uint64(4), buffer)
        # size, priority, entries, reserved, and two spans of time
        queue = (c_uint32 * 8)(32, 0, 0, 8)
        with self.fails(errno.EINVAL, "options->reserved is 8"):
            self.library.make("queue_create", self.card, queue)

    def test_flags_are_zero_or_one(self):
        src, dst = self.write("f", 1), self.zeros(64)
        with self.fails(errno.EINVAL, "gemm->transpose_a is 7", "0 or 1"):
            self.library.command("gemm", Gemm(d=dst, a=src, b=src, m=1, n=1, k=1, transpose_a=7))

    def test_counts_that_no_memory_holds(self):
        jobs, index = (c_void_p * 1)(), c_size_t()
        for count in (1 << 60, (1 << 64) - 1):
            huge = c_size_t(count)
            with self.fails(errno.EINVAL, "count is too large"):
                self.library.call("job_wait_any", jobs, huge, c_int64(0), ctypes.byref(index))
            with self.fails(errno.EINVAL, "count is too large"):
                self.library.make("queue_submit_batch", self.queue, jobs, huge)

    def test_an_offset_behind_the_end_of_a_buffer(self):
        dst = self.zeros(64)
        dst.offset = (1 << 64) - 1
        with self.fails(errno.EINVAL, "operand.offset is 18446744073709551615", "64 bytes"):
            self.library.command("fill", Fill(dst=dst, bytes=4))

    def test_they_name_the_member_that_is_null(self):
        operand = Operand(kind=1)
        with self.fails(errno.EINVAL, "the member operand.buffer is NULL"):
            self.library.command("fill", Fill(dst=operand, bytes=4))


@unittest.skipUnless(MODELS.is_dir(), "install libonnx-testdata")
class ErrorsOfModels(CardTest):
    def test_an_empty_name_and_wrong_options(self):
        with self.fails(errno.ENOENT, '""', "empty"):
            self.library.make("model_load", self.card, b"", None)
        file = str(MODELS / "test_relu/model.onnx").encode()
        for member, text in (
            (1, "allow_narrowing is 7"),
            (2, "host_fallback is 7"),
            (3, "reserve"),
        ):
            options = (c_uint32 * 18)(72)
            options[member] = 7
            with self.subTest(text=text), self.fails(errno.EINVAL, text):
                self.library.make("model_load", self.card, file, options)
        options = (c_int64 * 9)(72, 0, -4)
        with self.fails(errno.EINVAL, "accel_model_options_t.batch", "-4"):
            self.library.make("model_load", self.card, file, options)

    def test_a_tensor_with_impossible_members(self):
        file = str(MODELS / "test_relu/model.onnx").encode()
        model = self.handle("model_free", "model_load", self.card, file, None)
        data, dims = (c_float * 60)(), (c_int64 * 3)(3, 4, 5)

        def run(count: int = 1, **members) -> None:
            tensor = Tensor(size=ctypes.sizeof(Tensor), bytes=240)
            tensor.data, tensor.shape, tensor.rank = ctypes.addressof(data), dims, 3
            for name, value in members.items():
                setattr(tensor, name, value)
            results = self.library.make(
                "model_run", model, self.queue, ctypes.byref(tensor), c_size_t(count)
            )
            self.library.function("results_free")(results)

        run()
        with self.fails(errno.EINVAL, "tensor.rank is 18446744073709551615", "64 dimensions"):
            run(rank=(1 << 64) - 1)
        with self.fails(errno.EINVAL, "the member tensor.shape is NULL"):
            run(shape=None)
        with self.fails(errno.EINVAL, "the member tensor.data is NULL"):
            run(data=None)
        with self.fails(errno.EINVAL, "tensor.bytes is", "too large"):
            run(bytes=(1 << 64) - 1)
        with self.fails(errno.EINVAL, "1 inputs"):
            run(count=(1 << 64) - 1)
