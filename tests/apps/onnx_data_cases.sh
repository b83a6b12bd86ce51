#!/bin/sh
# Runs the conformance cases of a folder of the shared data; skipped (77) where it is not there.
# usage: onnx_data_cases.sh ONNX_CASES SOURCE_ROOT FOLDER
folder="${COVEY_DATA:-$2/../shared}/data/$3"
if [ ! -d "$folder" ]; then
    echo "$folder is not there: set COVEY_DATA to the shared data"
    exit 77
fi
"$1" "$folder"
