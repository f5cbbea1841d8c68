// SPDX-License-Identifier: MIT
// attention_cpu.c - flash attention over the paged cache (formula and papers: attention.c).
//
// A unit is a tile of one sequence's tokens with one kv head and all query heads that share it: up to 64 rows that read
// the same pages. For each page, in order, and each block of up to 6 rows:
//
//     s_j = sum_d (scale q_d) k_dj                    lanes are the page's 64 positions (keys lie transposed)
//     m' = max(m, max_j s_j),  a = exp(m - m'),  p_j = exp(s_j - m'),  l' = l a + sum_j p_j
//     o' = o a + sum_j p_j v_j                        lanes are the elements of the head
//
// and at the end o / l. Pages begin at multiples of 64 positions, whatever the step's tokens are; d and j run in order;
// a row's sums stand in their own lanes or registers. So a row's bits do not depend on the rows beside it, on the tile,
// or on the thread. Positions that a row does not see are never multiplied into its sums, not even by zero: they may
// hold another sequence's leavings. F16 pages are converted once where several blocks of rows read them, on load
// otherwise; the conversion is exact.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "base/checked.h"
#include "ops/op_impl.h"

#include <assert.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    TILE_TOKENS = 32, // at most, and
    TILE_ROWS = 64,   // tokens times query heads a kv head, unless one token has more
    BLOCK_ROWS = 6,   // rows whose sums stay in registers together
// Vectors a row has in registers: with 32 registers 4, of 6 rows; with 16 registers 2.
#if defined(TDL_ISA_AVX512) || defined(TDL_ISA_NEON)
    BLOCK_VECTORS = 4,
#else
    BLOCK_VECTORS = 2,
#endif
};

// Where a unit is in the step. Units run over sequences, then kv heads, then tiles.
typedef struct cursor {
    int64_t seq, kv_head, tile;
    int64_t first_token, n_tokens, n_tiles; // of the sequence
} cursor;

// A query row: one head of one token.
typedef struct query_row {
    const float *q;      // [head_dim], times scale
    float *acc;          // [padded_dim]
    float max, sum;      // of the softmax so far
    int64_t first, last; // the positions it sees
} query_row;

// The numbers of a call, and one thread's scratch.
typedef struct work {
    int64_t n_heads, n_kv_heads, group, head_dim;
    int64_t padded_dim; // head_dim up to whole vectors
    int64_t tile_tokens;
    size_t q_size, acc_size, page_size; // bytes
    query_row *rows;                    // [rows of a tile]
    query_row **visible;                // [rows of a tile]: those that see the current page
    float *q, *acc, *k, *v;             // [rows, head_dim], [rows, padded_dim], [head_dim, 64], [64, padded_dim]
} work;

// One head's keys and values of a page, F32 or F16.
typedef struct page_data {
    const void *k; // [head_dim, 64]
    const void *v; // [64, v_stride]
    int64_t v_stride, first_pos;
    bool k_f16, v_f16;
} page_data;

static size_t work_make(const tdl_call *call, void *scratch, work *w);
static cursor cursor_at(const tdl_call *call, const work *w, int64_t unit);
static void cursor_next(const tdl_call *call, const work *w, cursor *at);
static void attend_tile(const tdl_call *call, work *w, const cursor *at);

static bool accepts(const tdl_call *call) {
    tdl_dtype cache = call->in[1].dtype;
    return tdl_f32_rows(&call->in[0]) && tdl_tensor_contiguous(&call->in[1]) && tdl_tensor_contiguous(&call->in[2]) &&
           (cache == TDL_DTYPE_F32 || cache == TDL_DTYPE_F16) && tdl_tensor_contiguous(&call->in[5]);
}

static int64_t units(const tdl_call *call) {
    work w;
    work_make(call, NULL, &w);
    int64_t n_tiles = 0;
    const tdl_tensor *seq_start = &call->in[4];
    for (int64_t s = 0; s + 1 < seq_start->shape[0]; s++)
        n_tiles += tdl_div_up(tdl_index_at(seq_start, s + 1) - tdl_index_at(seq_start, s), w.tile_tokens);
    return n_tiles * w.n_kv_heads;
}

static size_t scratch_size(const tdl_call *call) {
    work w;
    return work_make(call, NULL, &w);
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    work w;
    work_make(call, scratch, &w);
    cursor at = cursor_at(call, &w, first);
    for (int64_t i = 0; i < count; i++) {
        attend_tile(call, &w, &at);
        if (i + 1 < count) cursor_next(call, &w, &at);
    }
}

const tdl_kernel TDL_KERNEL_NAME(attention) = {.name = "attention",
                                               .op = TDL_OP_ATTENTION,
                                               TDL_KERNEL_CPU,
                                               .accepts = accepts,
                                               .units = units,
                                               .run = run,
                                               .scratch_size = scratch_size};

// ---- units ----------------------------------------------------------------------------------------------------------

// Returns the scratch's size; with scratch NULL the pointers are left out.
static size_t work_make(const tdl_call *call, void *scratch, work *w) {
    const tdl_tensor *q = &call->in[0], *k_cache = &call->in[1];
    *w = (work){.n_heads = q->shape[1], .n_kv_heads = k_cache->shape[1], .head_dim = q->shape[2]};
    w->group = w->n_heads / w->n_kv_heads;
    w->padded_dim = tdl_div_up(w->head_dim, TDL_VF_LANES) * TDL_VF_LANES;
    w->tile_tokens = tdl_max_i64(1, tdl_min_i64(TILE_TOKENS, TILE_ROWS / tdl_max_i64(1, w->group)));
    size_t n_rows = (size_t)(w->tile_tokens * w->group), dim = (size_t)w->padded_dim;
    size_t vectors = n_rows * dim * sizeof(float), page = TDL_KV_PAGE * dim * sizeof(float);
    size_t rows = (n_rows * sizeof(query_row) + 63) / 64 * 64, visible = (n_rows * sizeof(query_row *) + 63) / 64 * 64;
    if (scratch) {
        uint8_t *at = scratch;
        w->q = (float *)(void *)at;
        w->acc = (float *)(void *)(at += vectors);
        w->k = (float *)(void *)(at += vectors);
        w->v = (float *)(void *)(at += page);
        w->rows = (query_row *)(void *)(at += page);
        w->visible = (query_row **)(void *)(at + rows);
    }
    return 2 * vectors + 2 * page + rows + visible;
}

static void cursor_enter(const tdl_call *call, const work *w, cursor *at) {
    at->first_token = tdl_index_at(&call->in[4], at->seq);
    at->n_tokens = tdl_index_at(&call->in[4], at->seq + 1) - at->first_token;
    at->n_tiles = tdl_div_up(at->n_tokens, w->tile_tokens);
}

static cursor cursor_at(const tdl_call *call, const work *w, int64_t unit) {
    cursor at = {0};
    for (cursor_enter(call, w, &at); unit >= at.n_tiles * w->n_kv_heads; cursor_enter(call, w, &at)) {
        unit -= at.n_tiles * w->n_kv_heads;
        at.seq++;
    }
    at.kv_head = unit / at.n_tiles;
    at.tile = unit % at.n_tiles;
    return at;
}

static void cursor_next(const tdl_call *call, const work *w, cursor *at) {
    if (++at->tile < at->n_tiles) return;
    at->tile = 0;
    if (++at->kv_head < w->n_kv_heads) return;
    at->kv_head = 0;
    do {
        at->seq++;
        cursor_enter(call, w, at);
    } while (at->n_tiles == 0);
}

// ---- a tile ---------------------------------------------------------------------------------------------------------

static int64_t rows_begin(const tdl_call *call, work *w, const cursor *at, int64_t first_token, int64_t n_tokens);
static void rows_end(const tdl_call *call, const work *w, const cursor *at, int64_t first_token, int64_t n_tokens);
static page_data page_load(const tdl_call *call, work *w, const cursor *at, int64_t page, bool shared);
static void attend_block(query_row *const *rows, int n_rows, const page_data *page, int64_t head_dim);

static void attend_tile(const tdl_call *call, work *w, const cursor *at) {
    // The last tokens, which see the most, go first, so that threads end together.
    int64_t first_token = (at->n_tiles - 1 - at->tile) * w->tile_tokens;
    int64_t n_tokens = tdl_min_i64(w->tile_tokens, at->n_tokens - first_token);
    first_token += at->first_token;
    int64_t n_rows = rows_begin(call, w, at, first_token, n_tokens);
    int64_t page = INT64_MAX, last_page = -1;
    for (int64_t r = 0; r < n_rows; r++) {
        if (w->rows[r].last < 0) continue;
        page = tdl_min_i64(page, w->rows[r].first / TDL_KV_PAGE);
        last_page = tdl_max_i64(last_page, w->rows[r].last / TDL_KV_PAGE);
    }
    for (; page <= last_page; page++) {
        int64_t n_visible = 0, begin = page * TDL_KV_PAGE;
        for (int64_t r = 0; r < n_rows; r++)
            if (w->rows[r].last >= begin && w->rows[r].first < begin + TDL_KV_PAGE)
                w->visible[n_visible++] = &w->rows[r];
        if (n_visible == 0) continue;
        page_data data = page_load(call, w, at, page, n_visible > BLOCK_ROWS);
        for (int64_t r = 0; r < n_visible; r += BLOCK_ROWS)
            attend_block(w->visible + r, (int)tdl_min_i64(BLOCK_ROWS, n_visible - r), &data, w->head_dim);
    }
    rows_end(call, w, at, first_token, n_tokens);
}

// Sets up the tile's rows, token by token, and returns how many there are.
static int64_t rows_begin(const tdl_call *call, work *w, const cursor *at, int64_t first_token, int64_t n_tokens) {
    const tdl_tensor *q = &call->in[0];
    int64_t n_rows = 0, window = call->attrs.window, dim = w->head_dim;
    for (int64_t t = first_token; t < first_token + n_tokens; t++) {
        int64_t pos = tdl_index_at(&call->in[3], t);
        for (int64_t g = 0; g < w->group; g++, n_rows++) {
            const float *from = tdl_f32_row(q, t * w->n_heads + at->kv_head * w->group + g);
            float *scaled = w->q + n_rows * dim, *acc = w->acc + n_rows * w->padded_dim;
            for (int64_t d = 0; d < dim; d++) scaled[d] = from[d] * call->attrs.scale;
            memset(acc, 0, (size_t)w->padded_dim * sizeof *acc);
            w->rows[n_rows] = (query_row){.q = scaled,
                                          .acc = acc,
                                          .max = -INFINITY,
                                          .first = window > 0 ? tdl_max_i64(0, pos - window + 1) : 0,
                                          .last = pos};
        }
    }
    return n_rows;
}

static void rows_end(const tdl_call *call, const work *w, const cursor *at, int64_t first_token, int64_t n_tokens) {
    const query_row *row = w->rows;
    for (int64_t t = first_token; t < first_token + n_tokens; t++)
        for (int64_t g = 0; g < w->group; g++, row++) {
            float *out = tdl_f32_row(&call->out[0], t * w->n_heads + at->kv_head * w->group + g);
            vf sum = vf_set1(row->last < 0 ? 1 : row->sum); // sees nothing: acc is zero
            int64_t d = 0;
            for (; d + TDL_VF_LANES <= w->head_dim; d += TDL_VF_LANES)
                vf_store(out + d, vf_div(vf_load(row->acc + d), sum));
            if (d < w->head_dim) vf_store_n(out + d, vf_div(vf_load(row->acc + d), sum), w->head_dim - d);
        }
}

// ---- a page ---------------------------------------------------------------------------------------------------------

static void from_f16(const uint16_t *from, float *to, int64_t n) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(to + i, vf_load_f16(from + i));
    if (i < n) vf_store(to + i, vf_load_f16_n(from + i, n - i));
}

// Copies values to rows of whole vectors, the lanes beyond head_dim zero.
static void pad_values(const work *w, const void *v, bool f16) {
    for (int64_t j = 0; j < TDL_KV_PAGE; j++) {
        float *to = w->v + j * w->padded_dim;
        if (f16) {
            from_f16((const uint16_t *)v + j * w->head_dim, to, w->head_dim);
        } else {
            memset(to, 0, (size_t)w->padded_dim * sizeof *to);
            memcpy(to, (const float *)v + j * w->head_dim, (size_t)w->head_dim * sizeof *to);
        }
    }
}

// shared: several blocks of rows will read it.
static page_data page_load(const tdl_call *call, work *w, const cursor *at, int64_t page, bool shared) {
    const tdl_tensor *k_cache = &call->in[1], *v_cache = &call->in[2], *pages = &call->in[5];
    int32_t index;
    assert(page < pages->shape[1]);
    memcpy(&index, pages->data + at->seq * pages->strides[0] + page * (int64_t)sizeof index, sizeof index);
    assert(index >= 0 && index < k_cache->shape[0]);
    bool f16 = k_cache->dtype == TDL_DTYPE_F16;
    page_data data = {.k = k_cache->data + index * k_cache->strides[0] + at->kv_head * k_cache->strides[1],
                      .v = v_cache->data + index * v_cache->strides[0] + at->kv_head * v_cache->strides[1],
                      .v_stride = w->padded_dim,
                      .first_pos = page * TDL_KV_PAGE,
                      .k_f16 = f16,
                      .v_f16 = f16};
    if (f16 && shared) {
        from_f16(data.k, w->k, w->head_dim * TDL_KV_PAGE);
        data.k = w->k;
        data.k_f16 = false;
    }
    if ((f16 && shared) || w->padded_dim != w->head_dim) {
        pad_values(w, data.v, f16);
        data.v = w->v;
        data.v_f16 = false;
    }
    return data;
}

// ---- a block of rows with a page ------------------------------------------------------------------------------------

INLINE vf load_at(const void *data, int64_t i, bool f16) {
    return f16 ? vf_load_f16((const uint16_t *)data + i) : vf_load((const float *)data + i);
}

// scores[r][j] = sum_d q[r][d] k[d][j]
INLINE void score_rows(int n_rows, bool f16, query_row *const *rows, const void *k, int64_t head_dim,
                       float (*scores)[TDL_KV_PAGE]) {
    for (int64_t lane = 0; lane < TDL_KV_PAGE; lane += BLOCK_VECTORS * TDL_VF_LANES) {
        vf sums[BLOCK_ROWS][BLOCK_VECTORS];
        for (int r = 0; r < n_rows; r++)
            for (int i = 0; i < BLOCK_VECTORS; i++) sums[r][i] = vf_zero();
        for (int64_t d = 0; d < head_dim; d++) {
            vf keys[BLOCK_VECTORS];
            for (int i = 0; i < BLOCK_VECTORS; i++)
                keys[i] = load_at(k, d * TDL_KV_PAGE + lane + i * TDL_VF_LANES, f16);
            for (int r = 0; r < n_rows; r++) {
                vf q = vf_set1(rows[r]->q[d]);
                for (int i = 0; i < BLOCK_VECTORS; i++) sums[r][i] = vf_fma(q, keys[i], sums[r][i]);
            }
        }
        for (int r = 0; r < n_rows; r++)
            for (int i = 0; i < BLOCK_VECTORS; i++) vf_store(scores[r] + lane + i * TDL_VF_LANES, sums[r][i]);
    }
}

// acc[r] = acc[r] * factors[r] + sum_j weights[r][j] v[j], j in [begin, end), for lanes [lane, lane + n_vectors
// vectors)
INLINE void accumulate_lanes(int n_rows, int n_vectors, bool f16, query_row *const *rows, const page_data *page,
                             const float (*weights)[TDL_KV_PAGE], const float *factors, int64_t begin, int64_t end,
                             int64_t lane) {
    vf sums[BLOCK_ROWS][BLOCK_VECTORS];
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < n_vectors; i++)
            sums[r][i] = vf_mul(vf_load(rows[r]->acc + lane + i * TDL_VF_LANES), vf_set1(factors[r]));
    for (int64_t j = begin; j < end; j++) {
        vf values[BLOCK_VECTORS];
        for (int i = 0; i < n_vectors; i++)
            values[i] = load_at(page->v, j * page->v_stride + lane + i * TDL_VF_LANES, f16);
        for (int r = 0; r < n_rows; r++) {
            vf weight = vf_set1(weights[r][j]);
            for (int i = 0; i < n_vectors; i++) sums[r][i] = vf_fma(weight, values[i], sums[r][i]);
        }
    }
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < n_vectors; i++) vf_store(rows[r]->acc + lane + i * TDL_VF_LANES, sums[r][i]);
}

INLINE void accumulate_rows(int n_rows, bool f16, query_row *const *rows, const page_data *page,
                            const float (*weights)[TDL_KV_PAGE], const float *factors, int64_t begin, int64_t end) {
    int64_t lane = 0;
    for (; lane + BLOCK_VECTORS * TDL_VF_LANES <= page->v_stride; lane += BLOCK_VECTORS * TDL_VF_LANES)
        accumulate_lanes(n_rows, BLOCK_VECTORS, f16, rows, page, weights, factors, begin, end, lane);
    for (; lane < page->v_stride; lane += TDL_VF_LANES)
        accumulate_lanes(n_rows, 1, f16, rows, page, weights, factors, begin, end, lane);
}

// The two above with the number of rows, and so their registers, known to the compiler.
#define FOR_ROWS(n_rows, CALL)        \
    switch (n_rows) {                 \
    case 1: CALL(1); break;           \
    case 2: CALL(2); break;           \
    case 3: CALL(3); break;           \
    case 4: CALL(4); break;           \
    case 5: CALL(5); break;           \
    default: CALL(BLOCK_ROWS); break; \
    }

static void score(query_row *const *rows, int n_rows, const page_data *page, int64_t head_dim,
                  float (*scores)[TDL_KV_PAGE]) {
#define SCORE_F16(n) score_rows(n, true, rows, page->k, head_dim, scores)
#define SCORE_F32(n) score_rows(n, false, rows, page->k, head_dim, scores)
    if (page->k_f16) {
        FOR_ROWS(n_rows, SCORE_F16)
    } else {
        FOR_ROWS(n_rows, SCORE_F32)
    }
}

static void accumulate(query_row *const *rows, int n_rows, const page_data *page, const float (*weights)[TDL_KV_PAGE],
                       const float *factors, int64_t begin, int64_t end) {
#define ACCUMULATE_F16(n) accumulate_rows(n, true, rows, page, weights, factors, begin, end)
#define ACCUMULATE_F32(n) accumulate_rows(n, false, rows, page, weights, factors, begin, end)
    if (page->v_f16) {
        FOR_ROWS(n_rows, ACCUMULATE_F16)
    } else {
        FOR_ROWS(n_rows, ACCUMULATE_F32)
    }
}

// Turns a row's scores into weights and returns the factor for what it has summed so far.
static float softmax_row(query_row *row, float scores[TDL_KV_PAGE], int64_t begin, int64_t end) {
    for (int64_t j = 0; j < begin; j++) scores[j] = -INFINITY;
    for (int64_t j = end; j < TDL_KV_PAGE; j++) scores[j] = -INFINITY;
    vf max = vf_set1(row->max), total = vf_zero();
    for (int j = 0; j < TDL_KV_PAGE; j += TDL_VF_LANES) max = vf_max(max, vf_load(scores + j));
    float new_max = vf_hmax(max), factors[TDL_VF_LANES];
    vf_store(factors, vf_exp(vf_set1(row->max - new_max)));
    for (int j = 0; j < TDL_KV_PAGE; j += TDL_VF_LANES) {
        vf weights = vf_exp(vf_sub(vf_load(scores + j), vf_set1(new_max)));
        vf_store(scores + j, weights);
        total = vf_add(total, weights);
    }
    row->sum = row->sum * factors[0] + vf_sum(total);
    row->max = new_max;
    return factors[0];
}

static void attend_block(query_row *const *rows, int n_rows, const page_data *page, int64_t head_dim) {
    static const float once[BLOCK_ROWS] = {1, 1, 1, 1, 1, 1};
    float scores[BLOCK_ROWS][TDL_KV_PAGE], factors[BLOCK_ROWS];
    int64_t begins[BLOCK_ROWS], ends[BLOCK_ROWS], all_begin = 0, all_end = TDL_KV_PAGE;
    score(rows, n_rows, page, head_dim, scores);
    for (int r = 0; r < n_rows; r++) {
        begins[r] = tdl_max_i64(rows[r]->first - page->first_pos, 0);
        ends[r] = tdl_min_i64(rows[r]->last + 1 - page->first_pos, TDL_KV_PAGE);
        all_begin = tdl_max_i64(all_begin, begins[r]);
        all_end = tdl_min_i64(all_end, ends[r]);
        factors[r] = softmax_row(rows[r], scores[r], begins[r], ends[r]);
    }
    // The positions that all rows see are summed together; what single rows see before and after them, row by row.
    if (all_end < all_begin) all_end = all_begin = 0;
    const float(*weights)[TDL_KV_PAGE] = (const float(*)[TDL_KV_PAGE])scores;
    for (int r = 0; r < n_rows; r++)
        if (begins[r] < all_begin) {
            accumulate(rows + r, 1, page, weights + r, factors + r, begins[r], all_begin);
            factors[r] = 1;
        }
    accumulate(rows, n_rows, page, weights, factors, all_begin, all_end);
    for (int r = 0; r < n_rows; r++) {
        int64_t begin = tdl_max_i64(begins[r], all_end);
        if (begin < ends[r]) accumulate(rows + r, 1, page, weights + r, once, begin, ends[r]);
    }
}
