#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files of accel/examples again: the network that the build trains, and photographs.

    example_data.py BUILD [DATA]

DATA is the folder of the Debian package dataset-fashion-mnist.
"""

import gzip
import shutil
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "libaccel/python/accel/examples"
# Their numbers in the test set, which training does not use.
PHOTOGRAPHS = {"ankle-boot": 0, "pullover": 1}
SIDE = 28


def photographs(data: Path) -> dict[str, bytes]:
    """The PGM files of the photographs, by name."""
    with gzip.open(data / "t10k-images-idx3-ubyte.gz") as file:
        images = file.read()[16:]
    size = SIDE * SIDE
    header = f"P5\n{SIDE} {SIDE}\n255\n".encode()
    return {
        name: header + images[number * size : (number + 1) * size]
        for name, number in PHOTOGRAPHS.items()
    }


def main() -> int:
    build, data = Path(sys.argv[1]), Path([*sys.argv, "/usr/share/datasets/fashion-mnist"][2])
    shutil.copy(build / "tests/compiler/fashion/fashion-cnn.onnx", EXAMPLES)
    for name, content in photographs(data).items():
        (EXAMPLES / f"{name}.pgm").write_bytes(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
