#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the wheel of BUILD into an environment of its own, as a user does who has no sources, and
# runs the tests of the package there.
#
#   wheel.sh BUILD
set -eu

tests=$(cd "$(dirname "$0")/.." && pwd)
wheel=$(ls "$(cd "$1" && pwd)"/accel-*.whl)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv environment
environment/bin/pip install -q --disable-pip-version-check "$wheel"
unset PYTHONPATH
export ACCEL_DEVICE=emulated
environment/bin/python -c 'import accel; print("accel", accel.__version__, "in", accel.__file__)'
environment/bin/python "$tests/harness/run.py" --folder "$tests/python"
