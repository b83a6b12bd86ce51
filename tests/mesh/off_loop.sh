#!/usr/bin/env bash
# No node makes a plan on its loop's thread: not for its own sessions, not for others' where it
# coordinates, not when a device is lost, and not for `covey plan`. COVEYD_OFF_LOOP is a coveyd that
# says where it plans, and would end there.
. "$(dirname "$0")/common.sh"
mkdir "$dir/bin"
cp "$COVEY" "$dir/bin/covey"
cp "$COVEYD_OFF_LOOP" "$dir/bin/coveyd"
COVEY="$dir/bin/covey"
devices=4

made() { grep -c "a plan beside the loop" "$lab/node$1.log"; }
has_made() { [ "$(made "$1")" -gt "$2" ]; }
leader() {
    at "$1" peers --json | python3 -c 'import json, sys; print((json.load(sys.stdin)["coordinator"] or "node")[4:])'
}
leads() { [ "$(leader 1)" = "$1" ] && [ "$(leader 2)" = "$1" ] && [ "$(leader 3)" = "$1" ]; }
agree() { leads "$(leader 4)"; }

succeed "$COVEY" lab up --devices "$devices" --dir "$lab" --mode loopback --wait 120
soon agree || wrong "they do not agree on who coordinates"
head=$(leader 1)
owner=$((head % devices + 1))
lost=$((owner % devices + 1))
for node in $owner $head; do
    succeed at "$node" model add "$model" --name "digits$node"
    before=$(made "$head")
    succeed at "$node" infer "digits$node" "$digits" --limit 1 --coded all
    soon has_made "$head" "$before" || wrong "node$head made no plan for node$node"
done
before=$(made "$owner")
succeed at "$owner" plan "digits$owner" --devices 3
has_made "$owner" "$before" || wrong "node$owner made no plan to show"

# The one who coordinates makes the next plan of its own session itself.
before=$(made "$head")
succeed "$COVEY" lab kill "$lost" --dir "$lab"
soon has_made "$head" "$before" || wrong "node$head made no plan after a loss"
succeed at "$head" infer "digits$head" "$digits" --limit 1 --coded all
for log in "$lab"/node*.log; do
    ! grep -q "on the loop's thread" "$log" || wrong "$log: a plan was made on the loop's thread"
done
