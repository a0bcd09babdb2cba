# SPDX-License-Identifier: Apache-2.0
"""Objects with threads of the library end before the interpreter: a thread may need the GIL."""

from __future__ import annotations

import atexit
from typing import Protocol
from weakref import WeakSet


class _Closable(Protocol):
    def close(self) -> None: ...


_open: WeakSet[_Closable] = WeakSet()


def close_at_exit(value: _Closable) -> None:
    """Closes an object at the end of the interpreter if it is alive then."""
    _open.add(value)


@atexit.register
def _close_all() -> None:
    for value in list(_open):
        value.close()
