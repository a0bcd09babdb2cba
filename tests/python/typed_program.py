# SPDX-License-Identifier: Apache-2.0
"""A program that uses the package with types: mypy checks it, and nobody runs it."""

from __future__ import annotations

import accel
import accel.examples
import numpy as np
from accel import commands


def submit(card: accel.Device) -> float:
    x: accel.Buffer = card.buffer((2, 2), np.float32, placement=accel.Placement.host)
    y = card.from_array(np.zeros((2, 2), np.float32), copy=True)
    queue = card.create_queue(priority=accel.Priority.high, entries=16)
    command: accel.Command = commands.Gemm(
        d=y, a=x, b=x, m=2, n=2, k=2, activation=commands.UnaryOp.relu
    )
    job: accel.Job = queue.submit(command)
    job.wait(timeout=1.5)
    recorded = card.create_command_list()
    recorded.add(commands.Copy(dst=accel.Argument(0), src=x, bytes=16)).close()
    with queue.batch() as batch:
        batch.add(recorded, y)
        batch.submit().wait()
    first: int = accel.wait_any([job], 1)
    shape: tuple[int, ...] = x.shape
    return float(y.numpy()[first, shape[0] - 1])


async def run(model: accel.Model, queue: accel.Queue, x: accel.Buffer, y: accel.Buffer) -> None:
    await model.submit(queue, [x, y])
    name: str = model.inputs[0].name
    print(name, model.memory.peak, model.stats.bytes_copied, model(x))


async def serve(card: accel.Device, model: accel.Model, x: accel.Buffer, y: accel.Buffer) -> None:
    loop = accel.EventLoop.with_thread()
    with accel.RequestQueue(card, in_flight=1, priority=accel.Priority.low) as requests:
        request: accel.Request = requests.submit(lambda queue: model.submit(queue, [x, y]))
        request.then(loop, lambda result: print(result.ok, result.error), timeout=1)
        canceled: bool = request.cancel()
        print(canceled, requests.try_submit(commands.Nop()))
        await request
    with accel.DeviceGroup([card], loop, reruns=1) as group:
        group.submit(lambda queue, card: model.submit(queue, [x, y])).wait_until(3.0)
        failures: list[accel.Error | None] = [state.failure for state in group.cards]
    batcher = accel.Batcher(card, "model.onnx", max_delay=0.1, dimensions={"n": 3}, entries=16)
    inference: accel.InferenceRequest = batcher.submit(x=np.zeros((1, 4)))
    print(await inference, await batcher.run(x), failures, batcher.stats.batches)
    pipeline = accel.Pipeline(
        card, lambda queue, operands: model.submit(queue, operands), inputs=[16], outputs=[12]
    )
    item: int = pipeline.submit([x], [y])
    pipeline.wait(item, timeout=1)
    accel.as_future(loop, inference).result()
    report = accel.quantize("model.onnx", [x], "int8.onnx", card, percentile=99.9, batch=1)
    noise: float = report.outputs[0].signal_to_noise
    print(noise, accel.examples.LABELS)


def failure_of(error: accel.Error) -> tuple[int | None, accel.CardStatus, accel.Reason]:
    return error.errno, error.status, error.reason
