#!/usr/bin/env bash
# A model larger than what any device may take runs, its answers are those of one process, and no
# device takes more; where nobody else has room, the asking device reads the weights as it goes.
. "$(dirname "$0")/common.sh"
model="$dir/mlp.onnx"

# input FILE: a row of 784 numbers.
python3 - "$dir/in.npy" <<'PY'
import array, struct, sys
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }"
head += " " * (-(10 + len(head) + 1) % 64) + "\n"
with open(sys.argv[1], "wb") as out:
    out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
    array.array("f", ((i * 37 % 101) / 101 for i in range(784))).tofile(out)
PY

# resident I: bytes of node I.
resident() {
    "$COVEY" lab list --dir "$lab" --json | python3 -c '
import json, sys
pid = json.load(sys.stdin)["nodes"][int(sys.argv[1]) - 1]["pid"]
line = [l for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS:")][0]
print(int(line.split()[1]) * 1024)' "$1"
}

is_small() { [ "$(resident "$1")" -le "$memory" ]; }

# 40 MB of weights.
succeed "$COVEY" model build mlp --input 1x28x28 --classes 10 --depth 3 --units 2048 --seed 1 \
    --out "$model"
succeed "$COVEY" infer "$model" "$dir/in.npy" --local --output "$dir/right.npy"

# mesh DEVICES BYTES: some requests of a lab with so much memory each.
mesh() {
    local devices=$1 bytes=$2 i
    succeed "$COVEY" lab up --devices "$devices" --dir "$lab" --mode loopback --memory "$bytes"
    bare=$(resident 2)
    succeed at 1 model add "$model" --name mlp
    for i in 1 2 3 4; do
        succeed at 1 infer mlp "$dir/in.npy" --output "$dir/got.npy"
        same_numbers "$dir/got.npy" "$dir/right.npy" 10
        succeed "$COVEY" lab wait --dir "$lab" --wait 60
    done
}

memory=38000000
mesh 4 "$memory"
if [ "$bare" -lt 20000000 ]; then # a program of usual size: no sanitizers
    succeed at 1 plan mlp
    grep -q coded "$dir/out" || wrong "nothing is given to others: $(cat "$dir/out")"
    # Setting up, and moving to a plan for rates that were measured anew, may pass a bound as
    # small as this one for a moment.
    for i in 1 2 3 4; do
        soon is_small "$i" || wrong "device $i takes $(resident "$i") bytes"
    done
fi
succeed "$COVEY" lab down --dir "$lab"

mesh 2 4000000
exit 0
