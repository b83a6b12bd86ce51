#!/usr/bin/env bash
# What goes wrong gives its exit status and one clear line, and leaves nothing half-written.
. "$(dirname "$0")/common.sh"

# Wrong usage is 2.
aside expect 2 "no command 'frobnicate'" "$COVEY" frobnicate
aside expect 2 "needs a command" "$COVEY"
aside expect 2 "no command 'explode'" "$COVEY" lab explode
aside expect 2 "no option '--frob'" "$COVEY" peers --frob
aside expect 2 "takes a number" "$COVEY" lab up --devices many
aside expect 2 "takes a number" "$COVEY" lab up --devices 1000
aside expect 2 "needs a value" "$COVEY" lab up --devices
aside expect 2 "mode is" "$COVEY" lab up --devices 2 --mode moon
aside expect 2 "usage" "$COVEY" infer "$model"
aside expect 2 "ending in" "$COVEY" infer "$model" "$digits" --local --output "$dir/out.txt"
aside expect 2 "needs a value" "$COVEY" --state
aside expect 2 "takes seconds" "$COVEY" infer "$model" "$digits" --timeout 0.0001
aside expect 2 "too long" "$COVEY" lab up --devices 2 --dir "$lab" --store "$(printf '%040d' 9)"
aside expect_json 2 "$COVEY" frobnicate

# So is what is no name, and what is no option is shown without what a terminal would obey.
junk_is_refused() {
    expect 2 "--id takes 1 to 63 bytes" "$COVEY" infer digits "$digits" --detach --id "$1"
    [ -z "$(LC_ALL=C tr -d '\n -~' <"$dir/err$lane")" ] || wrong "printed raw: $(cat -v "$dir/err$lane")"
}
for junk in "" $'two\nlines' $'\e[31mred' $'\x9b31mred' $'\xc2\x9b31mred' "$(printf '%064d' 0)"; do
    aside junk_is_refused "$junk"
done
red=$'\e[31mred'
aside expect 2 "--name takes 1 to 63 bytes" "$COVEY" train --model lenet5 --data "$digits" --name "$red"
aside expect 2 "--name takes 1 to 63 bytes" "$COVEY" model add "$model" --name "$red"
aside expect 2 "--name takes 1 to 63 letters" "$COVEY" mesh init "$dir/red" --name "a b"
aside expect 2 "--device takes 1 to 63 letters" "$COVEY" mesh enrol "$dir/red" --device "$red" --tier edge \
    --trust full --out "$dir/red"
aside expect 2 "'.\[31mred' is no id" "$COVEY" session show "$red"
aside expect 2 "'.\[31mred' is no id" "$COVEY" session get "$red" --out "$dir/red"
aside expect 2 "no option '--.\[31mred'" "$COVEY" peers "--$red"
aside expect 2 "no command '.\[31mred'" "$COVEY" "$red"
aside expect 2 "--.\[31mred: is no option" "$COVEYD" "--$red"
aside expect 2 "--port: .\[31mred is not" "$COVEYD" --port "$red"
aside expect 2 "--port: needs a value" "$COVEYD" --port
aside expect 6 "is no data set: .*folder:DIR" "$COVEY" train --model lenet5 --data "$red" --local \
    --out "$dir/red"
settled
[ ! -e "$dir/red" ] || wrong "a refused name left a file"

# Help and version are no errors, and help is on standard output.
helps() {
    # shellcheck disable=SC2086
    succeed "$COVEY" $1 --help
    [[ $(<"$dir/out$lane") == *"usage: covey"* ]] || wrong "covey $1 --help shows no usage"
}
for command in "" mesh "mesh init" "mesh enrol" peers model "model add" "model list" infer sessions "session get" plan lab \
    "model show" "model remove" "lab up" "lab list" "lab wait" "lab kill" "lab run" "lab demo" "lab down" version; do
    aside helps "$command"
done
aside succeed "$COVEY" version --state "$dir/none" --json

# No node is 4.
aside expect 4 "does not exist" "$COVEY" peers --state "$dir/none"
aside expect_json 4 "$COVEY" peers --state "$dir/none"
for command in list wait down "kill 1" "slow 1 --delay 5" "lie 1" "report $dir/page.md"; do
    # shellcheck disable=SC2086
    aside expect 4 "no lab there" "$COVEY" lab $command --dir "$dir/none"
done
settled

succeed "$COVEY" mesh init "$dir/authority" --name home
succeed "$COVEY" mesh enrol "$dir/authority" --device kitchen --tier edge --trust full \
    --out "$dir/kitchen"
expect 4 "no node runs" "$COVEY" peers --state "$dir/kitchen"
expect 4 "no node runs" "$COVEY" infer digits "$digits" --state "$dir/kitchen"

# A node that was started with its standard files closed does not take their numbers for others.
"$COVEYD" --state "$dir/kitchen" --interface lo <&- >&- 2>&- &
node=$!
soon "$COVEY" peers --state "$dir/kitchen" || wrong "a node without standard files does not answer"
for fd in 0 1 2; do
    [ "$(readlink "/proc/$node/fd/$fd")" = /dev/null ] || wrong "a node's file $fd is something else"
done
without_output() { "$@" >&-; }
expect 1 "output cannot be written" without_output "$COVEY" peers --state "$dir/kitchen"
expect 1 "output cannot be written" without_output "$COVEY" peers --state "$dir/kitchen" --json
kill "$node"
wait "$node" || wrong "a node without standard files ended with $?"

# A full disk, and what cannot be written for another reason, is said as the system says it.
into_full() { "$@" >/dev/full; }
expect 1 "output cannot be written" into_full "$COVEY" version --state "$dir/none"
expect 1 "output cannot be written" into_full "$COVEY" version --state "$dir/none" --json
small_files() { (trap "" XFSZ && ulimit -f 8 && "$@"); }
expect 1 "big.npy: File too large" small_files "$COVEY" infer "$model" "$digits" --local --limit 400 \
    --output "$dir/big.npy"
expect 1 "big.onnx cannot be written: File too large" small_files "$COVEY" model build lenet5 \
    --input 1x28x28 --classes 10 --out "$dir/big.onnx"
[ -z "$(find "$dir" -name 'big*')" ] || wrong "what could not be written was left: $(ls "$dir")"

if mkdir -m 700 "$dir/small" && mount -t tmpfs -o size=1m,mode=700 tmpfs "$dir/small" 2>/dev/null; then
    full_node() {
        "$COVEY" mesh enrol "$dir/authority" --device cramped --tier edge --trust full \
            --out "$dir/small/state" >/dev/null
        "$COVEYD" --state "$dir/small/state" --interface lo >/dev/null 2>&1 &
        node=$!
        soon "$COVEY" peers --state "$dir/small/state" || wrong "a node with a small disk does not answer"
        head -c 1100000 /dev/zero >"$dir/small/fill" 2>/dev/null
        expect 1 "disk is full" "$COVEY" model add "$model" --state "$dir/small/state"
        expect 6 "no model" "$COVEY" model show digits --state "$dir/small/state"
        rm "$dir/small/fill"
        succeed "$COVEY" model add "$model" --state "$dir/small/state"
        kill "$node"
        wait "$node" || wrong "a node with a small disk ended with $?"
    }
    full_node
    umount "$dir/small"
fi

# A pipe or a device is written to: it is never replaced.
for pipe in pipe.npy pipe.onnx; do
    mkfifo "$dir/$pipe"
    timeout 60 cat "$dir/$pipe" >"$dir/piped.${pipe#pipe.}" &
    if [ "$pipe" = pipe.npy ]; then
        succeed "$COVEY" infer "$model" "$digits" --local --limit 20 --output "$dir/$pipe"
    else
        succeed "$COVEY" model build lenet5 --input 1x28x28 --classes 10 --out "$dir/$pipe"
    fi
    [ -p "$dir/$pipe" ] || wrong "a file took the place of a pipe"
    wait "$!" || wrong "nothing came out of $pipe"
    rm -f "$dir/$pipe"
done
succeed "$COVEY" infer "$model" "$digits" --local --limit 20 --output "$dir/file.npy"
cmp -s "$dir/file.npy" "$dir/piped.npy" || wrong "the pipe had other numbers than a file"
succeed "$COVEY" model show "$dir/piped.onnx"
if mknod "$dir/full.npy" c 1 7 2>/dev/null && (echo >"$dir/full.npy") 2>&1 | grep -q "No space"; then
    ln -s full.npy "$dir/full.onnx"
    expect 1 "full.npy: No space left" "$COVEY" infer "$model" "$digits" --local --limit 20 \
        --output "$dir/full.npy"
    expect 1 "full.onnx cannot be written: No space left" "$COVEY" model build lenet5 \
        --input 1x28x28 --classes 10 --out "$dir/full.onnx"
    [ -c "$dir/full.npy" ] || wrong "a file took the place of a device"
fi

# What is there already is kept: 1.
expect 1 "." "$COVEY" mesh init "$dir/authority" --name home
expect 1 "." "$COVEY" mesh enrol "$dir/authority" --device other --tier edge --trust full \
    --out "$dir/kitchen"
expect 1 "'kitchen' is enrolled already, with id [0-9a-f]{8}: .*enrolled.kitchen if" "$COVEY" mesh \
    enrol "$dir/authority" --device kitchen --tier edge --trust full --out "$dir/other"
[ ! -e "$dir/other" ] || wrong "a refused enrolment left a state directory"
expect 6 "covey mesh init" "$COVEY" mesh enrol "$dir/nowhere" --device x --tier edge --trust full \
    --out "$dir/x"
expect 1 "cannot make $dir/nowhere/x: No such" "$COVEY" mesh enrol "$dir/authority" --device x \
    --tier edge --trust full --out "$dir/nowhere/x"
expect 1 "cannot make $dir/nowhere/x: No such" "$COVEY" mesh init "$dir/nowhere/x" --name home
expect 2 "tier is" "$COVEY" mesh enrol "$dir/authority" --device x --tier moon --trust full \
    --out "$dir/x"
[ ! -e "$dir/x" ] || wrong "a refused enrolment left a state directory"

# Loose permissions are 5, for the command and for the node.
chmod 755 "$dir/kitchen"
expect 5 "too loose" "$COVEY" peers --state "$dir/kitchen"
expect 5 "." "$COVEYD" --state "$dir/kitchen" --interface lo
chmod 700 "$dir/kitchen"
chmod 644 "$dir/kitchen/device.key"
expect 5 "." "$COVEYD" --state "$dir/kitchen" --interface lo
chmod 600 "$dir/kitchen/device.key"
chmod 755 "$dir/authority"
expect 5 "." "$COVEY" mesh enrol "$dir/authority" --device x --tier edge --trust full --out "$dir/x"
[ ! -e "$dir/x" ] || wrong "a refused enrolment left a state directory"
mkdir -m 755 "$dir/open"
expect 5 "nobody else" "$COVEY" lab up --devices 2 --dir "$dir/open"

# Less memory than a node needs is said at its start, with how much that is, by whoever is told of it.
least=25000000
for memory in 5 $((least - 1)); do
    expect 2 "^coveyd: --memory: $memory is not a number from $least to" \
        "$COVEYD" --state "$dir/kitchen" --interface lo --memory "$memory"
    expect 2 "at least $least.* '$memory'" "$COVEY" lab up --devices 2 --dir "$lab" --memory "$least,$memory"
done
[ ! -e "$lab" ] || wrong "a lab without memory left its directory"

# Bad input is 6, and no output file appears.
echo "this is no picture" >"$dir/text.png"
head -c 70000 "$model" >"$dir/cut.onnx"
head -c 100 /dev/urandom >"$dir/noise.onnx"
: >"$dir/empty.onnx"
aside expect 6 "text.png" "$COVEY" infer "$model" "$dir/text.png" --local --output "$dir/out.npy"
aside expect 6 "cut.onnx" "$COVEY" infer "$dir/cut.onnx" "$digits" --local --output "$dir/out.npy"
aside expect 6 "noise.onnx" "$COVEY" infer "$dir/noise.onnx" "$digits" --local
aside expect 6 "empty.onnx" "$COVEY" infer "$dir/empty.onnx" "$digits" --local
aside expect 6 "missing.onnx" "$COVEY" infer "$dir/missing.onnx" "$digits" --local
aside expect 6 "missing.png" "$COVEY" infer "$model" "$dir/missing.png" --local
aside expect 6 "leaves none" "$COVEY" infer "$model" "$digits" --local --skip 1797
aside expect_json 6 "$COVEY" infer "$dir/cut.onnx" "$digits" --local
aside expect 6 "is a folder: its pictures are 'folder:$dir'" "$COVEY" infer "$model" "$dir" --local
settled
[ ! -e "$dir/out.npy" ] || wrong "a failed run wrote its output file"

# Where the result cannot be written nothing is computed, and nothing printed.
mkdir "$dir/folder.npy"
unwritten() {
    expect 1 "$@"
    [ ! -s "$dir/out$lane" ] || wrong "$* printed: $(cat "$dir/out$lane")"
}
aside unwritten "none/out.npy cannot be written: No such" "$COVEY" infer "$model" "$digits" --local \
    --limit 1 --output "$dir/none/out.npy"
aside unwritten "folder.npy cannot be written: Is a dir" "$COVEY" infer "$model" "$digits" --local \
    --limit 1 --output "$dir/folder.npy"
aside unwritten "none/out.npy cannot be written: No such" "$COVEY" infer digits "$digits" \
    --output "$dir/none/out.npy" --state "$dir/kitchen"
aside unwritten "none/m.onnx cannot be written: No such" "$COVEY" session get first \
    --out "$dir/none/m.onnx" --state "$dir/kitchen"
aside unwritten "none/m.onnx cannot be written: No such" "$COVEY" model build lenet5 \
    --input 1x28x28 --classes 10 --out "$dir/none/m.onnx"
aside unwritten "none/m.onnx cannot be written: No such" "$COVEY" train --model lenet5 --data "$digits" \
    --local --out "$dir/none/m.onnx"
aside unwritten "none/m.onnx cannot be written: No such" "$COVEY" train --resume first \
    --out "$dir/none/m.onnx" --state "$dir/kitchen"
settled

# Nor in a time that is too short: 1.
succeed "$COVEY" model build resnet20 --input 3x128x128 --classes 10 --out "$dir/long.onnx"
{ echo "P6 128 128 255"; head -c 49152 /dev/zero; } >"$dir/black.ppm"
expect 1 "not answered in time" "$COVEY" infer "$dir/long.onnx" "$dir/black.ppm" --local \
    --timeout 0.001 --output "$dir/out.npy"
succeed "$COVEY" infer "$dir/long.onnx" "$dir/black.ppm" --local --timeout 600
[ ! -e "$dir/out.npy" ] || wrong "a failed run wrote its output file"

# A lab that cannot be made leaves nothing behind.
ln "$COVEY" "$dir/covey" 2>/dev/null || cp "$COVEY" "$dir/covey"
expect 3 "coveyd is not beside covey" "$dir/covey" lab up --devices 2 --dir "$lab" --mode loopback
[ ! -e "$lab" ] || wrong "a lab that could not be made left its directory"
status=0
"$dir/covey" lab demo --model "$model" --data "$digits" --mode loopback >"$dir/out" 2>"$dir/err" ||
    status=$?
[ "$status" -eq 3 ] || wrong "a demo without coveyd gave $status: $(cat "$dir/err")"
expect 6 "missing.onnx" "$dir/covey" lab demo --model "$dir/missing.onnx" --data "$digits"
