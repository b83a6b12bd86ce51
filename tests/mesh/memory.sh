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

# same FILE FILE: the numbers are, within rounding.
same() {
    python3 - "$1" "$2" <<'PY' || wrong "$1 is not $2"
import array, struct, sys
def read(path):
    data = open(path, "rb").read()
    values = array.array("f")
    values.frombytes(data[10 + struct.unpack("<H", data[8:10])[0]:])
    return values
a, b = map(read, sys.argv[1:])
scale = max(map(abs, b))
sys.exit(0 if len(a) == len(b) and max(abs(x - y) for x, y in zip(a, b)) <= 1e-4 * scale else 1)
PY
}

# resident I: bytes of node I.
resident() {
    "$COVEY" lab list --dir "$lab" --json | python3 -c '
import json, sys
pid = json.load(sys.stdin)["nodes"][int(sys.argv[1]) - 1]["pid"]
line = [l for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS:")][0]
print(int(line.split()[1]) * 1024)' "$1"
}

# 40 MB of weights.
succeed "$COVEY" model build mlp --input 1x28x28 --classes 10 --depth 3 --units 2048 --seed 1 \
    --out "$model"
succeed "$COVEY" infer "$model" "$dir/in.npy" --local --output "$dir/right.npy"

# mesh DEVICES BYTES: some requests of a lab with so much memory each.
mesh() {
    local devices=$1 bytes=$2 i
    succeed "$COVEY" lab up --devices "$devices" --dir "$lab" --mode loopback --memory "$bytes"
    bare=$(resident 2)
    succeed "$COVEY" lab run 1 --dir "$lab" -- model add "$model" --name mlp
    for i in 1 2 3 4; do
        succeed "$COVEY" lab run 1 --dir "$lab" -- infer mlp "$dir/in.npy" --output "$dir/got.npy"
        same "$dir/got.npy" "$dir/right.npy"
        succeed "$COVEY" lab wait --dir "$lab" --wait 60
    done
}

memory=38000000
mesh 4 "$memory"
if [ "$bare" -lt 20000000 ]; then # a program of usual size: no sanitizers
    succeed "$COVEY" lab run 1 --dir "$lab" -- plan mlp
    grep -q coded "$dir/out" || wrong "nothing is given to others: $(cat "$dir/out")"
    # Setting up, and moving to a plan for rates that were measured anew, may pass a bound as
    # small as this one for a moment.
    for i in 1 2 3 4; do
        looks=0
        while taken=$(resident "$i"); [ "$taken" -gt "$memory" ] && [ "$looks" -lt 300 ]; do
            looks=$((looks + 1))
            sleep 0.1
        done
        [ "$taken" -le "$memory" ] || wrong "device $i takes $taken bytes"
    done
fi
succeed "$COVEY" lab down --dir "$lab"

mesh 2 4000000
exit 0
