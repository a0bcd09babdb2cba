# SPDX-License-Identifier: Apache-2.0
"""The highest payload rate of the link, by the public efficiency model of pcie-bench.

The formula is written here again, so that the card's own code does not judge the card.
"""

from __future__ import annotations

import math

PAYLOAD = 256  # bytes a packet, the card's default


def packet_rate() -> float:
    """Gigabytes a second for packets on Gen 3 x8.

    This is the coded rate less acknowledgements, flow control and clock compensation.
    """
    coded = 8 * 8 * 128 / 130
    interval = math.floor((PAYLOAD + 28) * 2.5 / 8 + 115)
    return coded * (1 - 2 * 8 / interval - 4 / 1538) / 8


def read_rate(size: int) -> float:
    """Gigabytes of payload a second that the card reads, `size` bytes at a time."""
    return packet_rate() * size / (size + math.ceil(size / PAYLOAD) * 20)


def write_rate(size: int) -> float:
    """The same for writes of the card."""
    return packet_rate() * size / (size + math.ceil(size / PAYLOAD) * 24)
