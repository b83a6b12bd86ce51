#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs a test of many processes; fails also when a sanitizer or an assertion stopped any of them.
# A mesh answers in spite of a node that crashes, so the test itself would not notice.
set -u
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export ASAN_OPTIONS="log_path=$reports/report:handle_abort=1:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="log_path=$reports/report:print_stacktrace=1:${UBSAN_OPTIONS:-}"
export TSAN_OPTIONS="log_path=$reports/report:${TSAN_OPTIONS:-}"
chmod 777 "$reports"
"$@"
status=$?
if [ -n "$(ls -A "$reports")" ]; then
    head -n 60 "$reports"/*
    echo "a process was stopped by a sanitizer"
    exit 1
fi
exit $status
