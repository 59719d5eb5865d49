#!/bin/sh
# The root of an image that runs a binary and nothing else: root.sh BINARY FOLDER
#
# The libraries are those that the binary names, taken from the compiler of the binary's own architecture, so that it works across architectures.
set -eu
binary=$1
root=$2

described=$(readelf --file-header "$binary")
case "$described" in
  *AArch64*) compiler=aarch64-linux-gnu-gcc ;;
  *X86-64*) compiler=x86_64-linux-gnu-gcc ;;
  *) echo "$binary is for no architecture of ours" >&2; exit 1 ;;
esac
loader=$(readelf --program-headers "$binary" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
libraries=$(readelf --dynamic "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)]/\1/p')

mkdir -p "$root/usr/bin" "$root/lib" "$root$(dirname "$loader")" "$root/etc/ssl/certs" "$root/var/lib/xinheng"
chmod 700 "$root/var/lib/xinheng"
cp "$binary" "$root/usr/bin/xinheng"
for library in $libraries; do
  found=$("$compiler" -print-file-name="$library")
  [ -f "$found" ] || { echo "$library of $binary is nowhere" >&2; exit 1; }
  cp --dereference "$found" "$root/lib/$library"
done
# The loader stands where the binary looks for it.
cp --dereference "$("$compiler" -print-file-name="$(basename "$loader")")" "$root$loader"
cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'xinheng:x:65532:65532::/var/lib/xinheng:/sbin/nologin' >"$root/etc/passwd"
echo 'xinheng:x:65532:' >"$root/etc/group"
# Names are looked up in files, then by DNS.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
