#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The installed library serves a program that knows nothing of this tree: examples/hello is built by pkg-config
# (shared and static) and by CMake's find_package, from an installation that was moved after it was made, and its text
# with the bundled model is the installed program's own.
#   test_install.sh PROGRAM REPO
set -euo pipefail
build=$(dirname "$1") repo=$2
model=$repo/models/novelist-7m-q8_0.gguf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

DESTDIR=$work/stage cmake --install "$build" --prefix /usr >"$work/log" || { cat "$work/log"; exit 1; }
prefix=$work/moved
mv "$work/stage/usr" "$prefix"
pc=$(find "$prefix" -name treadle.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=$libdir

fail() {
    echo "install: $*" >&2
    exit 1
}

# The shared library is found by its SONAME, and says so.
[ -e "$libdir/libtreadle.so.0" ] || fail "libtreadle.so.0 is not installed"
readelf -d "$libdir/libtreadle.so" | grep -q 'SONAME.*\[libtreadle.so.0\]' || fail "SONAME is not libtreadle.so.0"
for path in share/man/man1/treadle.1 share/bash-completion/completions/treadle share/zsh/site-functions/_treadle \
    share/fish/vendor_completions.d/treadle.fish share/doc/treadle/LICENSE; do
    [ -s "$prefix/$path" ] || fail "$path is not installed"
done
grep -rl "$repo" "$prefix" --include='*.pc' --include='*.cmake' && fail "a package file names the source tree"

# Nobody's definitions come with the header, and the static library's needs are named.
pkg-config --cflags treadle | tr ' ' '\n' | grep -v '^-I\|^$' && fail "pkg-config --cflags gives more than paths"
for library in pcre2-8 utf8proc jansson; do
    pkg-config --libs --static treadle | grep -q -- "-l$library" || fail "pkg-config --libs --static lacks $library"
done

cp -r "$repo/examples/hello" "$work/hello"
cd "$work/hello"
read -ra flags < <(pkg-config --cflags --libs treadle)
cc -Wall -Wextra -Werror hello.c "${flags[@]}" -o hello_pc
# The .so is taken away from the linker's sight, so that -ltreadle means the static library.
mkdir "$work/static"
cp "$libdir/libtreadle.a" "$work/static/"
read -ra flags < <(pkg-config --cflags --libs --static treadle)
cc -Wall -Wextra -Werror hello.c -L"$work/static" "${flags[@]/#-L$libdir/-L$work/static}" -o hello_pc_static
ldd hello_pc_static | grep libtreadle && fail "the static example is linked to the shared library"
if ! { cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" && cmake --build build; } >"$work/log" 2>&1; then
    cat "$work/log"
    exit 1
fi

if [ ! -f "$model" ]; then
    fail "$model is not there"
fi
expected=$("$prefix/bin/treadle" run "$model" -p 'Once upon a time' -n 32 --temp 0 2>/dev/null)
[ -n "$expected" ] || fail "the installed program wrote nothing"
for program in ./hello_pc ./hello_pc_static build/hello build/hello_static; do
    text=$("$program" "$model") || fail "$program failed"
    [ "$text" = "$expected" ] || fail "$program wrote '$text', the installed program '$expected'"
done

# A model that is not there: a message and a status, as the header promises.
if ./hello_pc "$work/no-such-model.gguf" 2>"$work/message"; then fail "hello accepted a missing model"; fi
grep -q 'no-such-model' "$work/message" || fail "the message does not name the file: $(cat "$work/message")"
echo "install: pkg-config and CMake, shared and static: passed"
