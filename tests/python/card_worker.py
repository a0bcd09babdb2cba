# SPDX-License-Identifier: Apache-2.0
"""A function for worker processes, which import this module."""

import accel
from accel import commands


def double(value: int) -> int:
    """Doubles a number on a card that this process opens."""
    card = accel.Device()
    x, y = card.from_array([value], "i64"), card.buffer(1, "i64")
    with card.create_queue() as queue:
        queue.submit(
            commands.Elementwise(
                op=commands.ElementwiseOp.add,
                dst=y,
                a=x,
                b=x,
                shape=1,
                type="i64",
                dst_type="i64",
                a_type="i64",
                b_type="i64",
            )
        ).wait()
    return int(y.numpy()[0])
