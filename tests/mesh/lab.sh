#!/usr/bin/env bash
# A lab is made, shows what happened to its nodes, answers, and goes away without a trace.
. "$(dirname "$0")/common.sh"
state_of() { "$COVEY" lab list --dir "$lab" | awk -v n="node$1" '$1 == n { print $4 }'; }

succeed "$COVEY" lab up --devices 3 --dir "$lab" --mode loopback --wait 120
expect 1 "lab down" "$COVEY" lab up --devices 2 --dir "$lab" --mode loopback
pids=$("$COVEY" lab list --dir "$lab" | awk '$2 == "pid" { print $3 }')

# The same answer from the mesh, asked by file and by name at any node, as from here alone.
succeed "$COVEY" infer "$model" "$digits" --local --limit 20 --output "$dir/local.npy"
succeed at 1 infer "$model" "$digits" --limit 20 --output "$dir/mesh.npy"
succeed at 1 model list
grep -q digits "$dir/out" || wrong "the model is not listed"
succeed at 1 infer digits "$digits" --limit 3 --json
succeed at 1 plan digits --json
expect 2 "takes seconds" at 1 plan digits --timeout 0
# 85 MB are not read within a millisecond.
succeed "$COVEY" model build resnet34 --input 3x64x64 --classes 10 --out "$dir/unread.onnx"
succeed at 2 model add "$dir/unread.onnx"
expect 1 "no plan within 0.001 s: .*--timeout" at 2 plan unread --timeout 0.001
succeed at 2 plan unread
succeed at 2 model remove unread
same_numbers "$dir/mesh.npy" "$dir/local.npy" 200
expect 6 "text.png" at 1 infer "$model" "$(echo no picture >"$dir/text.png"; echo "$dir/text.png")"
expect 2 "--name takes 1 to 63 bytes" at 1 model add "$model" --name "$(printf 'a\033b')"
succeed at 1 model add "$model" --name "$(printf 'a\303\244b')"
grep -q "^model 'a__b' added" "$dir/out" || wrong "a model is not called as it is listed: $(cat "$dir/out")"
expect 6 "missing.onnx" at 1 model add "$dir/missing.onnx"
expect 6 "not a regular file" at 1 model add "$dir"
expect 6 "no model" at 1 infer nosuchmodel "$digits"
for command in "plan" "model show" "model remove"; do
    # shellcheck disable=SC2086
    expect 6 "no model 'nosuchmodel'" at 1 $command nosuchmodel
done
expect_json 6 at 1 plan nosuchmodel

# Bytes that are no frame end that connection, not the node.
python3 - "$lab/node1/control.sock" <<'END'
import os, socket, sys
for junk in [os.urandom(64), b"\xff" * 64, b"\x10\0\0\0\xff\xff\0\0" + b"x" * 16, b"\x06\0\0\0\x02\0\0\0\xa0\xa0"]:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(1)
    s.connect(sys.argv[1])
    s.sendall(junk)
    try:
        s.recv(4096)
    except OSError:
        pass
    s.close()
END
succeed at 1 peers

succeed "$COVEY" lab freeze 2 --dir "$lab"
[ "$(state_of 2)" = frozen ] || wrong "node2 is not frozen"
succeed "$COVEY" lab thaw 2 --dir "$lab"
[ "$(state_of 2)" = running ] || wrong "node2 did not thaw"
succeed "$COVEY" lab kill node3 --dir "$lab"
[ "$(state_of 3)" = dead ] || wrong "node3 is not dead"
expect 1 "does not run" "$COVEY" lab kill 3 --dir "$lab"
expect 2 "no node" "$COVEY" lab kill 9 --dir "$lab"
expect 3 "no link" "$COVEY" lab cut 1 --dir "$lab"
succeed "$COVEY" lab restart 3 --dir "$lab"
succeed "$COVEY" lab wait --dir "$lab" --wait 120
all_alive() {
    at 3 peers --json | python3 -c 'import json, sys
assert [p["state"] for p in json.load(sys.stdin)["peers"]] == ["alive"] * 3'
}
soon all_alive || wrong "not all are alive after a restart"

# Two who change a lab at once do so one after the other: no node is forgotten.
"$COVEY" lab restart 2 --dir "$lab" &
other=$!
succeed "$COVEY" lab restart 3 --dir "$lab"
wait "$other" || wrong "a restart beside another failed"
for node in 2 3; do
    [ "$(state_of "$node")" = running ] || wrong "node$node is not known to run"
done
pids=$("$COVEY" lab list --dir "$lab" | awk '$2 == "pid" { print $3 }')

# A device answers late, and lies; a restart ends both.
expect 2 "usage" "$COVEY" lab slow 2 --dir "$lab"
expect 2 "one node" "$COVEY" lab slow 9 --delay 5 --dir "$lab"
succeed "$COVEY" lab slow 2 --delay 100 --dir "$lab"
succeed "$COVEY" lab lie 3 --dir "$lab"
succeed "$COVEY" lab list --dir "$lab"
grep -q '^node2 .*, 100 ms late$' "$dir/out" || wrong "node2 is not shown late: $(cat "$dir/out")"
grep -q '^node3 .*, lies$' "$dir/out" || wrong "node3 is not shown as a liar"
succeed at 1 infer digits "$digits" --limit 3 --timeout 60
expect 2 "uniform" "$COVEY" lab slow 2 --uniform 5 --dir "$lab"
expect 2 "uniform" "$COVEY" lab slow 2 --uniform 9,1 --dir "$lab"
expect 2 "uniform" "$COVEY" lab slow 2 --normal 20,5 --exponential 20 --dir "$lab"
expect 2 "1 to 100" "$COVEY" lab lie 3 --share 0 --dir "$lab"
succeed "$COVEY" lab slow 2 --normal 20000,15000 --scale 0.01 --seed 7 --dir "$lab"
succeed "$COVEY" lab lie 3 --share 1 --dir "$lab"
succeed "$COVEY" lab list --dir "$lab"
grep -q '^node2 .*, tasks normal 200,150 ms$' "$dir/out" || wrong "node2's law is not shown: $(cat "$dir/out")"
grep -q '^node3 .*, lies in 1 %$' "$dir/out" || wrong "node3's share is not shown"
succeed "$COVEY" lab slow 2 --delay 0 --dir "$lab"
succeed "$COVEY" lab lie 3 --off --dir "$lab"
succeed "$COVEY" lab list --dir "$lab"
! grep -Eq 'late|lies|tasks' "$dir/out" || wrong "a node is late or lies still"

pids=$("$COVEY" lab list --dir "$lab" | awk '$2 == "pid" { print $3 }')
succeed "$COVEY" lab down --dir "$lab"
[ ! -e "$lab" ] || wrong "the lab's directory is still there"
for pid in $pids; do
    # What nobody has waited for yet stays as a zombie: it does not run.
    ! grep -qs '^State:[[:space:]]*[RSDTt]' "/proc/$pid/status" || wrong "a node of the lab still runs"
done

# Up are all nodes or none: of one that ends the reason is said, though the others found each other.
cp "$COVEY" "$dir/covey"
printf '#!/bin/sh\ncase "$*" in *node2*) echo "no room for node2" >&2; exit 1 ;; esac\nexec "%s" "$@"\n' \
    "$COVEYD" >"$dir/coveyd"
chmod 755 "$dir/coveyd"
expect 1 "node2 ended: no room for node2" "$dir/covey" lab up --devices 3 --dir "$lab" --mode loopback
[ ! -e "$lab" ] || wrong "a lab that lacked a node was left"

# Under nohup a lab is made although the terminal goes away meanwhile.
trap "" HUP
"$COVEY" lab up --devices 2 --dir "$lab" --mode loopback --wait 120 >/dev/null &
up=$!
trap - HUP
while kill -HUP "$up" 2>/dev/null; do
    sleep 0.02
done
wait "$up" || wrong "a lab made under nohup ended with its terminal"
succeed "$COVEY" lab down --dir "$lab"

# Slow devices with a long link and little memory answer the same; who is nobody has no rates.
expect 2 "one for all or one a node|one word for all" "$COVEY" lab up --devices 3 --cpu 10,20 --dir "$lab"
expect 2 "percent of a core" "$COVEY" lab up --devices 2 --cpu 0 --dir "$lab"
expect 2 "one for all or one a node|one word for all" "$COVEY" lab up --devices 3 \
    --memory 50000000,60000000 --dir "$lab"
expect 2 "end, edge or cloud" "$COVEY" lab up --devices 2 --tiers moon --dir "$lab"
for tiers in end=1 end=2,edge=1 end= end=1,=1 end=-1,edge=3 moon=2 end=1,cloud end=1,edge=1x; do
    expect 2 "tiers" "$COVEY" lab up --devices 2 --tiers "$tiers" --dir "$lab"
done
expect 2 "0 to 90" "$COVEY" lab up --devices 2 --loss 99 --dir "$lab"
expect 5 "needs root" "$COVEY" lab up --devices 2 --mode loopback --rate 100 --dir "$lab"
succeed "$COVEY" lab up --devices 3 --mode loopback --cpu 50,25,25 --delay 5 --loss 1 \
    --memory 50000000,60000000,50000000 --tiers edge=1,end=2 --dir "$lab"
succeed at 1 peers --json
python3 -c 'import json, sys; p = json.load(open(sys.argv[1]))["peers"]; assert [(x["name"], x["tier"]) for x in p] == [("node1", "edge"), ("node2", "end"), ("node3", "end")]' \
    "$dir/out" || wrong "the tiers are not those that were counted"
succeed at 1 infer "$model" "$digits" --limit 20 --output "$dir/slow.npy" --timeout 60
same_numbers "$dir/slow.npy" "$dir/local.npy" 200
succeed "$COVEY" lab list --dir "$lab" --json
python3 -c 'import json, sys; n = json.load(open(sys.argv[1]))["nodes"]; assert [x["cpu"] for x in n] == [50, 25, 25]' \
    "$dir/out" || wrong "the devices' processors are not shown"
succeed "$COVEY" lab restart 2 --dir "$lab"
tr '\0' ' ' <"/proc/$("$COVEY" lab list --dir "$lab" | awk '$1 == "node2" { print $3 }')/cmdline" |
    grep -q -- '--cpu 25 --delay 5 --loss 1 --memory 60000000 --lab' || wrong "a restarted node plays another device"
succeed "$COVEY" lab down --dir "$lab"

# With root also links of a rate. Where namespaces cannot be made there is nothing to try.
if [ "$(id -u)" -eq 0 ] && "$COVEY" lab up --devices 2 --mode netns --dir "$lab" >/dev/null 2>&1; then
    succeed "$COVEY" lab down --dir "$lab"
    succeed "$COVEY" lab up --devices 2 --mode netns --rate 100 --dir "$lab"
    id=$("$COVEY" lab list --dir "$lab" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
    tc qdisc show dev "cvy$id-1" | grep -q 'tbf.*rate 100Mbit burst 20Kb' || wrong "no rate at node1's link"
    tc -n "cvy-$id-2" qdisc show dev eth0 | grep -q 'tbf.*rate 100Mbit' || wrong "no rate at node2's end"
    succeed at 1 infer "$model" "$digits" --limit 20 --output "$dir/slow.npy"
    same_numbers "$dir/slow.npy" "$dir/local.npy" 200
fi
