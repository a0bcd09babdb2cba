#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Judges ONNX's operator suites, and writes docs/reference/operators.md and record.json.
#
#   report.sh BUILD
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=$("$here/suite.sh" --python)
newest=$("$here/suite.sh")
exec "$python" "$here/report.py" "$1/tests/compiler/onnx-suite" "$newest" \
    /usr/share/libonnx-testdata/data "${XDG_CACHE_HOME:-$HOME/.cache}/accel/onnx"
