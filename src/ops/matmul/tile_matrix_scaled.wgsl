// SPDX-License-Identifier: MIT
// tile_matrix_scaled.wgsl - tile_matrix.wgsl where columns of b may be of any size, as activations are: for the gradient of w.
//
// F16 ends at 65,504 and loses digits below 2^-14. A column of b that exceeds these bounds within this workgroup's share of the sums is
// multiplied by a power of two as it is brought, so that its largest element lies below 2^15, and its sums by the inverse in the end,
// both exactly. Too small: a column whose first DEPTH elements are all below SMALL is looked at to its end before the sums begin
// (find_scales). Too large: seen in what was brought, as F16, when the sums are made; then they are made again. What is within the
// bounds, as nearly everything is, costs one look at the first DEPTH elements and a maximum in F16, 3% of the time.
// include matrix_frame

const SMALL: f32 = 0.000244140625; // 2^-12: what is added up in F16's steps of 2^-24 then has as many digits as F16 has elsewhere

var<private> most: vec4<f16>; // the largest magnitudes that this invocation brought
var<workgroup> b_tops: array<atomic<u32>, TILE>; // of columns: the largest magnitude, as its bits
var<workgroup> b_scales: array<f32, TILE>; // powers of two
var<workgroup> n_open: array<atomic<u32>, 4>; // [0]: whether a column may want a scale; a whole quad, so that tiles begin at one
var<workgroup> open: vec4<u32>; // its x: the same, for all to read

fn taken(values: vec4<f32>) -> Quad {
    let halves = Quad(values);
    most = max(most, abs(halves));
    return halves;
}

fn is_small(top: u32) -> bool { return top < bitcast<u32>(SMALL); }

// What a column with this largest magnitude is multiplied by.
fn scale_of(top: u32) -> f32 {
    let exponent = top >> 23u;
    let scale = bitcast<f32>(min(268u - exponent, 253u) << 23u); // top becomes 2^14 to 2^15
    return select(1.0, scale, (is_small(top) && top > 0u) || top >= bitcast<u32>(65504.0));
}

fn inverse_of(scale: f32) -> f32 { return bitcast<f32>((254u << 23u) - bitcast<u32>(scale)); }

// Looks at b's columns from step `begin` on; whole: to their end, else until none is seen to be small. Whether one wants a scale; then
// b_scales says which.
fn find_scales(first_column: u32, begin: u32, end: u32, lane: u32, whole: bool) -> bool {
    for (var e = lane; e < TILE; e += WORKGROUP) {
        atomicStore(&b_tops[e], 0u);
        b_scales[e] = 1.0;
    }
    for (var r = begin; r < end; r += DEPTH) {
        if (lane == 0u) { atomicStore(&n_open[0], 0u); }
        workgroupBarrier();
        measure_b(first_column, r, lane);
        workgroupBarrier();
        for (var e = lane; e < TILE; e += WORKGROUP) {
            if (whole || is_small(atomicLoad(&b_tops[e]))) { atomicStore(&n_open[0], 1u); }
        }
        if (!any_open(lane)) { return false; }
    }
    if (lane == 0u) { atomicStore(&n_open[0], 0u); }
    workgroupBarrier();
    for (var e = lane; e < TILE; e += WORKGROUP) {
        b_scales[e] = scale_of(atomicLoad(&b_tops[e]));
        if (b_scales[e] != 1.0) { atomicStore(&n_open[0], 1u); }
    }
    return any_open(lane);
}

// Whether something that was brought has no place in F16.
fn is_over(lane: u32) -> bool {
    if (lane == 0u) { atomicStore(&n_open[0], 0u); }
    workgroupBarrier();
    if (any(most >= vec4<f16>(65504.0))) { atomicStore(&n_open[0], 1u); }
    return any_open(lane);
}

fn any_open(lane: u32) -> bool {
    workgroupBarrier();
    if (lane == 0u) { open.x = atomicLoad(&n_open[0]); }
    return workgroupUniformLoad(&open).x != 0u;
}

// Stores the matrices that all subgroups have at this place of their areas, without their scales.
fn deliver(sum: Sum, subgroup: u32, lane: u32, row: u32, column: u32) {
    subgroupMatrixStore<row_major>(&sums, subgroup * MATRIX_QUADS, sum, ROW_QUADS);
    workgroupBarrier();
    for (var e = lane; e < AREAS * MATRIX_QUADS; e += WORKGROUP) {
        var total = sums[e];
        for (var part = 1u; part < PARTS; part += 1u) { total += sums[part * AREAS * MATRIX_QUADS + e]; }
        let area = e / MATRIX_QUADS;
        let quad = e % MATRIX_QUADS;
        let to = column + area % ACROSS * SIDE + quad % ROW_QUADS * 4u;
        let scales = vec4<f32>(b_scales[to % TILE], b_scales[to % TILE + 1u], b_scales[to % TILE + 2u], b_scales[to % TILE + 3u]);
        let inverse = vec4<f32>(inverse_of(scales.x), inverse_of(scales.y), inverse_of(scales.z), inverse_of(scales.w));
        store(row + area / ACROSS * SIDE + quad / ROW_QUADS, to, total * inverse);
    }
    workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    let index = group.y * n_groups.x + group.x; // the dispatch is folded into two dimensions
    let n_all = (p.n_rows + TILE - 1u) / TILE * p.n_tiles;
    let n = index / n_all;
    if (n >= p.n_shares) { return; }
    share = n; // for store; not read here, where it must be seen that all invocations have the same
    let first_row = index % n_all / p.n_tiles * TILE;
    let first_column = index % n_all % p.n_tiles * TILE;
    let part = subgroup / AREAS;
    let m = subgroup % AREAS / ACROSS * SIDE;
    let c = subgroup % ACROSS * SIDE;
    let begin = n * p.share_depth;
    let end = min((n + 1u) * p.share_depth, p.depth);
    var scaled = find_scales(first_column, begin, end, lane, false);
    if (!scaled) {
        const CAREFUL = false;
        // include matrix_sums
        scaled = is_over(lane);
        if (!scaled) {
            // include matrix_deliver
            return;
        }
        find_scales(first_column, begin, end, lane, true);
    }
    const CAREFUL = true;
    // include matrix_sums
    // include matrix_deliver
}
