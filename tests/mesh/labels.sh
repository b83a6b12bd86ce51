#!/usr/bin/env bash
# Labels and preparation belong to a model: what is said once, when it is added, names and prepares
# pictures from then on, at any time; what is said with 'infer' counts more.
. "$(dirname "$0")/common.sh"
data="${COVEY_DATA:-$(dirname "$0")/../../../shared}/data"

printf '%s\n' zero one two three four five six seven eight nine >"$dir/digits.txt"
printf '%s\n' one two >"$dir/two.txt"
printf 'a\nb\033[31m\n' >"$dir/coloured.txt"
printf 'a\n\377\376\n' >"$dir/latin.txt"
head -c 1100000 /dev/zero | tr '\0' 'a' >"$dir/long.txt"

# field FILE EXPRESSION: of a JSON document d.
field() {
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}
# same WHAT EXPRESSION VALUE: of the last command's JSON.
same() {
    local found
    found=$(field "$dir/out" "$2") || found="nothing"
    [ "$found" = "$3" ] || wrong "$1: $found, not $3"
}

# Here, without a node.
succeed "$COVEY" infer "$model" "$digits" --local --limit 1 --labels "$dir/digits.txt" --json
same "the first digit is a zero" 'd["top"][0]["label"]' zero
same "its index too" 'd["top"][0]["index"]' 0
same "five are named" 'len(d["top"])' 5
same "a probability is none above one" '0 < d["top"][0]["probability"] <= 1' True
succeed "$COVEY" infer "$model" "$digits" --local --limit 1 --labels "$dir/digits.txt"
grep -Eq '^ +0 +[0-9.]+ % +zero$' "$dir/out" || wrong "the zero is not named: $(cat "$dir/out")"
grep -q '^percentages: ' "$dir/out" || wrong "what the percentages are is not said"
expect 6 "2 labels, and the model has 10 outputs" \
    "$COVEY" infer "$model" "$digits" --local --limit 1 --labels "$dir/two.txt"
expect 6 "line 2 is no name" "$COVEY" infer "$model" "$digits" --local --labels "$dir/coloured.txt"
expect 6 "line 2 is no name" "$COVEY" infer "$model" "$digits" --local --labels "$dir/latin.txt"
expect 6 "long.txt" "$COVEY" infer "$model" "$digits" --local --labels "$dir/long.txt"
expect 6 "missing.txt" "$COVEY" infer "$model" "$digits" --local --labels "$dir/missing.txt"

# The sub-folders of a folder of pictures are classes by their names, else nothing is said of them.
for class in zero one two; do
    mkdir -p "$dir/some/$class" "$dir/pets/$class cat"
    { echo "P5 8 8 255"; head -c 64 /dev/zero; } >"$dir/some/$class/a.pgm"
    cp "$dir/some/$class/a.pgm" "$dir/pets/$class cat/"
done
succeed "$COVEY" infer "$model" "folder:$dir/some" --local --labels "$dir/digits.txt" --stream
[ "$(python3 -c 'import json, sys; print([json.loads(x)["label"] for x in sys.stdin])' <"$dir/out")" = "[1, 2, 0]" ] ||
    wrong "folders one, two, zero have other labels: $(cut -c1-60 "$dir/out")"
succeed "$COVEY" infer "$model" "folder:$dir/some" --local --labels "$dir/digits.txt"
grep -q ', accuracy [0-9.]* %' "$dir/out" || wrong "no accuracy of known classes: $(cat "$dir/out")"
succeed "$COVEY" infer "$model" "folder:$dir/some,8x8" --local --labels "$dir/digits.txt" --json
same "the accuracy of a set of one size" 'd["accuracy"] is None' False
sed 's/$/ is its name/' "$dir/digits.txt" >"$dir/long names.txt"
succeed "$COVEY" infer "$model" "folder:$dir/some" --local --labels "$dir/long names.txt" --json
same "the accuracy by first words" 'd["accuracy"] is None' False
for folder in "pets --labels $dir/digits.txt" some; do
    # shellcheck disable=SC2086
    succeed "$COVEY" infer "$model" --local folder:$dir/$folder
    grep -q ', accuracy unknown (' "$dir/out" || wrong "folder $folder has an accuracy: $(cat "$dir/out")"
    # shellcheck disable=SC2086
    succeed "$COVEY" infer "$model" --local --json folder:$dir/$folder
    same "no accuracy of folder $folder" '(d["accuracy"], len(d["results"]))' "(None, 3)"
done
for class in 3 4 5 6 7 8 9; do
    cp -r "$dir/some/zero" "$dir/some/x$class"
done
succeed "$COVEY" infer "$model" "folder:$dir/some" --local --json
same "as many folders as outputs" 'd["accuracy"] is None' False

# One document, whatever the number of answers: what is said of one answer is said of many too.
same_keys() {
    same "what --json has of $1" "set(d) ^ set('$2'.split())" "set()"
    same "what each result of $1 has" "[k for r in d['results'] for k in set(r) ^ set('$3'.split())]" "[]"
    same "the results of $1" '[r["index"] for r in d["results"]] == list(range(d["answers"]))' True
}
many="model answers lost accuracy median_ms max_ms devices recovered_dead recovered_late checked wrong requests batch layers results"
row="index label argmax name elapsed_ms recovered_dead recovered_late"
picture="$dir/some/zero/a.pgm"
succeed "$COVEY" infer "$model" --local --json "$picture"
same_keys "one picture" "$many outputs top softmaxed elapsed_ms" "$row outputs"
same "the one result" 'd["results"][0]["outputs"] == d["outputs"]' True
succeed "$COVEY" infer "$model" --local --json "$picture" "$picture" "$picture"
same_keys "three pictures" "$many" "$row outputs"
succeed "$COVEY" infer "$model" --local --json "$digits" --limit 3
same_keys "a data set" "$many" "$row"
same "its labels" '[r["label"] for r in d["results"]]' "[0, 1, 2]"

# At a node: part of the model.
succeed "$COVEY" lab up --devices 2 --dir "$lab" --mode loopback
succeed at 1 model add "$model" --name digits --labels "$dir/digits.txt"
succeed at 1 infer digits "$digits" --limit 1 --json
same "the node's labels" 'd["top"][0]["label"]' zero
succeed at 1 infer digits "$digits" --skip 1 --limit 3 --stream
[ "$(head -1 "$dir/out" | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["name"])')" = one ] ||
    wrong "a line of --stream has no name: $(head -c 300 "$dir/out")"
tac "$dir/digits.txt" >"$dir/other.txt"
succeed at 1 infer digits "$digits" --limit 1 --json --labels "$dir/other.txt"
same "labels that are given count more" 'd["top"][0]["label"]' nine
succeed at 1 model show digits --json
same "model show knows its labels" 'd["labels"]' 10
expect 6 "there are 2 labels" at 1 model add "$model" --name bad --labels "$dir/two.txt"
expect 2 "mean" at 1 model add "$model" --name bad --mean x
succeed at 1 model remove digits
expect 6 "no model" at 1 model remove digits
succeed at 1 model list --json
same "it is gone" 'len(d["models"])' 0

# A model answers to the name it was given, also where it is listed without letters that a terminal
# may not know.
succeed at 1 model add "$model" --name "zahlen für uns"
succeed at 1 infer "zahlen für uns" "$digits" --limit 1
succeed at 1 plan "zahlen für uns" --json
same "what is planned" 'd["model"]' "zahlen f__r uns"
succeed at 1 model show "zahlen f__r uns"
succeed at 1 model remove "zahlen für uns"
expect 6 "no model 'zahlen für uns' here" at 1 plan "zahlen für uns"

# Photographs and a published network.
squeeze="$data/models/squeezenet_v1.0_deepcompression/model.onnx"
if [ ! -f "$squeeze" ] || [ ! -f "$data/photos/squeeze-labels.txt" ]; then
    echo "no photographs or no network there: those checks are skipped"
    exit 0
fi
succeed at 1 model add "$squeeze" --name squeeze --labels "$data/photos/squeeze-labels.txt" \
    --mean 104,117,123 --layout bgr
while read -r photo index; do
    succeed at 1 infer squeeze "$data/photos/$photo" --json
    same "$photo" 'd["top"][0]["index"]' "$index"
done <<END
parrot.jpg 88
pets.jpg 195
pelican.jpeg 144
END
grep -q pelican "$dir/out" || wrong "the pelican is not named"
# At another device: the weights, the labels and the preparation come with the name.
knows_squeeze() { at 2 model list | grep -q squeeze; }
soon knows_squeeze || wrong "node2 does not hear of the model"
succeed at 2 infer squeeze "$data/photos/parrot.jpg" --json
same "the parrot at another device" '(d["top"][0]["index"], d["top"][0]["label"])' \
    "(88, 'n01818515 macaw')"
