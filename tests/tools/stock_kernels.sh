#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Debian's own kernels as a folder of kernels, for tests of what must be told of a kernel that cannot be used:
#
#   DIR/amd64   for this architecture, without KHO      DIR/arm64   for another architecture
#
#   usage: tests/tools/stock_kernels.sh DIR        then: QUALIFY_STOCK_KERNELS=DIR make test
#
# Nothing is installed and apt's own state is left alone, so this needs no root; what is there already is kept.

set -eu -o pipefail

[ $# -eq 1 ] || { sed -n '4,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
into=$(cd "$1" && pwd)

missing=()
for arch in amd64 arm64; do
    [ -f "$into/$arch/kernel.yaml" ] || missing+=("$arch")
done
[ ${#missing[@]} -gt 0 ] || exit 0

for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || { echo "$program is not here: these kernels are Debian's" >&2; exit 1; }
done

work=$(mktemp -d "$into/.fetching-XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
apt=(-qq -o "Dir::State=$work/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$work/cache"
     -o APT::Architecture=amd64 -o APT::Architectures=amd64,arm64 -o APT::Sandbox::User= -o Acquire::Retries=3
     -o Acquire::Languages=none)
apt-get "${apt[@]}" update

for arch in "${missing[@]}"; do
    # the package that is always the newest depends on the one that holds the kernel
    package=$(apt-cache "${apt[@]}" depends "linux-image-cloud-$arch:$arch" |
        sed -n 's/^ *Depends: \(linux-image-[0-9][^:]*\).*/\1/p' | head -n 1)
    [ -n "$package" ] || { echo "apt knows no linux-image-cloud-$arch" >&2; exit 1; }
    (cd "$work" && apt-get "${apt[@]}" download "$package:$arch")
    deb=$(echo "$work/$package"_*.deb)
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work" --wildcards './boot/vmlinuz-*' './boot/config-*'
    made=$work/made-$arch
    mkdir "$made"
    mv "$work"/boot/vmlinuz-* "$made/bzImage"
    mv "$work"/boot/config-* "$made/config"
    {
        echo '# SPDX-License-Identifier: Apache-2.0'
        echo "release: debian-$arch"
        echo "provenance: $(basename "$deb"), a package of Debian"
    } >"$made/kernel.yaml"
    mv "$made" "$into/$arch"
    rm "$deb"
done
