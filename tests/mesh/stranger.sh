#!/usr/bin/env bash
# A node with a certificate of another mesh, on the same network, is never seen and never asked.
. "$(dirname "$0")/common.sh"
stranger=""
end_stranger() {
    [ -n "$stranger" ] && kill "$stranger" 2>/dev/null && wait "$stranger" 2>/dev/null
    finish
}
trap end_stranger EXIT

succeed "$COVEY" mesh init "$dir/authority" --name elsewhere
succeed "$COVEY" mesh enrol "$dir/authority" --device stranger --tier edge --trust full \
    --out "$dir/stranger"
"$COVEYD" --state "$dir/stranger" --interface lo >"$dir/stranger.log" 2>&1 &
stranger=$!
succeed "$COVEY" lab up --devices 3 --dir "$lab" --mode loopback --wait 120
succeed at 1 infer "$model" "$digits" --limit 50
kill -0 "$stranger" || wrong "the stranger does not run: $(cat "$dir/stranger.log")"
soon "$COVEY" peers --state "$dir/stranger" || wrong "the stranger does not answer"
succeed "$COVEY" peers --state "$dir/stranger" --json
python3 -c 'import json, sys; p = json.load(open(sys.argv[1]))["peers"]; assert [x["name"] for x in p] == ["stranger"]' \
    "$dir/out" || wrong "the stranger sees: $(cat "$dir/out")"
for i in 1 2 3; do
    succeed at "$i" peers
    ! grep -q stranger "$dir/out" || wrong "node$i sees the stranger"
done
