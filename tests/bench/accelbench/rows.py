# SPDX-License-Identifier: Apache-2.0
"""The goals: each row has a measured value, a peer, the required value and the desired value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import link
from .measure import Case

IOMMU = "+iommu"  # suffix of cases that were measured behind an IOMMU


class Missing(KeyError):
    """A case that was not measured."""


class Cases:
    """Looks up cases, and records which were used."""

    def __init__(self, cases: dict[str, Case]) -> None:
        self._cases = cases
        self.used: list[Case] = []

    def __getitem__(self, name: str) -> Case:
        if name not in self._cases or not (self._cases[name].samples or self._cases[name].values):
            raise Missing(name)
        self.used.append(self._cases[name])
        return self._cases[name]

    def cost(self, name: str, what: str = "instructions") -> float:
        return self[name].median(what)

    def value(self, name: str) -> float:
        return self[name].median()

    def percentile(self, name: str, which: str) -> float:
        return float(self[name].line["values"][which])


Formula = Callable[[Cases], float]


@dataclass(frozen=True)
class Row:
    number: str
    what: str
    ours: Formula
    must: float
    aim: float
    peer: Formula | None = None
    floor: Formula | None = None
    peer_name: str = ""
    more_is_better: bool = False
    digits: int = 1

    def meets(self, value: float, goal: float) -> bool:
        slack = 1e-6 * abs(goal)  # rounding errors
        return value >= goal - slack if self.more_is_better else value <= goal + slack


def _efficiency(cases: Cases) -> float:
    """The lowest efficiency of all sizes from 64 KiB on, in both directions."""
    sizes = (64, 256, 1024)
    reads = [cases.value(f"accel.link.h2d.{size}k") / link.read_rate(size * 1024) for size in sizes]
    writes = [
        cases.value(f"accel.link.d2h.{size}k") / link.write_rate(size * 1024) for size in sizes
    ]
    return 100 * min(reads + writes)


def _offline(cases: Cases) -> float:
    """The rate relative to the roofline, which is the rate at which the link carries inputs."""
    rate = cases.value("accel.serving.offline")
    size = int(cases["accel.serving.offline"].line["bytes_in"])
    batch = int(cases["accel.serving.offline"].line["batch"])
    return rate / (link.read_rate(size * batch) * 1e9 / size)


def _grows(suffix: str) -> Formula:
    return lambda c: c.cost(f"accel.copy.64k{suffix}") / c.cost(f"accel.submit.32{suffix}")


def _peer_grows(suffix: str) -> Formula:
    return lambda c: (
        c.cost(f"nvme.uring_cmd.registered.64k{suffix}") / c.cost(f"nvme.uring_cmd.32{suffix}")
    )


def _transfer(suffix: str) -> Formula:
    return lambda c: max(c.cost(f"accel.pread.64k{suffix}"), c.cost(f"accel.pwrite.64k{suffix}"))


ROWS = (
    Row(
        "1",
        "instructions a job: submit and reap, batch of 32",
        ours=lambda c: c.cost("accel.submit.32"),
        must=200,
        aim=80,
        peer=lambda c: c.cost("nvme.uring_cmd.32"),
        peer_name="NVMe uring_cmd",
        floor=lambda c: c.cost("floor.32"),
    ),
    Row(
        "2",
        "the same at depth 1, spinning excluded",
        ours=lambda c: c.cost("accel.submit.1"),
        must=250,
        aim=110,
        peer=lambda c: c.cost("nvme.ioctl.1"),
        peer_name="NVMe ioctl",
        floor=lambda c: c.cost("floor.1"),
    ),
    Row(
        "3",
        "instructions, waiting by io_uring, batch of 32",
        ours=lambda c: c.cost("accel.uring.32"),
        must=2400,
        aim=1200,
        peer=lambda c: c.cost("nvme.uring_cmd.32"),
        peer_name="NVMe uring_cmd",
        floor=lambda c: c.cost("nop.32"),
    ),
    Row(
        "4",
        "instructions, submit and sleep by ioctl, depth 1",
        ours=lambda c: c.cost("accel.sleep.1"),
        must=5000,
        aim=3500,
        peer=lambda c: c.cost("nvme.ioctl.1"),
        peer_name="NVMe ioctl",
        floor=lambda c: c.cost("floor.sleep"),
    ),
    Row(
        "5a",
        "doorbell writes a job, batches of 32",
        ours=lambda c: c.cost("accel.submit.32", "doorbells"),
        must=1 / 32,
        aim=1 / 32,
        peer=lambda c: c.cost("nvme.uring_cmd.32", "nvme_writes"),
        peer_name="NVMe uring_cmd",
        floor=lambda c: c.cost("floor.32", "doorbells"),
        digits=3,
    ),
    Row(
        "5b",
        "doorbell writes a job, 32 in flight, card busy",
        ours=lambda c: c.cost("accel.busy.32", "doorbells"),
        must=1 / 32,
        aim=0,
        digits=3,
    ),
    Row(
        "6a",
        "system calls a job, polled",
        ours=lambda c: c.cost("accel.submit.32", "calls"),
        must=0,
        aim=0,
        peer=lambda c: c.cost("nvme.uring_cmd.32", "calls"),
        peer_name="NVMe uring_cmd",
        digits=3,
    ),
    Row(
        "6b",
        "interrupts a job, 32 in flight and sleeping",
        ours=lambda c: c.cost("accel.sleep.32", "interrupts"),
        must=1 / 32,
        aim=1 / 32,
        peer=lambda c: c.cost("nvme.uring_cmd.32", "interrupts"),
        peer_name="NVMe uring_cmd",
        digits=3,
    ),
    Row(
        "6c",
        "p99 of 32 jobs, one interrupt over one for each",
        ours=lambda c: (
            c.percentile("accel.sleep.32.latency", "p99")
            / c.percentile("accel.sleep.each.latency", "p99")
        ),
        must=1.1,
        aim=1.1,
        digits=2,
    ),
    Row(
        "7a",
        "instructions of 64 KiB over 4 KiB, registered",
        ours=_grows(""),
        must=1.10,
        aim=1.02,
        peer=_peer_grows(""),
        peer_name="NVMe uring_cmd",
        digits=2,
    ),
    Row(
        "7b",
        "the same behind an IOMMU",
        ours=_grows(IOMMU),
        must=1.10,
        aim=1.02,
        peer=_peer_grows(IOMMU),
        peer_name="NVMe uring_cmd",
        digits=2,
    ),
    Row(
        "8a",
        "instructions, pread/pwrite of 64 KiB, unregistered",
        ours=_transfer(""),
        must=21935,
        aim=0.6 * 21935,
        peer=lambda c: c.cost("nvme.uring_cmd.unregistered.64k"),
        peer_name="NVMe uring_cmd",
        digits=0,
    ),
    Row(
        "8b",
        "the same behind an IOMMU",
        ours=_transfer(IOMMU),
        must=30647,
        aim=0.6 * 30647,
        peer=lambda c: c.cost("nvme.uring_cmd.unregistered.64k" + IOMMU),
        peer_name="NVMe uring_cmd",
        digits=0,
    ),
    Row(
        "9a",
        "payload bytes copied by the CPU, registered, of 64 KiB",
        ours=lambda c: c.cost("accel.copy.64k", "copied"),
        must=0,
        aim=0,
        digits=0,
    ),
    Row(
        "9b",
        "the same, pread and pwrite from user pages",
        ours=lambda c: max(
            c.cost("accel.pread.64k", "copied"), c.cost("accel.pwrite.64k", "copied")
        ),
        must=0,
        aim=0,
        digits=0,
    ),
    Row(
        "10",
        "link efficiency from 64 KiB on, % of the TLP model",
        ours=_efficiency,
        must=95,
        aim=99,
        more_is_better=True,
    ),
    Row(
        "11",
        "pipelined run over its slowest stage, 64 tiles",
        ours=lambda c: c.value("accel.pipeline.64"),
        must=1.20,
        aim=1.05,
        peer=lambda c: c.value("accel.pipeline.serial"),
        peer_name="serial",
        digits=2,
    ),
    Row(
        "12a",
        "SingleStream p90 over device time",
        ours=lambda c: c.value("accel.serving.single"),
        must=1.15,
        aim=1.05,
        digits=2,
    ),
    Row(
        "12b",
        "Offline over the card's roofline",
        ours=_offline,
        must=0.90,
        aim=0.97,
        more_is_better=True,
        digits=3,
    ),
    Row(
        "13",
        "instructions a node of a list, over single submits",
        ours=lambda c: c.cost("accel.list.node") / c.cost("accel.list.single"),
        must=0.1,
        aim=0.05,
        digits=3,
    ),
    Row(
        "14",
        "wall clock, depth 1: polled queue against sleeping in the ioctl",
        ours=lambda c: c.value("accel.wall"),
        must=2.5,
        aim=5,
        more_is_better=True,
    ),
)
