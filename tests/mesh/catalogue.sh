#!/usr/bin/env bash
# A model that is added at one device is known at every other, is brought there when it is asked
# for, from whoever has it, and goes everywhere when it is removed.
. "$(dirname "$0")/common.sh"
printf '%s\n' zero one two three four five six seven eight nine >"$dir/digits.txt"

# models DEVICE: "name added-at here" of each.
models() {
    at "$1" model list --json 2>/dev/null | python3 -c '
import json, sys
for m in json.load(sys.stdin)["models"]:
    print(m["name"], m["publisher"], m["here"])'
}
knows() { [ "$(models "$1")" = "$2" ]; }
# becomes DEVICE TEXT: its list of models, soon.
becomes() { soon knows "$1" "$2" || wrong "models of node $1: '$(models "$1")', not '$2'"; }

succeed "$COVEY" lab up --devices 3 --dir "$lab" --mode loopback --wait 120
succeed at 1 model add "$model" --name digits --labels "$dir/digits.txt"
becomes 1 "digits node1 True"
becomes 2 "digits node1 False"
becomes 3 "digits node1 False"

# Asked for by name where it is not: it is brought, with its labels.
succeed at 2 infer digits "$digits" --limit 1 --json
grep -q '"zero"' "$dir/out" || wrong "the labels did not come: $(head -c 300 "$dir/out")"
becomes 2 "digits node1 True"
expect 5 "added at node1" at 2 model remove digits

# A restarted device knows what it knew, and the publisher need not be there any more.
succeed "$COVEY" lab restart 3 --dir "$lab"
becomes 3 "digits node1 False"
succeed "$COVEY" lab kill 1 --dir "$lab"
succeed at 3 infer digits "$digits" --limit 1 --json
grep -q '"zero"' "$dir/out" || wrong "node 2 did not give it: $(head -c 300 "$dir/out")"

# A plan brings it too; one file of two names is two models, and a name of two is none.
succeed at 3 model add "$model" --name twice
succeed at 2 model add "$model" --name twice --labels "$dir/digits.txt"
becomes 3 "$(printf 'digits node1 True\ntwice node3 True\ntwice node2 False')"
expect 6 "several models" at 3 infer twice "$digits" --limit 1
id=$(at 3 model list --json | python3 -c '
import json, sys
print([m["id"] for m in json.load(sys.stdin)["models"] if m["publisher"] == "node2"][0])')
succeed at 3 plan "$id" --json
becomes 3 "$(printf 'digits node1 True\ntwice node3 True\ntwice node2 True')"
succeed at 3 model remove "$(at 3 model list --json | python3 -c '
import json, sys
print([m["id"] for m in json.load(sys.stdin)["models"] if m["publisher"] == "node3"][0])')"
succeed at 2 model remove "$id"
becomes 3 "digits node1 True"

# One model that two devices added goes when both removed it, and what happened is said.
succeed at 2 model add "$model" --name both
succeed at 3 model add "$model" --name both
both() { "$@" | grep '^both ' || true; }
is_both() { [ "$(both models "$1")" = "$2" ]; }
soon is_both 2 "both node2 True" || wrong "node 2 lists: $(models 2)"
# Of the other's adding node 2 hears only by gossip: node 3's other model tells that it came.
succeed at 3 model add "$model" --name later
heard() { models 2 | grep -q '^later '; }
soon heard || wrong "node 2 does not hear of what node 3 added"
succeed at 2 model remove both --json
python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); assert d["removed"] is True and d["still_added_at"] == "node3", d' \
    "$dir/out" || wrong "it is not said where the model stays"
soon is_both 2 "both node3 False" || wrong "node 2 lists: $(models 2)"
succeed at 3 model remove both
grep -qx "model 'both' removed" "$dir/out" || wrong "said of the last: $(cat "$dir/out")"
soon is_both 2 "" || wrong "node 2 lists: $(models 2)"
succeed at 3 model remove later
becomes 3 "digits node1 True"

# A device that was away hears of what was added and removed meanwhile.
succeed at 2 model add "$model" --name other
succeed "$COVEY" lab restart 1 --dir "$lab"
becomes 3 "$(printf 'digits node1 True\nother node2 False')"
becomes 1 "$(printf 'digits node1 True\nother node2 False')"
succeed "$COVEY" lab kill 3 --dir "$lab"
succeed at 1 model remove digits
becomes 1 "other node2 False"
becomes 2 "other node2 True"
succeed "$COVEY" lab restart 3 --dir "$lab"
becomes 3 "other node2 False"
expect 6 "no model" at 3 infer digits "$digits" --limit 1

# Whoever alone has it is gone: no bad input, but nobody who could give it.
succeed "$COVEY" lab kill 2 --dir "$lab"
expect 4 "reached now|is the one that added it up" at 1 plan other --timeout 1
expect 4 "reached now|is the one that added it up" at 1 infer other "$digits" --limit 1 --timeout 1

# It is waited for, also where others are there who do not have it.
at 1 infer other "$digits" --limit 1 --timeout 120 >"$dir/waits" 2>&1 &
waits=$!
has_asked() { grep -q "bringing model other" "$lab/node1.log"; }
soon has_asked || wrong "node 1 does not say that it brings the model"
kill -0 "$waits" 2>/dev/null || wrong "it was not waited for: $(cat "$dir/waits")"
succeed "$COVEY" lab restart 2 --dir "$lab"
wait "$waits" || wrong "the model did not come when its device was back: $(cat "$dir/waits")"
