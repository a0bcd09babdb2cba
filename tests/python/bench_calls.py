#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what a call of a model from Python costs over C++, side by side in turn.

    bench_calls.py BUILD [CALLS]

It takes the fewest microseconds of many calls, so that other load of the machine does not count.
The counters of the calls show that no byte of a buffer is copied.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import accel
import numpy as np
import onnx_files

ROUNDS = 5


def fewest(call, calls: int) -> float:
    best = float("inf")
    for _ in range(calls):
        start = time.perf_counter_ns()
        call()
        best = min(best, time.perf_counter_ns() - start)
    return best / 1000


def main() -> int:
    build, calls = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory() as folder:
        file = onnx_files.affine(Path(folder) / "model.onnx")
        model = accel.Model.load(file)
        x, y = model.device.buffer((1, 4)), model.device.buffer((1, 3))
        array = np.ones((1, 4), np.float32)
        best = {"C++": 1e9, "Python, in place": 1e9, "Python, arrays": 1e9}
        for _ in range(ROUNDS):
            done = subprocess.run(
                [build / "tests/python/bench_calls", file, str(calls)],
                capture_output=True,
                text=True,
                check=True,
                env={"ACCEL_DEVICE": "emulated", **os.environ},
            )
            best["C++"] = min(best["C++"], float(done.stdout))
            before = model.stats.bytes_copied
            best["Python, in place"] = min(
                best["Python, in place"], fewest(lambda: model(x, out=y), calls)
            )
            copied = model.stats.bytes_copied - before
            best["Python, arrays"] = min(
                best["Python, arrays"], fewest(lambda: model(array), calls)
            )
    for name, microseconds in best.items():
        print(f"{name:<18}{microseconds:8.1f} us a call")
    over = best["Python, in place"] - best["C++"]
    print(f"Python over C++: {over:.1f} us a call, {copied} bytes copied")
    return 0 if over < 20 and copied == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
