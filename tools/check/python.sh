#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks the project's Python with ruff (rules and format) and mypy (types); pyproject.toml
# configures both.
#
#   python.sh          checks all Python files
#   python.sh --fix    repairs what ruff can repair, and formats the files
#
# Debian 12 has no ruff, so both tools are installed by pip, with fixed versions, into a folder of
# the user's cache.
set -eu

cd "$(dirname "$0")/../.."
packages="ruff==0.17.6 mypy==2.4.1 types-jsonschema==4.26.0.20260518"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel/python-check
key=$(echo "$packages" | sha256sum | cut -c 1-16)
tools=$cache/$key

if [ ! -e "$tools/complete" ]; then
    mkdir -p "$cache"
    rm -rf "$tools"
    python3 -m venv "$tools"
    # shellcheck disable=SC2086  # a list of words
    if ! "$tools/bin/pip" install -q --disable-pip-version-check $packages \
        >"$cache/pip.log" 2>&1; then
        tail -n 5 "$cache/pip.log" >&2
        echo "error: cannot install $packages; the log is $cache/pip.log" >&2
        exit 1
    fi
    touch "$tools/complete"
fi

if [ "${1:-}" = --fix ]; then
    "$tools/bin/ruff" check -q --fix . || :
    "$tools/bin/ruff" format -q .
    exit 0
fi
failed=0
"$tools/bin/ruff" check -q . || failed=1
"$tools/bin/ruff" format --check -q . || failed=1
"$tools/bin/mypy" || failed=1
# Tests have no annotations and need no strict rules.
printf '[mypy]\npython_version = 3.11\nstrict_bytes = false\n' >"$cache/tests.ini"
MYPYPATH=tests:tests/vm:tests/bench "$tools/bin/mypy" --config-file "$cache/tests.ini" \
    tests/harness tests/tools tests/c tools/check || failed=1
exit $failed
