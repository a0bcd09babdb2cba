# SPDX-License-Identifier: Apache-2.0
"""The C interface as a binding uses it: every command, errors, versions of structures, waits."""

import ctypes
import errno
import math
import os
import select
import tempfile
import threading
import unittest
from ctypes import c_int, c_int64, c_size_t, c_uint64, c_void_p

from library import (
    BF16,
    FOREVER,
    I32,
    I64,
    MODELS,
    U8,
    AccelError,
    Attention,
    CardTest,
    Conv2d,
    Copy,
    Elementwise,
    Fill,
    Format,
    Gather,
    Gemm,
    Image,
    Operand,
    Pool,
    Reduce,
    Resize,
    Scatter,
    Softmax,
    Transpose,
    Window,
    shape,
)


class Commands(CardTest):
    """Each command with a result that is easy to compute, and defaults wherever there is one."""

    def test_copy_and_fill_have_rows(self):
        src, dst = self.write("I", *range(8)), self.zeros(32)
        self.run_command(
            "copy", Copy(dst=dst, src=src, rows=2, bytes=8, dst_stride=8, src_stride=16)
        )
        self.assertEqual(self.read("I", dst, 8), [0, 1, 4, 5, 0, 0, 0, 0])
        self.run_command("fill", Fill(dst=dst, pattern=0x55, pattern_bytes=1, bytes=3))
        self.assertEqual(self.read("I", dst, 2), [0x555555, 1])

    def test_gemm_multiplies_adds_and_activates(self):
        a, b = self.write("f", 1, 2, 3, 4), self.write("f", 1, 0, 0, -1)
        d, bias = self.zeros(16), self.write("f", 10, 3)
        self.run_command("gemm", Gemm(d=d, a=a, b=b, bias=bias, m=2, n=2, k=2, activation=1))
        self.assertEqual(self.read("f", d, 4), [11, 1, 13, 0])
        self.run_command("gemm", Gemm(d=d, a=a, b=b, m=2, n=2, k=2, transpose_a=1))
        self.assertEqual(self.read("f", d, 4), [1, -3, 2, -4])

    def test_gemm_has_numeric_formats(self):
        a, b, d = self.write("B", 3, 5), self.write("B", 7, 2), self.zeros(4)
        numbers = Format(a_type=U8, b_type=U8, result_type=I32, a_zero_point=1)
        self.run_command("gemm", Gemm(d=d, a=a, b=b, m=1, n=1, k=2, format=numbers))
        self.assertEqual(self.read("i", d, 1), [(3 - 1) * 7 + (5 - 1) * 2])

    def test_conv2d_and_pool(self):
        src = self.write("f", *range(16))
        weights, dst = self.write("f", 1, 1, 1, 1), self.zeros(36)
        image, small = Image(height=4, width=4), Image(height=3, width=3)
        window = Window(height=2, width=2)
        self.run_command(
            "conv2d",
            Conv2d(
                dst=dst, src=src, weights=weights, src_image=image, dst_image=small, window=window
            ),
        )
        self.assertEqual(self.read("f", dst, 9)[:4], [10, 14, 18, 26])
        half = Image(height=2, width=2)
        window = Window(height=2, width=2, stride_y=2, stride_x=2)
        self.run_command(
            "pool", Pool(dst=dst, src=src, src_image=image, dst_image=half, window=window)
        )
        self.assertEqual(self.read("f", dst, 4), [5, 7, 13, 15])
        self.run_command(
            "pool", Pool(op=1, dst=dst, src=src, src_image=image, dst_image=half, window=window)
        )
        self.assertEqual(self.read("f", dst, 4), [2.5, 4.5, 10.5, 12.5])

    def test_elementwise_broadcasts_and_converts(self):
        a, b, dst = self.write("f", 1, 2, 3, 4), self.write("f", 10, 20), self.zeros(16)
        self.run_command(
            "elementwise", Elementwise(dst=dst, a=a, b=b, shape=shape(2, 2), b_strides=shape(0, 1))
        )
        self.assertEqual(self.read("f", dst, 4), [11, 22, 13, 24])
        a, b, c = self.write("q", 1, 2), self.write("q", 3, 4), self.write("B", 1, 0)
        types = {"type": I64, "a_type": I64, "b_type": I64, "dst_type": I64}
        self.run_command(
            "elementwise", Elementwise(op=19, dst=dst, a=a, b=b, c=c, shape=shape(2), **types)
        )
        self.assertEqual(self.read("q", dst, 2), [1, 4])
        self.run_command(
            "elementwise",
            Elementwise(op=6, dst=dst, a=self.write("f", 1.5), shape=shape(1), dst_type=BF16),
        )
        self.assertEqual(self.read("H", dst, 1), [0x3FC0])

    def test_softmax_and_reduce(self):
        src, dst = self.write("f", 1, 1, 2, 2), self.zeros(16)
        self.run_command("softmax", Softmax(dst=dst, src=src, outer=2, n=2))
        self.assertEqual(self.read("f", dst, 4), [0.5] * 4)
        self.run_command("reduce", Reduce(dst=dst, src=src, outer=2, n=2))
        self.assertEqual(self.read("f", dst, 2), [2, 4])
        self.run_command("reduce", Reduce(op=3, dst=dst, src=src, n=4))
        self.assertEqual(self.read("I", dst, 1), [2])

    def test_attention(self):
        q, k = self.write("f", 0, 0), self.write("f", 1, 2, 3)
        v, d = self.write("f", 3, 6, 12), self.zeros(8)
        attention = Attention(d=d, q=q, k=k, v=v, queries=2, keys=3, head_size=1)
        self.run_command("attention", attention)
        self.assertEqual(self.read("f", d, 2), [7, 7])
        attention.flags = 2  # causal
        self.run_command("attention", attention)
        self.assertEqual(self.read("f", d, 2), [3, 4.5])
        attention.lengths, attention.flags = self.write("q", 0), 4
        self.run_command("attention", attention)
        self.assertTrue(all(math.isnan(x) for x in self.read("f", d, 2)))
        attention.flags = 8
        with self.assertRaisesRegex(AccelError, "attention->flags has an unknown bit"):
            self.run_command("attention", attention)

    def test_scatter(self):
        dst, src = self.write("f", 1, 2, 3), self.write("f", 10, 20)
        indices = self.write("q", -1, 0)
        self.run_command("scatter", Scatter(op=1, dst=dst, src=src, indices=indices, n=3, count=2))
        self.assertEqual(self.read("f", dst, 3), [21, 2, 13])

    def test_transpose_gather_and_resize(self):
        src, dst = self.write("I", *range(6)), self.zeros(24)
        strides = (ctypes.c_int32 * 6)(1, 3)
        self.run_command(
            "transpose", Transpose(dst=dst, src=src, shape=shape(3, 2), src_strides=strides)
        )
        self.assertEqual(self.read("I", dst, 6), [0, 3, 1, 4, 2, 5])
        indices = self.write("q", 2, -1)
        self.run_command("gather", Gather(dst=dst, src=src, indices=indices, n=6, count=2))
        self.assertEqual(self.read("I", dst, 2), [2, 5])
        table = self.write("I", 1, 0x3F000000, 0, 0x3F800000)  # half of [1], all of [0]
        source = self.write("f", 3, 8)
        self.run_command("resize", Resize(dst=dst, src=source, table=table, n=2, count=2))
        self.assertEqual(self.read("f", dst, 2), [4, 3])

    def test_a_record_tells_the_time_of_a_command(self):
        record, dst = self.zeros(32), self.zeros(64)
        plain = self.library.command("fill", Fill(dst=dst, bytes=64))
        self.addCleanup(self.library.function("command_free"), plain)
        timed = self.handle("command_free", "command_with_record", plain, ctypes.byref(record))
        self.library.call("job_wait", self.submit(timed), FOREVER)
        sequence, ok, start, end = self.read("Q", record, 4)
        self.assertEqual((sequence, ok), (1, 0xFFFFFFFF << 32))
        self.assertLess(start, end)

    def test_a_raw_command_reaches_the_card(self):
        raw = (ctypes.c_char * 64)(*([0xFF] * 64))
        command = self.handle("command_free", "command_raw", raw)
        with self.fails(errno.EIO) as caught:
            self.library.call("job_wait", self.submit(command), FOREVER)
        self.assertNotEqual(caught.exception.details.status, 0)


class Versions(CardTest):
    """Programs of other versions have structures of other sizes."""

    def test_a_structure_without_size_is_refused(self):
        out = c_void_p(1)
        fill = Fill(dst=self.zeros(64), bytes=64)
        with self.fails(errno.EINVAL, "fill->size is 0"):
            self.library.call("command_fill", ctypes.byref(fill), ctypes.byref(out))

    def test_a_newer_structure_may_not_use_what_is_not_known(self):
        class NewerFill(ctypes.Structure):
            _fields_ = (("known", Fill), ("added", c_uint64))

        newer = NewerFill(known=Fill(size=ctypes.sizeof(NewerFill), dst=self.zeros(64), bytes=64))
        self.handle("command_free", "command_fill", ctypes.byref(newer))
        newer.added = 1
        with self.fails(errno.E2BIG, "newer"):
            self.library.make("command_fill", ctypes.byref(newer))

    def test_unknown_members_of_a_newer_output_are_zero(self):
        size = 1000
        info = (ctypes.c_char * size)(*([0x55] * size))
        ctypes.c_uint32.from_buffer(info).value = size
        self.library.call("device_info", self.card, info)
        self.assertEqual(ctypes.c_uint32.from_buffer(info).value, size)
        self.assertEqual(info.raw[400:], bytes(600))
        self.assertEqual(ctypes.c_uint32.from_buffer(info, 4).value, 1)  # emulated
        self.assertTrue(info.raw[112:].startswith(b"emulated"))

    def test_the_version_is_that_of_the_soname(self):
        self.assertRegex(self.library.c.accel_library_version().decode(), r"^0\.\d+\.\d+$")


class Queues(CardTest):
    def test_a_full_ring_is_not_a_failure_of_the_queue(self):
        semaphore = self.handle("semaphore_free", "semaphore_create", self.card, c_uint64(0))
        wait = self.handle("command_free", "command_wait", semaphore, c_uint64(1))
        nop = self.handle("command_free", "command_nop")
        self.library.call("queue_submit", self.queue, wait, None)
        with self.fails(errno.EAGAIN, "full"):
            for _ in range(1000):
                self.library.call("queue_try_submit", self.queue, nop, None)
        job = c_void_p(1)
        code = self.library.c.accel_queue_try_submit(self.queue, nop, ctypes.byref(job), None)
        self.assertEqual((code, job.value), (errno.EAGAIN, None))
        self.library.call("semaphore_set", semaphore, c_uint64(1))
        self.library.call("queue_ring_doorbell", self.queue)
        self.library.call("queue_synchronize", self.queue)

    def test_a_batch_is_all_or_nothing(self):
        nop = self.handle("command_free", "command_nop")
        commands = (c_void_p * 3)(nop, nop, None)
        with self.fails(errno.EINVAL, "commands[] is NULL"):
            self.library.make("queue_submit_batch", self.queue, commands, c_size_t(3))
        with self.fails(errno.EINVAL):
            self.library.make("queue_submit_batch", self.queue, commands, c_size_t(0))
        job = self.handle("job_free", "queue_submit_batch", self.queue, commands, c_size_t(2))
        self.assertEqual(self.library.c.accel_job_sequence(job), 2)

    def test_a_destroyed_queue_cancels_its_jobs(self):
        queue = self.library.make("queue_create", self.card, None)
        semaphore = self.handle("semaphore_free", "semaphore_create", self.card, c_uint64(0))
        wait = self.handle("command_free", "command_wait", semaphore, c_uint64(1))
        job = self.handle("job_free", "queue_submit", queue, wait)
        self.library.function("queue_destroy")(queue)
        with self.fails(errno.ECANCELED):
            self.library.call("job_wait", job, FOREVER)

    def test_poll_reports_the_end_of_a_job(self):
        fd = c_int(-1)
        self.library.call("device_fd", self.card, ctypes.byref(fd))
        semaphore = self.handle("semaphore_free", "semaphore_create", self.card, c_uint64(0))
        wait = self.handle("command_free", "command_wait", semaphore, c_uint64(1))
        job = self.submit(wait)
        self.library.call("queue_notify", self.queue, job)
        poll = select.poll()
        poll.register(fd.value, select.POLLIN)
        self.assertEqual(poll.poll(20), [])
        self.library.call("semaphore_set", semaphore, c_uint64(1))
        self.assertEqual(poll.poll(60000), [(fd.value, select.POLLIN)])
        self.assertEqual(self.library.c.accel_job_done(job), 1)

    def test_another_thread_waits_while_this_one_submits(self):
        semaphore = self.handle("semaphore_free", "semaphore_create", self.card, c_uint64(0))
        wait = self.handle("command_free", "command_wait", semaphore, c_uint64(1))
        nop = self.handle("command_free", "command_nop")
        job = self.submit(wait)
        codes = []
        waiter = threading.Thread(
            target=lambda: codes.append(self.library.c.accel_job_wait(job, FOREVER, None))
        )
        waiter.start()
        for _ in range(20):
            self.library.call("queue_submit", self.queue, nop, None)
        self.library.call("semaphore_set", semaphore, c_uint64(1))
        waiter.join(60)
        self.assertEqual(codes, [0])

    def test_wait_any_returns_a_job_of_any_card(self):
        other = self.handle("device_close", "device_open", b"emulated")
        queue = self.handle("queue_destroy", "queue_create", other, None)
        semaphore = self.handle("semaphore_free", "semaphore_create", self.card, c_uint64(0))
        wait = self.handle("command_free", "command_wait", semaphore, c_uint64(1))
        nop = self.handle("command_free", "command_nop")
        jobs = (c_void_p * 2)(
            self.submit(wait), self.handle("job_free", "queue_submit", queue, nop)
        )
        index = c_size_t(99)
        self.library.call("job_wait_any", jobs, c_size_t(2), FOREVER, ctypes.byref(index))
        self.assertEqual(index.value, 1)
        with self.fails(errno.EINVAL):
            self.library.call("job_wait_any", jobs, c_size_t(0), c_int64(0), ctypes.byref(index))


class Memory(CardTest):
    def test_registered_memory_is_used_in_place(self):
        memory = (ctypes.c_uint32 * 2048)()
        buffer = self.handle(
            "buffer_free",
            *("buffer_register", self.card, memory, c_uint64(ctypes.sizeof(memory)), 0),
        )
        dst = Operand(buffer=buffer, kind=1, offset=4)
        self.run_command("fill", Fill(dst=dst, pattern=7, bytes=8))
        self.assertEqual(memory[:4], [0, 7, 7, 0])

    def test_handles_are_released_in_any_order(self):
        device = self.library.make("device_open", b"emulated")
        queue = self.library.make("queue_create", device, None)
        buffer = self.library.make("buffer_allocate", device, c_uint64(64), None)
        self.library.function("device_close")(device)
        fill = Fill(dst=Operand(buffer=buffer, kind=1), pattern=3, bytes=64)
        command = self.library.command("fill", fill)
        self.library.function("buffer_free")(buffer)
        job = self.library.make("queue_submit", queue, command)
        self.library.function("command_free")(command)
        self.library.call("job_wait", job, FOREVER)
        self.library.function("queue_destroy")(queue)
        self.library.function("job_free")(job)

    def test_null_is_released_by_every_function(self):
        for name in (
            *("device_close", "devices_free", "buffer_free", "command_free", "semaphore_free"),
            *("command_list_free", "queue_destroy", "job_free", "model_free", "results_free"),
        ):
            self.library.function(name)(None)

    def test_the_list_of_cards_is_that_of_the_environment(self):
        before = os.environ.get("ACCEL_DEVICE")
        os.environ["ACCEL_DEVICE"] = "emulated:cards=2"
        try:
            devices = self.handle("devices_free", "devices_list")
        finally:
            os.environ.pop("ACCEL_DEVICE")
            if before is not None:
                os.environ["ACCEL_DEVICE"] = before
        self.assertEqual(self.library.c.accel_devices_count(devices), 2)
        self.assertIn(b"emulated", self.library.c.accel_devices_path(devices, 1))
        self.assertIsNone(self.library.c.accel_devices_reason(devices, 1))
        self.assertIsNone(self.library.c.accel_devices_path(devices, 2))


@unittest.skipUnless(MODELS.is_dir(), "install libonnx-testdata")
class Models(CardTest):
    def test_a_file_that_is_not_there(self):
        with self.fails(errno.ENOENT, "nothing.onnx"):
            self.library.make("model_load", self.card, b"nothing.onnx", None)

    def test_a_saved_model_is_loaded(self):
        file = str(MODELS / "test_relu/model.onnx").encode()
        model = self.handle("model_free", "model_load", self.card, file, None)
        with tempfile.TemporaryDirectory() as folder:
            saved = f"{folder}/relu.model".encode()
            self.library.call("model_save", model, saved)
            again = self.handle("model_free", "model_load", self.card, saved, None)
        self.assertEqual(self.library.c.accel_model_input_count(again), 1)
        src, dst = self.write("f", *([-1.0, 2.0] * 30)), self.zeros(240)
        arguments = (Operand * 2)(src, dst)
        job = self.handle("job_free", "model_submit", again, self.queue, arguments, c_size_t(2))
        self.library.call("job_wait", job, FOREVER)
        self.assertEqual(self.read("f", dst, 60), [0.0, 2.0] * 30)
        with self.fails(errno.EINVAL):
            self.library.make("model_submit", again, self.queue, arguments, c_size_t(1))
