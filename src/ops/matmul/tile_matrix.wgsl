// tile_matrix.wgsl - tile.wgsl's products where a device multiplies matrices by hardware: F16 times F16, added up in F32.
//
// A workgroup makes a tile of TILE by TILE results; DEPTH steps of the sums at a time lie in workgroup memory, as F16. Its
// subgroups share the tile out: each adds up SIDE by SIDE results, four by four matrices, of one part of the steps; the parts
// are added in the end, always in the same order.
//
// The modules it stands with say what a and b are: bring_a and bring_b fill the tiles, with zeros where the sums end within them,
// and left and right take matrices out of them; store(m, c, sum) takes four results. Rows of a tile are eight elements longer
// than they hold, so that rows of a matrix lie in different banks. MATRIX, the side of a matrix, and SUBGROUP are the device's.
//
// Wanted: rows of a that begin at whole quads. Among the loads nothing branches, not even where all would take the same way: that
// made a third of the speed.
//
// F16 ends at 65,504 and loses digits below 2^-14. Operands that are activations or weights of F32 and BF16 (A_SCALED, B_SCALED) know
// no such bounds: a row of a, or a column of b, that exceeds them is multiplied by a power of two as it is brought, so that its largest
// element lies below 2^15, and its results by the inverse in the end, both exactly. A row's scale follows from the row's share of the
// sums alone. Too small: a row whose first DEPTH elements are all below SMALL is looked at to its end before the sums begin
// (find_scales). Too large: seen in what was brought, as F16, when the sums are made; then they are made again, with scales. So what
// is within the bounds, as nearly everything is, costs one look at the first DEPTH elements and a maximum in F16. Gradients (dy) are not scaled:
// one beyond F16 becomes infinite, so that the loss is scaled anew.
//
// Where there are few tiles and long sums, several workgroups have a tile in common, each a share of the steps: matrix_y_share.wgsl.
//
// The sixteen sums have names that are known when this is compiled, as an array's elements with constant indices: what is indexed
// by a variable would lie in memory, at a sixth of the speed.
// include tile_args

const SIDE: u32 = 4u * MATRIX;
const ACROSS: u32 = TILE / SIDE;
const AREAS: u32 = ACROSS * ACROSS;
const WORKGROUP: u32 = SUBGROUP * AREAS * PARTS;
const BREADTH: u32 = DEPTH / PARTS; // of a part of the steps
const ROW_QUADS: u32 = MATRIX / 4u;
const MATRIX_QUADS: u32 = MATRIX * ROW_QUADS;
const SMALL: f32 = 0.000244140625; // 2^-12: what is added up in F16's steps of 2^-24 then has as many digits as F16 has elsewhere

alias Quad = vec4<f16>;
alias Left = subgroup_matrix_left<f16, MATRIX, MATRIX>;
alias Right = subgroup_matrix_right<f16, MATRIX, MATRIX>;
alias Sum = subgroup_matrix_result<f32, MATRIX, MATRIX>;

var<private> share: u32; // which of the n_shares this workgroup's is
var<private> most: vec4<f16>; // the largest magnitudes that this invocation brought unscaled
var<workgroup> sums: array<vec4<f32>, AREAS * PARTS * MATRIX_QUADS>; // a matrix of each subgroup
var<workgroup> a_tops: array<atomic<u32>, TILE>; // of rows of a and columns of b: the largest magnitude, as its bits
var<workgroup> b_tops: array<atomic<u32>, TILE>;
var<workgroup> a_scales: array<f32, TILE>; // powers of two
var<workgroup> b_scales: array<f32, TILE>;
var<workgroup> n_open: atomic<u32>; // rows and columns that may want a scale
var<workgroup> open: u32; // n_open, for all to read

// Four elements of a row of a from i on, i a multiple of 4.
fn a_quad(row: u32, i: u32) -> vec4<f32> { return a[(p.a_offset + row * p.a_stride + i) >> 2u]; }

// The first n of four, then zeros.
fn first_of(values: vec4<f32>, n: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(n));
}

// As F16; scaled: whether this operand may want scales.
fn taken(values: vec4<f32>, scaled: bool) -> Quad {
    let halves = Quad(values);
    if (scaled) { most = max(most, abs(halves)); }
    return halves;
}

fn top_of(values: vec4<f32>) -> u32 {
    let m = abs(values);
    return bitcast<u32>(max(max(m.x, m.y), max(m.z, m.w)));
}

fn is_small(top: u32) -> bool { return top < bitcast<u32>(SMALL); }

// What a row with this largest magnitude is multiplied by.
fn scale_of(top: u32) -> f32 {
    let exponent = top >> 23u;
    let scale = bitcast<f32>(min(268u - exponent, 253u) << 23u); // top becomes 2^14 to 2^15
    return select(1.0, scale, (is_small(top) && top > 0u) || top >= bitcast<u32>(65504.0));
}

fn inverse_of(scale: f32) -> f32 { return bitcast<f32>((254u << 23u) - bitcast<u32>(scale)); }

// Looks at a's rows and b's columns from step `begin` on; whole: to their end, else until none is seen to be small. Whether one wants
// a scale; then a_scales and b_scales say which.
fn find_scales(first_row: u32, first_column: u32, begin: u32, end: u32, lane: u32, whole: bool) -> bool {
    if (!A_SCALED && !B_SCALED) { return false; }
    for (var e = lane; e < TILE; e += WORKGROUP) {
        atomicStore(&a_tops[e], 0u);
        atomicStore(&b_tops[e], 0u);
    }
    for (var r = begin; r < end; r += DEPTH) {
        if (lane == 0u) { atomicStore(&n_open, 0u); }
        workgroupBarrier();
        if (A_SCALED) { measure_a(first_row, r, lane); }
        if (B_SCALED) { measure_b(first_column, r, lane); }
        workgroupBarrier();
        for (var e = lane; e < TILE; e += WORKGROUP) {
            let small = (A_SCALED && is_small(atomicLoad(&a_tops[e]))) || (B_SCALED && is_small(atomicLoad(&b_tops[e])));
            if (small || whole) { atomicStore(&n_open, 1u); }
        }
        if (!any_open(lane)) { return false; }
    }
    if (lane == 0u) { atomicStore(&n_open, 0u); }
    workgroupBarrier();
    for (var e = lane; e < TILE; e += WORKGROUP) {
        a_scales[e] = scale_of(atomicLoad(&a_tops[e]));
        b_scales[e] = scale_of(atomicLoad(&b_tops[e]));
        if (a_scales[e] != 1.0 || b_scales[e] != 1.0) { atomicStore(&n_open, 1u); }
    }
    return any_open(lane);
}

// Whether something that was brought has no place in F16.
fn is_over(lane: u32) -> bool {
    if (!A_SCALED && !B_SCALED) { return false; }
    if (lane == 0u) { atomicStore(&n_open, 0u); }
    workgroupBarrier();
    if (any(most >= vec4<f16>(65504.0))) { atomicStore(&n_open, 1u); }
    return any_open(lane);
}

fn any_open(lane: u32) -> bool {
    workgroupBarrier();
    if (lane == 0u) { open = atomicLoad(&n_open); }
    return workgroupUniformLoad(&open) != 0u;
}

// Stores the matrices that all subgroups have at this place of their areas, a row and column within the tile.
fn deliver(sum: Sum, subgroup: u32, lane: u32, first_row: u32, first_column: u32, m: u32, c: u32) {
    subgroupMatrixStore<row_major>(&sums, subgroup * MATRIX_QUADS, sum, ROW_QUADS);
    workgroupBarrier();
    for (var e = lane; e < AREAS * MATRIX_QUADS; e += WORKGROUP) {
        var total = sums[e];
        for (var part = 1u; part < PARTS; part += 1u) { total += sums[part * AREAS * MATRIX_QUADS + e]; }
        let area = e / MATRIX_QUADS;
        let quad = e % MATRIX_QUADS;
        let row = m + area / ACROSS * SIDE + quad / ROW_QUADS;
        let column = c + area % ACROSS * SIDE + quad % ROW_QUADS * 4u;
        store(first_row + row, first_column + column, unscaled(total, row, column));
    }
    workgroupBarrier();
}

// The smaller factor first, so that nothing is infinite on the way that is not in the end.
fn unscaled(total: vec4<f32>, row: u32, column: u32) -> vec4<f32> {
    if (!A_SCALED && !B_SCALED) { return total; }
    let by_row = vec4<f32>(inverse_of(a_scales[row]));
    let by_column = vec4<f32>(inverse_of(b_scales[column]), inverse_of(b_scales[column + 1u]),
                              inverse_of(b_scales[column + 2u]), inverse_of(b_scales[column + 3u]));
    return total * min(by_row, by_column) * max(by_row, by_column);
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
    for (var e = lane; e < TILE; e += WORKGROUP) {
        a_scales[e] = 1.0;
        b_scales[e] = 1.0;
    }
    var again = false;
    loop {
        let scaled = find_scales(first_row, first_column, begin, end, lane, again);
        most = vec4<f16>();
        var s: array<Sum, 16>; // [row, column] of matrices
        for (var r = begin; r < end; r += DEPTH) {
            if (!scaled && r + DEPTH <= p.depth) {
                bring_a(first_row, r, lane, false);
                bring_b(first_column, r, lane, false);
            } else {
                bring_a(first_row, r, lane, true);
                bring_b(first_column, r, lane, true);
            }
            workgroupBarrier();
            for (var step = part * BREADTH; step < (part + 1u) * BREADTH; step += MATRIX) {
                let b0 = right(step, c);
                let b1 = right(step, c + MATRIX);
                let b2 = right(step, c + 2u * MATRIX);
                let b3 = right(step, c + 3u * MATRIX);
                let a0 = left(m, step);
                s[0] = subgroupMatrixMultiplyAccumulate(a0, b0, s[0]);
                s[1] = subgroupMatrixMultiplyAccumulate(a0, b1, s[1]);
                s[2] = subgroupMatrixMultiplyAccumulate(a0, b2, s[2]);
                s[3] = subgroupMatrixMultiplyAccumulate(a0, b3, s[3]);
                let a1 = left(m + MATRIX, step);
                s[4] = subgroupMatrixMultiplyAccumulate(a1, b0, s[4]);
                s[5] = subgroupMatrixMultiplyAccumulate(a1, b1, s[5]);
                s[6] = subgroupMatrixMultiplyAccumulate(a1, b2, s[6]);
                s[7] = subgroupMatrixMultiplyAccumulate(a1, b3, s[7]);
                let a2 = left(m + 2u * MATRIX, step);
                s[8] = subgroupMatrixMultiplyAccumulate(a2, b0, s[8]);
                s[9] = subgroupMatrixMultiplyAccumulate(a2, b1, s[9]);
                s[10] = subgroupMatrixMultiplyAccumulate(a2, b2, s[10]);
                s[11] = subgroupMatrixMultiplyAccumulate(a2, b3, s[11]);
                let a3 = left(m + 3u * MATRIX, step);
                s[12] = subgroupMatrixMultiplyAccumulate(a3, b0, s[12]);
                s[13] = subgroupMatrixMultiplyAccumulate(a3, b1, s[13]);
                s[14] = subgroupMatrixMultiplyAccumulate(a3, b2, s[14]);
                s[15] = subgroupMatrixMultiplyAccumulate(a3, b3, s[15]);
            }
            workgroupBarrier();
        }
        if (again || scaled || !is_over(lane)) {
            deliver(s[0], subgroup, lane, first_row, first_column, 0u, 0u);
            deliver(s[1], subgroup, lane, first_row, first_column, 0u, MATRIX);
            deliver(s[2], subgroup, lane, first_row, first_column, 0u, 2u * MATRIX);
            deliver(s[3], subgroup, lane, first_row, first_column, 0u, 3u * MATRIX);
            deliver(s[4], subgroup, lane, first_row, first_column, MATRIX, 0u);
            deliver(s[5], subgroup, lane, first_row, first_column, MATRIX, MATRIX);
            deliver(s[6], subgroup, lane, first_row, first_column, MATRIX, 2u * MATRIX);
            deliver(s[7], subgroup, lane, first_row, first_column, MATRIX, 3u * MATRIX);
            deliver(s[8], subgroup, lane, first_row, first_column, 2u * MATRIX, 0u);
            deliver(s[9], subgroup, lane, first_row, first_column, 2u * MATRIX, MATRIX);
            deliver(s[10], subgroup, lane, first_row, first_column, 2u * MATRIX, 2u * MATRIX);
            deliver(s[11], subgroup, lane, first_row, first_column, 2u * MATRIX, 3u * MATRIX);
            deliver(s[12], subgroup, lane, first_row, first_column, 3u * MATRIX, 0u);
            deliver(s[13], subgroup, lane, first_row, first_column, 3u * MATRIX, MATRIX);
            deliver(s[14], subgroup, lane, first_row, first_column, 3u * MATRIX, 2u * MATRIX);
            deliver(s[15], subgroup, lane, first_row, first_column, 3u * MATRIX, 3u * MATRIX);
            return;
        }
        again = true;
    }
}
