#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ONNX's own conformance cases as Debian ships them (libonnx-testdata): nothing may be wrong, and
# no fewer cases than these may be read. usage: onnx_official_cases.sh ONNX_CASES
set -u
data=/usr/share/libonnx-testdata/data
if [ ! -d "$data/node" ]; then
    echo "skipped: libonnx-testdata is not installed"
    exit 77
fi
status=0
for folder in node:701 pytorch-converted:75 pytorch-operator:35 simple:7; do
    name=${folder%:*} least=${folder#*:}
    if ! "$1" "$data/$name" > "$name.jsonl"; then
        grep '"fail"' "$name.jsonl"
        status=1
    fi
    passed=$(tail -n 1 "$name.jsonl" | cut -d ' ' -f 1)
    echo "$name: $(tail -n 1 "$name.jsonl")"
    [ "$passed" -ge "$least" ] || status=1
    rm -f "$name.jsonl"
done
exit $status
