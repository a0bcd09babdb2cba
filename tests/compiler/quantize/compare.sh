#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Usage: compare.sh BUILD
# Prints the table of compare.py, for a build folder with accelctl and the trained networks. The
# packages are installed in an environment of its own, which exists until the end of the script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: compare.sh BUILD}
data=$("$here/../data.sh")
pictures=/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/environment" >&2
"$work/environment/bin/pip" install -q --disable-pip-version-check --no-cache-dir \
    onnx==1.23.2 onnxruntime==1.32.0 ml_dtypes==0.6.0 numpy==2.4.6 >&2
"$work/environment/bin/python" -B "$here/compare.py" "$build/tools/accelctl" "$work/files" \
    "fashion-mlp=$build/tests/compiler/fashion/fashion-mlp.onnx,$pictures" \
    "fashion-cnn=$build/tests/compiler/fashion/fashion-cnn.onnx,$pictures" \
    "face-front=$data/face-front.onnx,$data/face-front.in.f32" \
    "face-back=$data/face-back.onnx,$data/face-back.in.f32"
