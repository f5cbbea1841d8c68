// SPDX-License-Identifier: MIT
// route.wgsl - the k largest of a token's logits, and their weights; a workgroup makes a token. Each invocation looks at every
// 256th expert; k times a tree finds the largest that is not taken yet, the first of equals.
struct Params {
    logits: Rows,
    ids_offset: u32,
    weights_offset: u32,
    n_rows: u32,
    n_experts: u32,
    top_k: u32,
    renorm: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;

const NONE: u32 = 0xffffffffu;
const LOWEST: f32 = -3.4e38;

var<workgroup> values: array<f32, 256>;
var<workgroup> experts: array<u32, 256>;
var<workgroup> chosen: array<u32, 64>;
var<workgroup> chosen_logits: array<f32, 64>;

fn is_chosen(expert: u32, n: u32) -> bool {
    for (var i = 0u; i < n; i += 1u) {
        if (chosen[i] == expert) { return true; }
    }
    return false;
}

// Puts the largest logit that is not among the first n chosen at place n.
fn choose(first: u32, n: u32, lane: u32) {
    var best = NONE;
    var largest = LOWEST;
    for (var expert = lane; expert < p.n_experts; expert += 256u) {
        if (is_chosen(expert, n)) { continue; }
        let logit = logits[first + expert];
        if (best == NONE || logit > largest) {
            best = expert;
            largest = logit;
        }
    }
    values[lane] = largest;
    experts[lane] = best;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            let other = experts[lane + half];
            let value = values[lane + half];
            let mine = experts[lane];
            if (other != NONE && (mine == NONE || value > values[lane] || (value == values[lane] && other < mine))) {
                experts[lane] = other;
                values[lane] = value;
            }
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        chosen[n] = experts[0];
        chosen_logits[n] = values[0];
    }
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let row = group_index(group, n_groups);
    if (row >= p.n_rows) { return; }
    let first = row_start(p.logits, row);
    for (var n = 0u; n < p.top_k; n += 1u) { choose(first, n, lane); }
    var part = 0.0;
    if (p.renorm != 0u) {
        if (lane < p.top_k) { part = exp(chosen_logits[lane] - chosen_logits[0]); }
    } else {
        for (var expert = lane; expert < p.n_experts; expert += 256u) {
            part += exp(logits[first + expert] - chosen_logits[0]);
        }
    }
    let sum = group_sum(lane, part);
    if (lane < p.top_k) {
        ids[p.ids_offset + row * p.top_k + lane] = chosen[lane];
        weights[p.weights_offset + row * p.top_k + lane] = exp(chosen_logits[lane] - chosen_logits[0]) / sum;
    }
}
