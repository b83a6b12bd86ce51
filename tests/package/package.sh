#!/usr/bin/env bash
# Builds the Debian package as README says and checks what is in it; then installs and uses it: as
# root on a machine without a running systemd through dpkg, else from an unpacked copy.
#   package.sh SOURCE_FOLDER
set -eu
source=$1
cd "$source"
place=$(mktemp -d)
node=""
installed=""

clean_up() {
    [ -z "$node" ] || kill "$node" 2>/dev/null || true
    if [ -n "$installed" ]; then
        dpkg -P covey >/dev/null 2>&1 || true
        userdel covey 2>/dev/null || true
        groupdel covey 2>/dev/null || true
    fi
    rm -rf "$place" ${installed:+/run/covey}
}
trap clean_up EXIT

fail() {
    echo "package: $*" >&2
    exit 1
}

expect() { # WHAT WANTED GOT
    [ "$2" = "$3" ] || fail "$1 is '$3', not '$2'"
}

cmake --preset release >"$place/log" || { cat "$place/log"; fail "cannot configure"; }
cmake --build build/release --target covey_deb >"$place/log" 2>&1 || { tail -n 30 "$place/log"; fail "cannot build"; }
package=$(sed -n 's/^CPack: - package: \(.*\.deb\) generated\.$/\1/p' "$place/log")
[ -f "$package" ] || fail "no .deb was made"

# ---- what is in it ----

field() { dpkg-deb -f "$package" "$1"; }
version=$(field Version)
expect "the architecture" "$(dpkg --print-architecture)" "$(field Architecture)"
for library in libc6 libsodium23 libcbor0.8 libcoap3 libuv1 libsqlite3-0 libopenblas0 adduser; do
    field Depends | grep -qE "(^|, )$library( |,|\$)" || fail "it does not depend on $library"
done

dpkg-deb -c "$package" | awk '{ print $1, $2, $6 }' | grep -v '/$' | sort -k 3 >"$place/contents"
sort -k 3 >"$place/wanted" <<'END'
-rw-r--r-- root/root ./etc/covey/coveyd.conf
-rwxr-xr-x root/root ./usr/bin/covey
-rwxr-xr-x root/root ./usr/bin/coveyd
-rw-r--r-- root/root ./usr/lib/systemd/system/coveyd.service
-rw-r--r-- root/root ./usr/share/doc/covey/README.md
-rw-r--r-- root/root ./usr/share/doc/covey/copyright
-rw-r--r-- root/root ./usr/share/man/man1/covey.1
-rw-r--r-- root/root ./usr/share/man/man8/coveyd.8
END
diff "$place/wanted" "$place/contents" || fail "the contents differ"
dpkg-deb -c "$package" | awk '/\/$/ && $1 != "drwxr-xr-x"' | grep . && fail "a folder has another mode"
expect "the configuration file" /etc/covey/coveyd.conf "$(dpkg-deb -I "$package" conffiles)"
for script in postinst prerm postrm; do
    dpkg-deb -I "$package" $script | sh -n || fail "$script is no shell script"
done

# ---- from an unpacked copy ----

dpkg-deb -x "$package" "$place/root"
expect "covey version" "covey $version" "$("$place/root/usr/bin/covey" version | head -n 1)"
expect "coveyd --version" "coveyd $version" "$("$place/root/usr/bin/coveyd" --version)"
grep -qF "$source" "$place/root/usr/bin/coveyd" && fail "coveyd names the folder it was built in"

# ---- installed ----

if [ "$(id -u)" -ne 0 ] || [ -d /run/systemd/system ] || dpkg-query -s covey >/dev/null 2>&1 ||
    getent passwd covey >/dev/null || [ -e /var/lib/covey ] || [ -e /etc/covey ]; then
    echo "package: checked unpacked; installing needs root, no systemd and no covey yet"
    exit 0
fi

state=/var/lib/covey
PATH=/usr/sbin:/usr/bin:/sbin:/bin
installed=yes
dpkg -i "$package" >"$place/log" 2>&1 || { cat "$place/log"; fail "cannot install"; }
expect "the owner of $state" "covey:covey 700" "$(stat -c '%U:%G %a' $state)"
expect "the login shell" /usr/sbin/nologin "$(getent passwd covey | cut -d: -f7)"
expect "covey version" "covey $version" "$(/usr/bin/covey version | head -n 1)"

as_covey="setpriv --reuid covey --regid covey --clear-groups"
as_nobody="setpriv --reuid nobody --regid nogroup --clear-groups"

# docs/package.md, from the package to a node.
covey mesh init "$place/authority" --name package >/dev/null
covey mesh enrol "$place/authority" --device packaged --tier end --trust full --out "$place/state" >/dev/null
cp -rT "$place/state" $state
chown -R covey:covey $state
chmod 700 $state
install -d -m 0750 -o covey -g covey /run/covey # as the unit's RuntimeDirectory does
socket=/run/covey/control.sock
# Not through a function: $! must be the node itself.
$as_covey coveyd --state $state --interface lo >"$place/coveyd.log" 2>&1 &
node=$!
for _ in $(seq 100); do
    [ ! -S $socket ] || break
    kill -0 "$node" 2>/dev/null || { cat "$place/coveyd.log"; fail "coveyd ended"; }
    sleep 0.1
done
expect "the control socket" "covey:covey 660" "$(stat -c '%U:%G %a' $socket)"
$as_covey covey peers --json >"$place/peers" || fail "user covey cannot use the node"
grep -q '"packaged"' "$place/peers" || fail "the node is no member of its own mesh"
covey peers --json >/dev/null || fail "root cannot use the node"
setpriv --reuid nobody --regid nogroup --groups covey covey peers --json >/dev/null ||
    fail "a member of the group cannot use the node"
status=0
$as_nobody covey peers >/dev/null 2>"$place/refused" || status=$?
expect "the exit status for a stranger" 5 "$status"
expect "lines for a stranger" 1 "$(wc -l <"$place/refused")"

kill "$node"
wait "$node" || { cat "$place/coveyd.log"; fail "coveyd did not end cleanly"; }
node=""

dpkg -r covey >/dev/null 2>&1 || fail "cannot remove"
[ -f $state/device.key ] && [ -f /etc/covey/coveyd.conf ] || fail "removing deleted the state"
[ ! -e /usr/bin/coveyd ] || fail "removing left the programs"
dpkg -P covey >/dev/null 2>&1 || fail "cannot purge"
rm -rf /run/covey
[ ! -e $state ] && [ ! -e /etc/covey ] || fail "purging left the state"
echo "package: $(basename "$package") installs, runs and goes away"
