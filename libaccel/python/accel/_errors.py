# SPDX-License-Identifier: Apache-2.0
"""Exceptions: what failed, why, and what to do, with the fields of accel::Error."""

from __future__ import annotations

import builtins
import errno as _errno

from ._accel import CardFailure, CardStatus, Reason
from ._messages import to_python


class Error(OSError):
    """An error of the library, the driver or the card; str() says what to do.

    errno is the error number, strerror the message.
    """

    status: CardStatus
    """The status of the card; CardStatus.ok unless the card caused the error."""
    reason: Reason
    """The reason why the queue stopped or the device ended, else Reason.none."""
    failure: CardFailure | None
    """The card's report of the command that failed."""

    def __init__(
        self,
        errno: int,
        message: str,
        status: CardStatus = CardStatus.ok,
        reason: Reason = Reason.none,
        failure: CardFailure | None = None,
    ) -> None:
        super().__init__(errno, message)
        self.status = status
        self.reason = reason
        self.failure = failure

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.errno, self.strerror, self.status, self.reason, self.failure)


class TimeoutError(Error, builtins.TimeoutError):
    """A wait with a timeout ended before the job did; the job continues."""


class InvalidArgumentError(Error, ValueError):
    """An argument that the library refuses."""


class ConstantInputRequiredError(InvalidArgumentError):
    """Model.load() needs `input` in constant_inputs, because its values decide a shape."""

    input: str

    def __init__(
        self,
        errno: int,
        message: str,
        status: CardStatus = CardStatus.ok,
        reason: Reason = Reason.none,
        failure: CardFailure | None = None,
        input: str = "",
    ) -> None:
        super().__init__(errno, message, status, reason, failure)
        self.input = input

    def __reduce__(self) -> tuple[object, ...]:
        kind, fields = super().__reduce__()
        assert isinstance(fields, tuple)
        return kind, (*fields, self.input)


def make_error(
    errno: int,
    message: str,
    status: CardStatus,
    reason: Reason,
    failure: CardFailure | None,
    input: str,
) -> Error:
    """Returns the exception for an accel::Error; the extension module calls it."""
    message = to_python(message)
    if input:
        return ConstantInputRequiredError(errno, message, status, reason, failure, input)
    kinds = {
        _errno.EINVAL: InvalidArgumentError,
        _errno.EDOM: InvalidArgumentError,  # an option names an input that the model does not have
        _errno.ETIMEDOUT: TimeoutError,
    }
    return kinds.get(errno, Error)(errno, message, status, reason, failure)
