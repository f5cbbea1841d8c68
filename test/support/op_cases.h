// SPDX-License-Identifier: MIT
// op_cases.h - the ops' test cases: listed once, run by the op suite and measured by the micro-benchmark.
//
// A file src/ops/<op>/<op>_cases.h, included by op_cases.c alone, defines
//
//     static void add_make(op_fixture *f, const op_case *c) {
//         op_input(f, 0, TDL_DTYPE_F32, 2, (int64_t[]){c->dims[0], c->dims[1]}, c->strided ? 3 : 0);
//         ...
//     }
//     static const op_case add_list[] = {{.dims = {7, 33}}, {.dims = {1, 64}, .in_place = true}};
//     static const op_case_set add_cases = {.make = add_make, .list = add_list, .n = OP_CASE_COUNT(add_list),
//                                           .metric = OP_METRIC_EXACT, .row_inputs = 0x1};
//
// make fills in the inputs and attributes; the fixture then applies the shape rule, makes the outputs and computes what
// is expected with the reference. Inputs end at a page that may not be touched, outputs have guard bytes on both sides,
// and what lies between the rows of a strided tensor is NaN.
#ifndef TDL_TEST_OP_CASES_H
#define TDL_TEST_OP_CASES_H

#include "base/rng.h"
#include "ops/kernel.h"

#define OP_CASE_COUNT(list) (sizeof(list) / sizeof *(list))

enum { OP_DIMS_MAX = 8, OP_SEQS_MAX = 6, OP_BLOCKS_MAX = 32 };

// How far a kernel may be from the reference (y from r), for every element:
typedef enum op_metric {
    OP_METRIC_EXACT = 0, // the same bits
    OP_METRIC_ELEMENT,   // |y - r| <= bound_abs + bound_rel |r|
    OP_METRIC_ROW,       // |y - r| <= bound_abs + bound_rel max |r| over the row
} op_metric;

// What attention's scores are: random, below 10, or, of whole queries and keys and so without any rounding,
typedef enum op_scores {
    OP_SCORES_RANDOM = 0,
    OP_SCORES_LARGE, // of both signs, up to about 200: their exponentials are none. Positions 2 i and 2 i + 1 have the same
    OP_SCORES_HUGE,   // and positions 4 and 5 have one of 300 (head_dim 16) and more
    OP_SCORES_LOWEST, // about -200 and below
    OP_SCORES_EQUAL,  // all the same
} op_scores;

typedef struct op_case {
    int64_t dims[OP_DIMS_MAX]; // what they mean stands at the head of the op's cases file
    tdl_dtype dtype;           // of the table, weight or cache, where it varies; NONE: F32
    tdl_attrs attrs;
    bool strided;     // activations are views into wider rows
    bool in_place;    // out[0] shares the memory of the op's in-place input
    bool bench;       // measured too
    uint8_t slow;     // the reference takes seconds (true) or ten and more (2): the suite runs it with --slow only
    bool bench_gpu;   // measured on a GPU, and that only: the size of a step there
    const char *note; // what is special, where something is
    int32_t seqs[OP_SEQS_MAX][2]; // attention, kv_append: positions already in the cache, tokens of this step
    int32_t n_seqs;
    bool far_rows;    // rows of out[0] are far apart in size, since rows of in[0] are: op_far
    bool far_columns; // its columns are, since the rows or columns of in[1] are
    op_scores scores; // attention; head_dim 16, 64 or 256, whose roots are whole
} op_case;

typedef struct op_fixture op_fixture;

typedef struct op_case_set {
    void (*make)(op_fixture *f, const op_case *c);
    const op_case *list; // [n]
    size_t n;
    op_metric metric;
    double bound_abs, bound_rel;
    // On WebGPU, where it differs (else both 0): by element where the metric is EXACT. WGSL lets an adapter fuse and flush,
    // and divide and take roots less than exactly.
    double webgpu_abs, webgpu_rel;
    double scores_slack; // cases whose scores are not RANDOM: the absolute bound is so many times as large; 0: once
    double half_abs, half_rel; // of WebGPU's kernels that round, to F16
    // Bit i: in[i]'s first dimension follows the outputs' rows. The suite computes some rows alone and wants the same
    // bits. 0: not asked. slice changes a part's other inputs where that is not enough: rows [first, first + count).
    uint32_t row_inputs;
    void (*slice)(op_fixture *f, int64_t first, int64_t count, tdl_call *part);
    double (*flops)(const tdl_call *call); // multiplications and additions, where they are worth showing
} op_case_set;

// How a kernel rounds its inputs before it multiplies them.
typedef enum op_rounding {
    OP_ROUNDING_NONE = 0,
    OP_ROUNDING_A8,   // in[0] in blocks of 8 bits
    OP_ROUNDING_DOT4, // in[0] as dot4I8Packed takes it
    OP_ROUNDING_BF16, // in[0] and in[1]
    OP_ROUNDING_COUNT
} op_rounding;

typedef struct op_block {
    uint8_t *map; // with a page on both sides that may not be touched
    size_t map_size;
} op_block;

struct op_fixture {
    tdl_op op;
    const op_case *c;
    tdl_rng rng;
    tdl_call call;                        // out[] in guarded memory
    uint8_t *initial[TDL_OP_OUT_MAX];     // what the outputs' memory holds before the op runs
    size_t extent[TDL_OP_OUT_MAX];        // bytes of an output's memory, gaps between rows included
    size_t expected_size[TDL_OP_OUT_MAX]; // packed bytes
    uint8_t *expected[TDL_OP_OUT_MAX];    // the reference's result, packed; borrowed from expected_of
    op_block blocks[OP_BLOCKS_MAX];
    int32_t n_blocks;
    bool checked;
    bool shapes_only; // no tensor was filled: all are zeros
    // What the reference makes of the inputs as a kind of kernel rounds them, once each; `expected` is one of them.
    uint8_t *expected_of[OP_ROUNDING_COUNT][TDL_OP_OUT_MAX];
};

// The bound that holds on a kind of device, and there for kernels that round.
typedef struct op_bound {
    op_metric metric;
    double abs, rel;
} op_bound;

// From now on, memory begins at a page that may not be touched, instead of ending at one.
void op_guard_before(void);

const op_case_set *op_case_set_of(tdl_op op); // NULL: no cases
op_bound op_bound_of(tdl_op op, tdl_backend_id backend, bool rounds);
const char *op_isa_name(uint32_t needs); // of a kernel's features: "plain", "avx2", "avx512", "avx512_bf16", "neon"
void op_case_describe(tdl_op op, const op_case *c, char *text, size_t size);

// For make: in[i] with random contents (floats normal, integers zero), pad elements between rows of the first
// dimension.
tdl_tensor *op_input(op_fixture *f, int32_t i, tdl_dtype dtype, int32_t n_dims, const int64_t *shape, int64_t pad);
// The same for a given output: out[i], with what it holds before the op writes to it or adds to it.
tdl_tensor *op_given(op_fixture *f, int32_t i, tdl_dtype dtype, int32_t n_dims, const int64_t *shape, int64_t pad);
// in[i] a vector or matrix of I32.
int32_t *op_input_i32(op_fixture *f, int32_t i, int32_t n_dims, const int64_t *shape);
// Memory that lives as long as the fixture, with the guard page.
void *op_memory(op_fixture *f, size_t size);
int64_t op_random(op_fixture *f, int64_t below);
// By what row or column i is multiplied where such are far apart: a power of two, far beyond F16's bounds on either side and within them.
// op_fixture_error takes it out again, so that each is held to the bound of its own size.
float op_far(int64_t i);
// Elements of queries and keys where c->scores is not RANDOM.
float op_score_query(const op_case *c, int64_t token, int64_t d);
float op_score_key(const op_case *c, int64_t pos, int64_t d);

// checked: computes what the reference expects; a benchmark leaves it out.
bool op_fixture_init(op_fixture *f, tdl_op op, const op_case *c, uint64_t seed, bool checked, tdl_error *err);
// The call's shapes alone, for dispatch to choose a kernel by: tensors have memory, of zeros, and nothing is expected.
bool op_fixture_init_shapes(op_fixture *f, tdl_op op, const op_case *c, tdl_error *err);
void op_fixture_deinit(op_fixture *f);
// The call as this kernel wants it: in[0] in its dtype, in[1] in its layout; where the kernel rounds its inputs, `expected` is
// computed anew from such. false: the kernel does not take this case (its accepts, its rows_max).
bool op_fixture_prepare(op_fixture *f, const tdl_kernel *kernel, tdl_call *call);
// The largest error of any element of the packed outputs got[n_out], as a multiple of its bound; where bits must be the
// same, 1 where they are not (bound 0).
double op_fixture_error(const op_fixture *f, uint8_t *const *got, op_bound bound);
bool op_fixture_same_bits(const op_fixture *f, uint8_t *const *a, uint8_t *const *b); // packed outputs
void op_fixture_trim(op_fixture *f, int32_t n_blocks); // gives memory back, down to the first n_blocks
void op_fixture_reset(op_fixture *f);                  // outputs as they are before the op runs
// Whether nothing was written beside the outputs, nor between their rows.
bool op_fixture_guards_intact(const op_fixture *f);

#endif
