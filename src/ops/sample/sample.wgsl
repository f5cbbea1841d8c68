// SPDX-License-Identifier: MIT
// sample.wgsl - the best candidates of a part of a row of logits, into scratch memory; the first part's workgroup puts the row's
// settings there too, for sample_merge.wgsl.
struct Params {
    logits: Rows,
    picks_offset: u32,
    n_columns: u32,
    part_size: u32,
    row_words: u32, // of scratch
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read> picks: array<u32>;
@group(0) @binding(4) var<storage, read_write> scratch: array<u32>;

// See tdl_sample_key.
fn key_of(bits: u32) -> u32 {
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
    if (bits << 1u == 0u) { return 0x80000000u; }
    return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let settings = p.picks_offset + group.y * 8u;
    let base = group.y * p.row_words;
    let k = picks[settings + 1u];
    if (group.x == 0u && lane < 8u) { scratch[base + lane] = picks[settings + lane]; }
    if (k == 0u) { return; }
    let row = row_start(p.logits, group.y);
    let first = group.x * p.part_size;
    let end = min(first + p.part_size, p.n_columns);
    if (k == 1u) {
        var best = none(lane);
        for (var id = first + lane; id < end; id += 256u) {
            let candidate = vec2<u32>(key_of(logits[row + id]), id);
            if (better(candidate, best)) { best = candidate; }
        }
        hold_one(best, lane);
    } else {
        hold_none(lane);
        for (var start = first; start < end; start += ROUND) {
            var own: array<vec2<u32>, OWN>;
            for (var i = 0u; i < OWN; i++) {
                let id = start + 256u * i + lane;
                own[i] = none(256u * (i + 1u) + lane);
                if (id < end) { own[i] = vec2<u32>(key_of(logits[row + id]), id); }
            }
            hold_best(own, k, lane);
        }
    }
    if (lane < k) {
        let at = base + 8u + 2u * (group.x * k + lane);
        scratch[at] = held[lane].x;
        scratch[at + 1u] = held[lane].y;
    }
}
