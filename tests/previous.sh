#!/usr/bin/env bash
# Builds the release before this one, whose commit stands in tests/previous-release, and prints where its binary is:
#
#     PREVIOUS_XINHENG=$(tests/previous.sh) cargo test --workspace --test suite the_release_before
#
# All of it lies in target/previous; built once, it is only named, and what it was built from (gigabytes) is gone again.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'tests/previous.sh: %s\n' "$*" >&2; exit 1; }

commit=$(grep -E '^[0-9a-f]{40}$' tests/previous-release) || fail "tests/previous-release names no commit; write its 40 digits on a line"
place=$PWD/target/previous
binary=$place/xinheng-${commit:0:12}
if [ ! -x "$binary" ]; then
  git cat-file -e "$commit^{commit}" 2>/dev/null ||
    fail "the commit $commit is not in this clone; a shallow one has to be made whole: git fetch --unshallow"
  mkdir -p "$place/target/debug"
  # Crates of others are the same mostly and need not be built again; ours are, since their sources are newer, checked out after this.
  if [ -d target/debug/deps ] && [ ! -d "$place/target/debug/deps" ]; then
    (cd target/debug && find .fingerprint build deps -type f ! -path 'deps/*' -o -type f -path 'deps/*.*' | tar -c -f - -T -) | tar -x -f - -C "$place/target/debug"
  fi
  git worktree prune
  if [ -e "$place/source" ]; then
    git worktree remove --force "$place/source" >&2 || fail "$place/source is in the way and no worktree of this clone; remove it"
  fi
  git worktree add --quiet --force --detach "$place/source" "$commit" >&2
  # As the suites build theirs: the whole workspace, so that features are the same, and by the same profile.
  (cd "$place/source" && CARGO_INCREMENTAL=0 cargo build --config 'profile.dev.package."*".debug=false' --quiet --locked --workspace --bin xinheng --target-dir "$place/target" >&2) ||
    fail "the release before, $commit, does not build"
  cp "$place/target/debug/xinheng" "$binary.new"
  mv "$binary.new" "$binary"
  git worktree remove --force "$place/source" >&2
  rm -rf "$place/target"
fi
printf '%s\n' "$binary"
