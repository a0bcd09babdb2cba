# SPDX-License-Identifier: Apache-2.0
"""Messages of the library in the terms of this package: Queue::reset() becomes Queue.reset()."""

from __future__ import annotations

import re

from . import _accel

# Names that differ by more than "::".
_NAMES = {
    "Device::list()": "accel.devices()",
    "Device::fd()": "Device.fileno()",
    "CommandList::arguments()": "CommandList.arguments",
    "Model::run()": "Model.__call__()",
    "Model::host_nodes()": "Model.host_nodes",
    "upload() and download()": "copy_from() and copy_to()",
    "'accelctl doctor' looks for the reason": "'python -m accel' shows what a program finds, and "
    "'accelctl doctor' of the package accel-tools looks for the reason",
}
_FLAG = re.compile(r" \(accelctl --[^)]*\)")
_OPTION = re.compile(r"\b[A-Z]\w*Options::(\w+)")
_MEMBER = re.compile(r"\b([A-Z]\w*)::(?=\w)")
_ARGUMENT = re.compile(r"(?<![\w.:])argument\(\)")


def _member(match: re.Match[str]) -> str:
    # Another name is that of a node or a file.
    return match[1] + "." if hasattr(_accel, match[1]) else match[0]


def to_python(message: str) -> str:
    """Returns a message of the library with the names that Python has."""
    for name, own in _NAMES.items():
        message = message.replace(name, own)
    message = _FLAG.sub("", message)
    message = _OPTION.sub(r"`\1`", message)
    message = _ARGUMENT.sub("Argument()", message)
    return _MEMBER.sub(_member, message)
