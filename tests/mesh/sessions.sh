#!/usr/bin/env bash
# Work that is given to a node goes on without the command that gave it, its answers are those that
# are given at once, and the same work under the same id is not done twice.
. "$(dirname "$0")/common.sh"
field() {
    at 1 session show "$1" --json 2>/dev/null |
        python3 -c 'import json, sys; print(eval(sys.argv[1], {"d": json.load(sys.stdin)}))' "$2"
}
is_done() { [ "$(field "$1" 'd["state"]')" = done ]; }

succeed "$COVEY" lab up --devices 3 --dir "$lab" --mode loopback --wait 120
succeed at 1 model add "$model" --name digits
succeed at 1 infer digits "$digits" --limit 100 --output "$dir/now.npy"
succeed at 1 infer digits "$digits" --limit 100 --detach --id first
soon is_done first || wrong "first is not done"
[ "$(field first '[d["inputs"], d["answers"], d["lost"]]')" = "[100, 100, 0]" ] ||
    wrong "answers are missing: $(at 1 session show first)"
succeed at 1 session get first --out "$dir/later.npy"
same_numbers "$dir/later.npy" "$dir/now.npy" 1000

# The same again: the one that is there. Something else under its id is refused.
succeed at 1 infer digits "$digits" --limit 100 --detach --id first
[ "$(field first 'd["state"]')" = done ] || wrong "the same work began again"
expect 1 "other work has this id" at 1 infer digits "$digits" --limit 99 --detach --id first

succeed at 1 infer digits "$digits" --detach --json
id=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["session"])' "$dir/out")
succeed at 1 sessions
grep -q "^$id .* digits " "$dir/out" || grep -q "$id" "$dir/out" || wrong "the new work is not listed"
grep -q " open " "$dir/out" || wrong "the session of the model is not listed: $(cat "$dir/out")"
succeed at 1 session stop "$id"
expect 6 "no session" at 1 session show "$id"
expect 6 "no session" at 1 session get "$id" --out "$dir/none.npy"
expect 6 "no session of this id" at 1 session stop "$id"
expect 6 "no session" at 2 session show first
expect 2 "usage" at 1 session get first
expect 2 "--id takes" at 1 infer digits "$digits" --limit 3 --detach --id $'two\nlines'
expect 2 "detach" at 1 infer digits "$digits" --detach --stream
[ ! -e "$dir/none.npy" ] || wrong "a failed get wrote a file"
succeed at 1 infer digits "$digits" --limit 3 --json
