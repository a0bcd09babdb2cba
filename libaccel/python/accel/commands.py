# SPDX-License-Identifier: Apache-2.0
"""The commands of the card, with the names of C++. Each call checks and encodes a Command.

An operand is a Buffer, an Argument of a list, or an Address. The data sheet
(docs/reference/hardware.md, section 5) defines the results, to the bit.
"""

from ._accel import (
    Command,
    Conv2d,
    ConvWindow,
    Copy,
    Elementwise,
    ElementwiseOp,
    Fill,
    Gather,
    Gemm,
    ImageLayout,
    Nop,
    NumericFormat,
    Pool,
    PoolOp,
    Reduce,
    ReduceOp,
    Resize,
    Scatter,
    ScatterOp,
    Signal,
    Softmax,
    Transpose,
    UnaryOp,
    Wait,
    copy,
    fill,
)

__all__ = [
    "Command",
    "Conv2d",
    "ConvWindow",
    "Copy",
    "Elementwise",
    "ElementwiseOp",
    "Fill",
    "Gather",
    "Gemm",
    "ImageLayout",
    "Nop",
    "NumericFormat",
    "Pool",
    "PoolOp",
    "Reduce",
    "ReduceOp",
    "Resize",
    "Scatter",
    "ScatterOp",
    "Signal",
    "Softmax",
    "Transpose",
    "UnaryOp",
    "Wait",
    "copy",
    "fill",
]
