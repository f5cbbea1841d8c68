#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what `make` built. Builds nothing: as root it would leave files in the tree that its owner cannot replace.
#   install.sh PREFIX [DESTDIR]
# Without a DESTDIR, as root, the loader is told of the library (ldconfig).
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=$1 destdir=${2:-}
if [ ! -x build/treadle ] || [ ! -f build/cmake_install.cmake ]; then
    echo "install: nothing is built: run make first, as yourself" >&2
    exit 1
fi
DESTDIR=$destdir cmake --install build --prefix "$prefix"
if [ -n "$destdir" ]; then exit 0; fi
PATH=$PATH:/sbin:/usr/sbin
if [ "$(id -u)" = 0 ]; then ldconfig; fi
if ! ldconfig -p | grep -q "=> $prefix/.*libtreadle\.so\.0"; then
    lib=$(find "$prefix" -name libtreadle.so.0 -printf '%h\n' -quit)
    echo "install: the loader does not look in $lib: compile with PKG_CONFIG_PATH=$lib/pkgconfig and -Wl,-rpath,$lib," \
        "or run programs with LD_LIBRARY_PATH=$lib, or, as root, add it to /etc/ld.so.conf.d and run ldconfig" >&2
fi
