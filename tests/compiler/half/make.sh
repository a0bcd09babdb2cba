#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Usage: make.sh FASHION
# Makes models in f16 out of f32 models, ONNX Runtime's distances between the two, and inputs, and
# prints their folder, which is in the user's cache. FASHION is the folder of the trained networks.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
fashion=${1:?usage: make.sh FASHION}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel/onnx
pictures=/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
data=$("$here/../data.sh")
key=$(cat "$here"/* "$here/../quantize/models.py" "$fashion"/fashion-*.onnx | sha256sum |
    cut -c 1-16)
folder=$cache/half-$key
if [ ! -e "$folder/complete" ]; then
    python=$("$here/../suite/suite.sh" --python)
    work=$(mktemp -d "$cache/half-work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "$python" -B "$here/make.py" "$work/cases" \
        "fashion-mlp=$fashion/fashion-mlp.onnx,$pictures" \
        "fashion-cnn=$fashion/fashion-cnn.onnx,$pictures" \
        "face-front=$data/face-front.onnx,$data/face-front.in.f32" \
        "face-back=$data/face-back.onnx,$data/face-back.in.f32" \
        "text=$data/text.onnx,$data/text.in.f32" >&2
    touch "$work/cases/complete"
    rm -rf "$folder"
    mv "$work/cases" "$folder"
fi
echo "$folder"
