#!/bin/sh
# The compiler's name of an image's architecture.
set -eu
case "$1" in
  amd64) echo x86_64-unknown-linux-gnu ;;
  arm64) echo aarch64-unknown-linux-gnu ;;
  *) echo "no image is made for $1" >&2; exit 1 ;;
esac
