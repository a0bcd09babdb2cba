#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the models that operators.txt describes, and prints their folder, which is in the user's
# cache.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel/onnx
key=$(cat "$here/make.py" "$here/operators.txt" "$here/make.sh" | sha256sum | cut -c 1-16)
folder=$cache/edges-$key
if [ ! -e "$folder/complete" ]; then
    python=$("$here/../suite/suite.sh" --python)
    work=$(mktemp -d "$cache/edges-work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "$python" -B "$here/make.py" "$here/operators.txt" "$work/models" >&2
    touch "$work/models/complete"
    rm -rf "$folder"
    mv "$work/models" "$folder"
fi
echo "$folder"
