// SPDX-License-Identifier: MIT
// group.wgsl - the rows of each expert, in their order: one workgroup, an invocation an expert. All look at the ids twice, 256 at a
// time in workgroup memory: to count their expert's, and to put them in their places. No atomics, so the order is always the same.
struct Params {
    ids_offset: u32,
    groups_offset: u32,
    n: u32, // ids
    n_experts: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read_write> groups: array<u32>;

var<workgroup> chunk: array<u32, 256>;
var<workgroup> counts: array<u32, 256>;

fn bring(at: u32, lane: u32) {
    workgroupBarrier();
    chunk[lane] = 0xffffffffu;
    if (at + lane < p.n) { chunk[lane] = ids[p.ids_offset + at + lane]; }
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var before = 0u; // rows of the experts of earlier rounds
    for (var first = 0u; first < p.n_experts; first += 256u) {
        let expert = first + lane;
        var count = 0u;
        for (var at = 0u; at < p.n; at += 256u) {
            bring(at, lane);
            for (var i = 0u; i < 256u; i += 1u) { count += u32(chunk[i] == expert); }
        }
        workgroupBarrier();
        counts[lane] = count;
        workgroupBarrier();
        var place = before;
        for (var i = 0u; i < 256u; i += 1u) {
            if (i < lane) { place += counts[i]; }
            before += counts[i];
        }
        if (expert < p.n_experts) { groups[p.groups_offset + expert] = place; }
        for (var at = 0u; at < p.n; at += 256u) {
            bring(at, lane);
            for (var i = 0u; i < 256u; i += 1u) {
                if (chunk[i] == expert) {
                    groups[p.groups_offset + p.n_experts + 1u + place] = at + i;
                    place += 1u;
                }
            }
        }
    }
    if (lane == 0u) { groups[p.groups_offset + p.n_experts] = p.n; }
}
