# SPDX-License-Identifier: MIT
# treadle's commands. CMake does the building (CMakePresets.json); these are the ways in.
#
#   make            build/treadle and the library; make build: tests and benchmarks too
#   make demo       set up, build, and let the bundled model write a passage; DEVICE=webgpu: on a GPU
#   make check      the quick loop: build, quick tests, source checks
#   make test       what continuous integration runs, every test but those that repeat others
#   make test-long  those too: every op suite under every sanitizer and driver, long fuzzing; for a nightly or a release
#   make lint       the source checks alone: format, layers, sizes, names, paths, shell scripts
#   make fuzz       every fuzz target for FUZZ_SECONDS (60)
#   make bench      speed, beside llama.cpp where it is given (docs/SPEED.md)
#   make abi        compare the library's ABI with its snapshot; make abi-update writes a new one
#   make docs       write what is written by programs: docs/treadle.1, docs/OPS.md
#   make format     clang-format every file
#   make install    what make built, to PREFIX (/usr/local), under DESTDIR
export JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
export CLANG_FORMAT ?= clang-format-19
DEVICE ?= cpu
DEMO_MODEL := models/novelist-7m-q8_0.gguf

.PHONY: all build demo check test test-long lint fuzz bench abi abi-update docs format install clean
all:
	tools/build.sh release --target treadle treadle_shared treadle_static

build:
	tools/build.sh release

demo:
	tools/setup.sh $(if $(filter webgpu%,$(DEVICE)),webgpu,demo)
	tools/build.sh release --target treadle
	build/treadle run $(DEMO_MODEL) --device $(DEVICE) -p "It was a dark and stormy night" -n 160 --temp 0.8 --seed 7 --echo

check:
	tools/test.sh quick

test:
	tools/setup.sh test
	tools/test.sh

test-long:
	tools/setup.sh test
	tools/test.sh long

lint:
	tools/lint.sh

fuzz:
	tools/build.sh fuzz
	tools/fuzz.sh build/fuzz $(FUZZ_SECONDS) $(JOBS)

bench: build
	bench/run.py

abi:
	tools/check_abi.sh compare

abi-update:
	tools/check_abi.sh update

docs: build
	tools/man_page.py build/treadle >build/treadle.1
	build/op_suite --markdown >build/OPS.md
	mv build/treadle.1 build/OPS.md docs/

format:
	tools/sources.sh c | xargs $(CLANG_FORMAT) -i

install:
	tools/install.sh "$(PREFIX)" "$(DESTDIR)"

clean:
	rm -rf build
