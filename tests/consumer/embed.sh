#!/usr/bin/env bash
# Installs the libraries into a new folder, builds a program against them through CMake and through
# pkg-config, and runs both.
#   embed.sh BUILD_FOLDER CMAKE COMPILER PKG_CONFIG_FOLDER [COMPILER FLAGS...]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1 cmake=$2 compiler=$3 pkgconfig=$4
shift 4
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$cmake" --install "$build" --prefix "$place/prefix" --component dev >/dev/null

mkdir "$place/by-cmake" "$place/by-pkg-config"
"$cmake" -S "$here/project" -B "$place/build" -G Ninja -DCMAKE_PREFIX_PATH="$place/prefix" \
    -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="$*" >"$place/log" || { cat "$place/log"; exit 1; }
"$cmake" --build "$place/build" >"$place/log" || { cat "$place/log"; exit 1; }
"$place/build/embed" "$place/by-cmake"

export PKG_CONFIG_PATH="$place/prefix/$pkgconfig"
# shellcheck disable=SC2046
"$compiler" -std=c11 "$@" "$here/project/embed.c" $(pkg-config --cflags --libs covey) -o "$place/embed"
"$place/embed" "$place/by-pkg-config"
