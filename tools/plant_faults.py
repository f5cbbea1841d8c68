#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants faults in a copy of the source, one at a time, and says which the tests catch.

    plant_faults.py [--list] [--wide] [NAME ...]

The copy and its build lie in build/faults and are kept, so that a second run builds little. Each fault is a text of a file and what
stands in its place; the copy is built and the tests that must catch it are run. --wide: where they do not, all quick tests.
NAME: only these. Exits 0 where every fault is caught; 1 where one survived; 2 where one no longer fits the source, or does not
build: mend it here. A fault that survives is a test that is missing.
"""

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
COPY = REPO / "build" / "faults"
TIMEOUT_S = 900

# name, file, text (once in the file), replacement, tests (a regular expression of ctest's names)
Fault = namedtuple("Fault", "name file old new tests")
FAULTS = [
    # kernels
    Fault("matmul-tail", "src/ops/matmul/matmul_f32_cpu.c", "tdl_min_i64(row0 + FEW_ROWS, w->shape[0])",
          "tdl_min_i64(row0 + FEW_ROWS, w->shape[0] - (w->shape[0] % 2))", "op_suite$"),
    Fault("softmax-max", "src/ops/attention/attention_cpu.c", "float new_max = vf_hmax(max), factors",
          "float new_max = 0 * vf_hmax(max), factors", "op_suite$"),
    Fault("cache-page", "src/ops/kv_append/kv_append_cpu.c", "tdl_row(pages, seq) + pos / TDL_KV_PAGE",
          "tdl_row(pages, seq) + 0 * pos / TDL_KV_PAGE", "op_suite$"),
    Fault("clip", "src/ops/clip/clip.c", "norm_max > 0 && norm > norm_max ?", "norm_max > 0 && norm < norm_max ?",
          "test_(gradients|op_reference|train_golden|trainer)$"),
    Fault("webgpu-guard", "src/ops/elements.wgsl", "if (i >= p.n) { return; }", "", "op_suite_webgpu$"),
    Fault("webgpu-epilogue", "src/ops/matmul/matvec_webgpu.c", "residual[p.residual_offset + t * p.residual_stride + n]",
          "residual[p.residual_offset + n]", "op_suite_webgpu$"),
    # graph and devices
    Fault("plan-barrier", "src/graph/sync.c", "if (overlap(plan, earlier->out[w], later->in[i])) return true;",
          "if (i > 0 && overlap(plan, earlier->out[w], later->in[i])) return true;", "test_(plan_print|session_bits|golden_.*)$"),
    Fault("fused-output", "src/graph/fuse_linear.c", "n_readers == 1 && reader >= 0 ?", "n_readers == 1 ?", "test_guard_pages$"),
    Fault("null-contract", "src/backend/null/null_program.c", "if (!tdl_null_alive(d, p->buffers[i]))", "if (false)", "test_null$"),
    Fault("thread-barrier", "src/base/thread.c", "if (atomic_fetch_add(&pool->n_arrived, 1) == pool->n_threads - 1) {",
          "if (atomic_fetch_add(&pool->n_arrived, 1) >= pool->n_threads - 2) {", "test_thread$"),
    # base and formats
    Fault("json-nul", "src/base/json.c", "if (nul) return", "if (nul && !size) return", "test_json$"),
    Fault("config-depth", "src/format/hf_config.c", "if (depth >= TDL_CONFIG_DEPTH_MAX)", "if (depth > TDL_CONFIG_DEPTH_MAX)",
          "test_(hf_dir|config|json)$"),
    Fault("gguf-offset", "src/format/gguf.c", "if (t->offset % alignment != 0) {", "if (t->offset % 8 != 0) {", "test_gguf$"),
    Fault("overlap", "src/format/extent.c", "extents[i].offset < extents[i - 1].offset + extents[i - 1].size",
          "extents[i].offset + 1 < extents[i - 1].offset + extents[i - 1].size", "test_(safetensors|gguf)$"),
    # models
    Fault("config-default", "src/model/config.c", "c->experts_renorm = s->gguf || d->experts_renorm;",
          "c->experts_renorm = true;", "test_(config|hf_dir|golden_hf)$"),
    Fault("rope-scaling", "src/model/rope_frequencies.c", "freq / r->factor * ramp + freq * (1 - ramp)",
          "freq * ramp + freq / r->factor * (1 - ramp)", "test_golden_hf$"),
    # text and sessions
    Fault("merge-order", "src/token/merge_queue.h", "if (heap[child].order >= last.order) break;",
          "if (heap[child].order + 1 >= last.order) break;", "test_tokenizer.*"),
    Fault("half-character", "src/token/detokenize.c", "n = tdl_utf8_complete(d->pending.ptr, d->pending.size);",
          "n = d->pending.size;", "test_(tokenizer|session)$"),
    Fault("top-p", "src/run/sampler.c", "if (held >= wanted) return i + 1;", "if (held >= wanted) return i ? i : 1;", "test_sampler$"),
    Fault("stop-hold", "src/run/session.c", "(int64_t)stop.size - 1, (int64_t)s->text.size", "(int64_t)stop.size - 2, (int64_t)s->text.size",
          "test_(session|cli)$"),
    Fault("cache-give", "src/model/kv_cache.c", "cache->free_pages[cache->n_free++] = page;", "cache->free_pages[cache->n_free] = page;",
          "test_(session|null)$"),
    # training
    Fault("checkpoint-checksum", "src/train/checkpoint_read.c", "tdl_xxh64_of(c->bytes + begin, (size_t)places[1]) != places[2]",
          "tdl_xxh64_of(c->bytes + begin, (size_t)places[1] / 2) == places[2]", "test_checkpoint$"),
    Fault("resume-place", "src/train/data_reader.c", "    reader->state = *state;\n    enter_epoch(reader);",
          "    reader->state = *state;\n    reader->state.next = 0;\n    enter_epoch(reader);", "test_(data_reader|trainer)$"),
    Fault("lora-scale", "src/train/train_engine.c", "desc->lora_alpha / (float)desc->lora_rank", "desc->lora_alpha",
          "test_(lora_file|trainer|train_golden|fresh|cli_train|cli_finetune)$"),
    Fault("adamw-bias", "src/train/trainer.c", "pow((double)t->desc.beta2, step)", "pow((double)t->desc.beta2, step + 1)", "test_trainer$"),
    # the program
    Fault("exit-code", "src/cli/main.c", "no such command (see treadle help)\", name);\n    return CLI_USAGE;",
          "no such command (see treadle help)\", name);\n    return CLI_OK;", "test_cli.*"),
]


def main():
    options = [a for a in sys.argv[1:] if a.startswith("-")]
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    unknown = set(options) - {"--list", "--wide"} | set(names) - {f.name for f in FAULTS}
    if unknown:
        sys.exit(f"plant_faults: {' '.join(sorted(unknown))}: unknown\n{__doc__}")
    faults = [f for f in FAULTS if not names or f.name in names]
    if "--list" in options:
        for f in faults:
            print(f"{f.name:20} {f.file}: {f.tests}")
        return
    copy_source()
    build([])  # the copy as it is; the first time, all of it
    counts = {"caught": 0, "survived": 0, "stale": 0}
    for f in faults:
        verdict, why = plant(f, "--wide" in options)
        counts[verdict] += 1
        print(f"{verdict:9} {f.name:20} {why}", flush=True)
    print(", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    sys.exit(2 if counts["stale"] else 1 if counts["survived"] else 0)


def copy_source():
    """What git lists, as it is in the working tree; files that are the same keep their times."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPO).stdout.split("\0")
    for name in filter(None, listed):
        source, target = REPO / name, COPY / name
        if not source.is_file():
            target.unlink(missing_ok=True)
            continue
        data = source.read_bytes()
        if target.is_file() and target.read_bytes() == data:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(source.stat().st_mode)
    webgpu = COPY / "build" / "webgpu"
    webgpu.parent.mkdir(parents=True, exist_ok=True)
    if (REPO / "build" / "webgpu").is_dir() and not webgpu.exists():
        webgpu.symlink_to(REPO / "build" / "webgpu")


def plant(fault, wide):
    path = COPY / fault.file
    right = path.read_text() if path.is_file() else ""
    if right.count(fault.old) != 1:
        return "stale", f"its text stands {right.count(fault.old)} times in {fault.file}"
    path.write_text(right.replace(fault.old, fault.new))
    try:
        names = matching_tests(fault.tests)
        if not names:
            return "stale", f"no test is called {fault.tests}"
        built = build(targets_of(names))
        if built.returncode:
            return "stale", "does not build: " + (built.stdout + built.stderr)[-600:]
        failed = failing(["-R", f"^({'|'.join(names)})$"])
        if not failed and wide:
            build([])
            failed = failing(["-L", "quick"])
        return ("caught", f"by {failed}") if failed else ("survived", f"{' '.join(names)}")
    finally:
        path.write_text(right)


def matching_tests(pattern):
    """The quick tests that match, as ctest lists them."""
    text = run(["ctest", "--test-dir", "build", "-N", "-L", "quick", "-R", f"^{pattern}"], cwd=COPY).stdout
    return [line.split()[-1] for line in text.splitlines() if " Test " in line and "#" in line]


def targets_of(names):
    """A test that is a script needs the program."""
    scripts = [n for n in names if (COPY / "test" / f"{n}.sh").is_file()]
    return sorted(set(names) - set(scripts)) + (["treadle"] if scripts else [])


def build(targets):
    command = ["tools/build.sh", "release"]
    for target in targets:
        command += ["--target", target]
    result = run(command, cwd=COPY)
    if result.returncode and not targets:
        sys.exit("plant_faults: the source does not build\n" + (result.stdout + result.stderr)[-3000:])
    return result


def failing(which):
    """The names of tests that failed; one that is skipped did not."""
    jobs = os.environ.get("JOBS", str(os.cpu_count()))
    text = run(["ctest", "--test-dir", "build", "-j", jobs, "--timeout", str(TIMEOUT_S), *which], cwd=COPY).stdout
    failed = []
    for line in text.splitlines():
        if "***" in line and "***Skipped" not in line:
            failed.append(line.split("#", 1)[1].split()[1])
    return " ".join(failed)


def run(command, cwd):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False)


if __name__ == "__main__":
    main()
