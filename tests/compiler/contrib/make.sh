#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes models with operators of the domain com.microsoft, their inputs, and the outputs of ONNX
# Runtime, and prints their folder, which is in the user's cache. The packages are installed in an
# environment of its own, which exists until the end of the script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel
key=$(cat "$here"/*.py "$here/make.sh" | sha256sum | cut -c 1-16)
folder=$cache/contrib-$key
packages="onnx==1.23.2 onnxruntime==1.32.0 onnx-ir==1.1.0 ml_dtypes==0.6.0
    numpy==2.4.6"

if [ ! -e "$folder/complete" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/contrib-work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "${PYTHON:-python3}" -m venv "$work/environment" >&2
    # shellcheck disable=SC2086  # a list of words
    "$work/environment/bin/pip" install -q --disable-pip-version-check --no-cache-dir \
        $packages >&2
    for program in operators quantized models; do
        "$work/environment/bin/python" -B "$here/$program.py" "$work/cases/$program" >&2
    done
    touch "$work/cases/complete"
    rm -rf "$folder"
    mv "$work/cases" "$folder"
fi
echo "$folder"
