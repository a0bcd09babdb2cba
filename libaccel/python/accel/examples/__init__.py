# SPDX-License-Identifier: Apache-2.0
"""A trained network and two photographs, for a first try.

FASHION is an ONNX file: a small convolutional network that the project trains on Fashion-MNIST. Its
input is `image`, f32 [n, 1, 28, 28] from 0 to 1, and its output `logits`, f32 [n, 10], with a score
for each of LABELS. The photographs (ankle-boot.pgm, pullover.pgm) are from the same data set, and
the network did not see them in training. Their copyright is Zalando SE's, under the MIT license.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._types import Array

FOLDER = Path(__file__).resolve().parent
FASHION = FOLDER / "fashion-cnn.onnx"
LABELS = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def read_pgm(file: str | Path) -> Array:
    """Reads a gray picture in the binary PGM format, as f32 [1, 1, height, width] from 0 to 1.

    A name without a folder is that of a photograph of this package.
    """
    path = Path(file)
    data = (FOLDER / path if path.parent == Path() else path).read_bytes()
    kind, width, height, white = data.split(maxsplit=4)[:4]
    if kind != b"P5" or white != b"255":
        raise ValueError(f"{path} is not a binary PGM file of 8 bits: convert it to one")
    shape = (1, 1, int(height), int(width))
    pixels = np.frombuffer(data[-int(width) * int(height) :], np.uint8)
    return pixels.reshape(shape).astype(np.float32) / 255
