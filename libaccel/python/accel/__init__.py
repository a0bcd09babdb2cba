# SPDX-License-Identifier: Apache-2.0
"""Models and jobs on accel cards, or on the emulated card within this process.

import accel
import numpy as np

model = accel.Model.load("digits.onnx", accel.Device("emulated"))
scores = model(np.zeros((1, 1, 28, 28), np.float32))
"""

from . import commands
from ._accel import (
    Access,
    Address,
    Argument,
    Batch,
    Buffer,
    CallStats,
    CardFailure,
    CardStatus,
    Command,
    CommandList,
    CommandProfile,
    DataType,
    Device,
    DeviceEnd,
    DeviceEntry,
    DeviceInfo,
    HostNode,
    Job,
    MemoryUse,
    Model,
    ModelCommand,
    Placement,
    Priority,
    Queue,
    QueueStats,
    Reason,
    Semaphore,
    TensorInfo,
    Usage,
    devices,
    wait_all,
    wait_any,
)
from ._errors import ConstantInputRequiredError, Error, InvalidArgumentError, TimeoutError

__version__ = "0.1.0"

__all__ = [
    "Access",
    "Address",
    "Argument",
    "Batch",
    "Buffer",
    "CallStats",
    "CardFailure",
    "CardStatus",
    "Command",
    "CommandList",
    "CommandProfile",
    "ConstantInputRequiredError",
    "DataType",
    "Device",
    "DeviceEnd",
    "DeviceEntry",
    "DeviceInfo",
    "Error",
    "HostNode",
    "InvalidArgumentError",
    "Job",
    "MemoryUse",
    "Model",
    "ModelCommand",
    "Placement",
    "Priority",
    "Queue",
    "QueueStats",
    "Reason",
    "Semaphore",
    "TensorInfo",
    "TimeoutError",
    "Usage",
    "commands",
    "devices",
    "wait_all",
    "wait_any",
]
