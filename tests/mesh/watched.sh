#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# watched.sh SECONDS COMMAND...: runs a test of many processes; fails also when a sanitizer or an
# assertion stopped any of them. A mesh answers in spite of a node that crashes, so the test itself
# would not notice. After so many seconds, or when this script is asked to end, the test is asked to,
# and takes its lab down: ctest would kill it at its own limit, and the nodes would stay.
set -um # a group of its own for the test, and signals as this script found them
seconds=$1
shift
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export ASAN_OPTIONS="log_path=$reports/report:handle_abort=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="log_path=$reports/report:print_stacktrace=1:${UBSAN_OPTIONS:-}"
export TSAN_OPTIONS="log_path=$reports/report:${TSAN_OPTIONS:-}"
chmod 777 "$reports"
timeout --kill-after=90 "$seconds" "$@" &
test=$!
trap 'kill -TERM -- "-$test" 2>/dev/null' TERM INT HUP
wait "$test"
status=$?
while kill -0 "$test" 2>/dev/null; do # a signal came first
    wait "$test"
    status=$?
done
[ "$status" -ne 124 ] || echo "ended after $seconds s"
if [ -n "$(ls -A "$reports")" ]; then
    head -n 60 "$reports"/*
    echo "a process was stopped by a sanitizer"
    exit 1
fi
exit $status
