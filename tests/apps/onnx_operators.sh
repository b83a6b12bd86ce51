#!/bin/sh
# The table of docs/operators.md names the operators that the importer knows, no more and no less,
# each with its first opset.
# usage: onnx_operators.sh ONNX_CASES SOURCE_ROOT
set -eu
known=$("$1" --operators | sort)
written=$(sed -n 's/^| `\([A-Za-z0-9.]*\)` | \([0-9]*\) |.*/\1 \2/p' "$2/docs/operators.md" | sort)
if [ "$known" != "$written" ]; then
    echo "docs/operators.md and onnx_cases --operators differ:"
    printf '%s\n%s\n' "$known" "$written" | sort | uniq -u
    exit 1
fi
