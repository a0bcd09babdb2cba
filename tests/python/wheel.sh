#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Follows README.md with the wheel of BUILD in an empty folder, as a user does who has no sources:
# its commands install the wheel into an environment, and its program must classify. Then the tests
# of the package must pass in that environment.
#
#   wheel.sh BUILD
set -eu

sources=$(cd "$(dirname "$0")/../.." && pwd)
tests=$sources/tests
wheel=$(ls "$(cd "$1" && pwd)"/accel-*.whl)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH ACCEL_DEVICE

if [ -n "${PYTHON:-}" ]; then
    mkdir bin
    ln -s "$(command -v "$PYTHON")" bin/python3
    PATH=$PWD/bin:$PATH
fi
cp "$wheel" .
sed -n '/^    python3 -m venv/,/^$/s/^    //p' "$sources/README.md" >install.sh
# shellcheck disable=SC2016  # a pattern
sed -n '/^```python$/,/^```$/{/^```/!p}' "$sources/README.md" >classify.py
start=$(date +%s)
# shellcheck disable=SC1091  # it is made above
. ./install.sh >install.log || { cat install.log; exit 1; }
result=$(python classify.py)
seconds=$(($(date +%s) - start))
if [ "$result" != "ankle boot" ]; then
    echo "error: the program of README.md prints '$result', not 'ankle boot'" >&2
    exit 1
fi
echo "README.md: from nothing to '$result' in $seconds s"

export ACCEL_DEVICE=emulated
python -c 'import accel; print("accel", accel.__version__, "in", accel.__file__)'
python "$tests/harness/run.py" --folder "$tests/python"
