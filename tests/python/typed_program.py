# SPDX-License-Identifier: Apache-2.0
"""A program that uses the package with types: mypy checks it, and nobody runs it."""

from __future__ import annotations

import accel
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


def failure_of(error: accel.Error) -> tuple[int | None, accel.CardStatus, accel.Reason]:
    return error.errno, error.status, error.reason
