// SPDX-License-Identifier: MIT
// sample_best.wgsl - the k best of many candidates, (key, id) each: the larger key, of equal ones the lower id. No two are the
// same. A key of 0 is none: no logit has it.
//
// Whoever ranks among the k best of 256 invocations' best ones has the only candidates that can count: no other than those
// that are at least as good as the k-th of these. They are at most 9 k, and each finds its place by counting who is better.
const K_MAX: u32 = 64u;
const OWN: u32 = 8u; // new candidates of an invocation
const ROUND: u32 = 2048u; // 256 OWN

var<workgroup> heads: array<vec2<u32>, 256>;
var<workgroup> held: array<vec2<u32>, 64>; // the best so far, in order
var<workgroup> listed: array<vec2<u32>, 576>;
var<workgroup> n_listed: atomic<u32>;
var<workgroup> last_head: vec2<u32>;

fn better(a: vec2<u32>, b: vec2<u32>) -> bool { return a.x > b.x || (a.x == b.x && a.y < b.y); }

fn none(number: u32) -> vec2<u32> { return vec2<u32>(0u, 0xffffffffu - number); }

fn hold_none(lane: u32) {
    if (lane < K_MAX) { held[lane] = none(lane); }
}

// Of k = 1: held[0] becomes the best of all invocations' candidates. All invocations of the workgroup call it.
fn hold_one(own: vec2<u32>, lane: u32) {
    heads[lane] = own;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half && better(heads[lane + half], heads[lane])) { heads[lane] = heads[lane + half]; }
        workgroupBarrier();
    }
    if (lane == 0u) { held[0] = heads[0]; }
    workgroupBarrier();
}

// held becomes the k best of what it holds and of all invocations' `fresh`. All invocations of the workgroup call it.
fn hold_best(fresh: array<vec2<u32>, OWN>, k: u32, lane: u32) {
    var own = fresh;
    var kept = none(lane);
    if (lane < k) { kept = held[lane]; }
    var head = kept;
    for (var i = 0u; i < OWN; i++) {
        if (better(own[i], head)) { head = own[i]; }
    }
    heads[lane] = head;
    if (lane == 0u) { atomicStore(&n_listed, 0u); }
    workgroupBarrier();
    var rank = 0u;
    for (var i = 0u; i < 256u; i++) { rank += u32(better(heads[i], head)); }
    if (rank == k - 1u) { last_head = head; }
    workgroupBarrier();
    let limit = last_head;
    if (rank < k) {
        for (var i = 0u; i < OWN; i++) {
            if (!better(limit, own[i])) { listed[atomicAdd(&n_listed, 1u)] = own[i]; }
        }
        if (!better(limit, kept)) { listed[atomicAdd(&n_listed, 1u)] = kept; }
    }
    workgroupBarrier();
    let n = atomicLoad(&n_listed);
    for (var i = lane; i < n; i += 256u) {
        let candidate = listed[i];
        var place = 0u;
        for (var j = 0u; j < n; j++) { place += u32(better(listed[j], candidate)); }
        if (place < k) { held[place] = candidate; }
    }
    workgroupBarrier();
}
