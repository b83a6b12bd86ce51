# Sourced by each check, which defines two functions and calls check_main "$@":
#   findings ROOT   prints one line per violation in the tree at ROOT, "file:line: what"
#   plant ROOT      writes violations into the copy at ROOT, prints for each the start of its finding
# Run as "check_x.sh ROOT [ARGUMENTS]", or "check_x.sh --self-test ROOT [ARGUMENTS]", which shows that
# each planted violation is found, and was not found before.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
code_folders="codec crypto nn runtime apps"

# The C files below the given folders, as paths relative to the working directory.
c_files() {
    local folder
    for folder in "$@"; do
        [ ! -d "$folder" ] || find "$folder" -name '*.[ch]'
    done | sort
}

# Writes one violation into FILE and says where it will be found: plant_line FILE LINE
plant_line() {
    mkdir -p "$(dirname "$1")"
    printf '%s\n' "$2" >"$1"
    echo "$1:1:"
}

# Copies what the checks look at; building and history stay behind.
copy_tree() {
    tar -C "$1" --exclude=./build --exclude=./.git -cf - . | tar -C "$2" -xf -
}

self_test() {
    local copy planted before after missed=0 line
    copy=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$copy'" EXIT
    copy_tree "$1" "$copy"
    before=$(cd "$copy" && findings .)
    planted=$(cd "$copy" && plant .)
    after=$(cd "$copy" && findings .)
    [ -n "$planted" ] || { echo "nothing was planted"; exit 1; }
    while IFS= read -r line; do
        case $before in *"$line"*) echo "found before it was planted: $line"; missed=1 ;; esac
        case $after in *"$line"*) ;; *) echo "planted and not found: $line"; missed=1 ;; esac
    done <<<"$planted"
    [ "$missed" -eq 0 ] || exit 1
    echo "each of $(wc -l <<<"$planted") planted violations was found"
}

check_main() {
    local mode=check found
    [ "$1" != --self-test ] || { mode=self-test; shift; }
    local root=$1
    shift
    extra=("$@")
    if [ "$mode" = self-test ]; then
        self_test "$root"
        return
    fi
    cd "$root"
    found=$(findings .)
    [ -z "$found" ] || { printf '%s\n' "$found"; exit 1; }
}
