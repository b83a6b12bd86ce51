#!/usr/bin/env bash
# A model larger than what any device may take runs, its answers are those of one process, and no
# device takes more at any moment: not while it is set up, nor while weights move because rates were
# measured anew or a device is lost and comes back. Where others have no room for all, the
# asking device reads the rest as it goes.
. "$(dirname "$0")/common.sh"
model="$dir/mlp.onnx"
memory=38000000

# input FILE: a row of 784 numbers.
python3 - "$dir/in.npy" <<'PY'
import array, struct, sys
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }"
head += " " * (-(10 + len(head) + 1) % 64) + "\n"
with open(sys.argv[1], "wb") as out:
    out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
    array.array("f", ((i * 37 % 101) / 101 for i in range(784))).tofile(out)
PY

# Every 50 ms what each node takes, whoever runs at that moment, until the file STOP is there. Says
# what was the most, and fails when that is above BYTES.
cat >"$dir/watch.py" <<'PY'
import json, os, subprocess, sys, time
stop, most, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
peak, samples, pids, looked = {}, 0, {}, 0
while not os.path.exists(stop):
    there = 0
    for node, pid in pids.items():
        try:
            with open(f"/proc/{pid}/statm") as f:
                taken = int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        except (OSError, IndexError):
            continue
        there += taken > 0
        peak[node] = max(peak.get(node, 0), taken)
    # Who was killed has another process when it is started again.
    if there < max(1, len(pids)) and time.monotonic() > looked + 0.2:
        looked = time.monotonic()
        listed = json.loads(subprocess.run(command, stdout=subprocess.PIPE).stdout or '{"nodes": []}')
        pids = {i + 1: n["pid"] for i, n in enumerate(listed["nodes"])}
    samples += 1
    time.sleep(0.05)
print(f"most of {samples} samples:", ", ".join(f"node{n} {b}" for n, b in sorted(peak.items())))
sys.exit(0 if peak and max(peak.values()) <= most else 1)
PY

# resident I: bytes of node I.
resident() {
    "$COVEY" lab list --dir "$lab" --json | python3 -c '
import json, sys
pid = json.load(sys.stdin)["nodes"][int(sys.argv[1]) - 1]["pid"]
line = [l for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS:")][0]
print(int(line.split()[1]) * 1024)' "$1"
}

# up DEVICES BYTES: a lab with so much memory each.
up() {
    succeed "$COVEY" lab up --devices "$1" --dir "$lab" --mode loopback --memory "$2"
    # A program of usual size; with sanitizers it is several times that.
    [ "$(resident 2)" -lt 20000000 ] && usual=1 || usual=0
}

# ask TIMES: as many requests, each right, and all redundancy soon after.
ask() {
    local wait=15 i
    [ "$usual" -eq 1 ] || wait=60
    for i in $(seq "$1"); do
        succeed at 1 infer mlp "$dir/in.npy" --output "$dir/got.npy"
        same_numbers "$dir/got.npy" "$dir/right.npy" 10
        succeed "$COVEY" lab wait --dir "$lab" --wait "$wait"
    done
}

# 40 MB of weights.
succeed "$COVEY" model build mlp --input 1x28x28 --classes 10 --depth 3 --units 2048 --seed 1 \
    --out "$model"
succeed "$COVEY" infer "$model" "$dir/in.npy" --local --output "$dir/right.npy"

up 4 "$memory"
python3 "$dir/watch.py" "$dir/stop" "$memory" "$COVEY" lab list --dir "$lab" --json \
    >"$dir/watched" 2>&1 &
watcher=$!
succeed at 1 model add "$model" --name mlp
ask 4
if [ "$usual" -eq 1 ]; then
    succeed at 1 plan mlp
    grep -q coded "$dir/out" || wrong "nothing is given to others: $(cat "$dir/out")"
fi
succeed "$COVEY" lab kill 4 --dir "$lab"
ask 2
succeed "$COVEY" lab restart 4 --dir "$lab"
ask 2
touch "$dir/stop"
wait "$watcher" || [ "$usual" -eq 0 ] || wrong "a device took more than $memory: $(cat "$dir/watched")"
cat "$dir/watched"
succeed "$COVEY" lab down --dir "$lab"

up 2 25000000
succeed at 1 model add "$model" --name mlp
ask 4
exit 0
