#!/bin/sh
# What `make run` does: hashes a real folder by worker processes, by threads, and by sha256sum itself,
# fails where their outputs are not the same to the byte, and prints how long each took.
#
#     make run                the first folder of the list below that is large, but not too large
#     make run TREE=FOLDER    that one
#     make run ROUNDS=1       one round instead of three, of which the best counts
set -eu
export LC_ALL=C
program=$(dirname "$0")/../${OUT:-out}/bin/sha256tree
rounds=${ROUNDS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

megabytes() {
    du -sm "$1" 2> /dev/null | cut -f 1
}

# 300 MB take some seconds; where no folder has so much, the largest will do.
choose() {
    best= most=0
    for folder in /usr/share "/usr/lib/$(uname -m)-linux-gnu" "${CARGO_HOME:-$HOME/.cargo}/registry/src" \
        /usr/lib "${RUSTUP_HOME:-$HOME/.rustup}/toolchains" /usr/include; do
        [ -d "$folder" ] || continue
        size=$(megabytes "$folder")
        [ "$size" -le 1500 ] || continue
        [ "$size" -le "$most" ] || best=$folder most=$size
        [ "$size" -lt 300 ] || break
    done
    [ "$best" ] || fail "no folder to hash was found; give one by TREE="
    echo "$best"
}

by_sha256sum() {
    find "$tree" -type f -print0 | sort -z | xargs -0 -r sha256sum
}

# measure NAME COMMAND...: its output, stats and best time are left in files called NAME.
measure() {
    name=$1
    shift
    began=$(date +%s%N)
    code=0
    "$@" > "$work/$name" 2> "$work/$name.errors" || code=$?
    echo $(($(date +%s%N) - began)) >> "$work/$name.times"
    [ "$code" = 0 ] || [ -s "$work/$name.errors" ] || fail "$name ends with $code and does not say why"
}

# row NAME WORKERS COMMAND
row() {
    sort -n "$work/$1.times" | head -n 1 | awk -v files="$files" -v bytes="$bytes" -v workers="$2" -v command="$3" \
        '{ printf "%8d  %11d  %7.2f  %7.0f  %7d  %s\n", files, bytes, $1 / 1e9, bytes * 1e3 / $1, workers, command }'
}

[ -x "$program" ] || fail "$program is missing: make examples"
tree=${TREE:-$(choose)}
[ -d "$tree" ] || fail "$tree is not a folder"
echo "Hashing $tree, best of $rounds, after reading it once so that all find it in memory."
find "$tree" -type f -exec cat {} + > /dev/null 2>&1 || true

for _ in $(seq "$rounds"); do
    measure processes "$program" --stats "$work/processes.stats" "$tree"
    measure threads "$program" --threads --stats "$work/threads.stats" "$tree"
    measure sha256sum by_sha256sum
    for name in processes threads; do
        cmp "$work/$name" "$work/sha256sum" || {
            cat "$work/$name.errors" >&2
            fail "sha256tree on $name does not print what sha256sum prints"
        }
    done
done
[ -s "$work/processes" ] || fail "there is no file that can be read in $tree"
sha256sum -c --quiet "$work/processes" || fail "sha256sum -c does not accept what sha256tree prints"

workers=
for name in threads processes; do
    . "$work/$name.stats" # Sets files, bytes, seconds, workers.
    eval "workers_of_$name=$workers"
done
echo "   files        bytes  seconds     MB/s  workers"
row processes "$workers_of_processes" "sha256tree (processes)"
row threads "$workers_of_threads" "sha256tree --threads"
row sha256sum 1 "find | sort | xargs sha256sum"
echo "All three print the same, and sha256sum -c accepts it."
echo "(sha256sum uses one CPU, and code of its own for the hash where it is built without OpenSSL.)"
if [ -s "$work/processes.errors" ]; then
    echo "Not read:"
    cat "$work/processes.errors"
fi
