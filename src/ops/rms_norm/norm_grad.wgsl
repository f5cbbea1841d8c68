// SPDX-License-Identifier: MIT
// norm_grad.wgsl - the gradients of RMS norm and, where CENTERED, of layer norm; the kernel has the bindings, `p` and
// put_parts.
//
// A workgroup makes a group of rows, eight at a time: 32 invocations share a row's sums; then each has some columns, reads
// them of all eight rows again, makes dx and adds to what the group gives to dw (and db). Where rows are short, several
// invocations share a column, each with some of the rows. Four reads of a tensor are under way at a time.
const ROWS: u32 = 8u;
const LANES: u32 = 32u; // of a row's sums

// Of a row, y = n w (+ b) with n = (x - mean) scale: dx = scale (dn - shift - n slope), where dn = dy w.
struct Norm {
    mean: f32,
    scale: f32,
    shift: f32, // the mean of dn
    slope: f32, // the mean of dn n
    x: u32, // where the row begins
    dy: u32,
    dx: u32,
}

var<workgroup> sums: array<vec4<f32>, 256>;
var<workgroup> norms: array<Norm, ROWS>;

// The sum over the 32 invocations of a row.
fn row_sum(lane: u32, value: vec4<f32>) -> vec4<f32> {
    sums[lane] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    let sum = sums[lane / LANES * LANES];
    workgroupBarrier(); // the next sum overwrites it
    return sum;
}

fn x_four(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]); }

fn dy_four(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]); }

fn sum_of(values: vec4<f32>) -> f32 { return (values.x + values.y) + (values.z + values.w); }

fn norm_of_row(row: u32, end: u32, lane: u32) -> Norm {
    let x_row = row_start(p.x, row);
    let dy_row = row_start(p.dy, row);
    let n = select(0u, p.n_columns, row < end);
    let share = 1.0 / f32(p.n_columns);
    let steps = LANES * vec4<u32>(0u, 1u, 2u, 3u);
    var mean = 0.0;
    if (CENTERED) {
        var total = vec4<f32>(0.0);
        for (var i = lane % LANES; i < n; i += 4u * LANES) {
            let at = i + steps;
            total += select(vec4<f32>(0.0), x_four(x_row + min(at, vec4<u32>(n - 1u))), at < vec4<u32>(n));
        }
        mean = row_sum(lane, vec4<f32>(sum_of(total))).x * share;
    }
    var squares = vec4<f32>(0.0);
    var grads = vec4<f32>(0.0);
    var dots = vec4<f32>(0.0);
    for (var i = lane % LANES; i < n; i += 4u * LANES) {
        let inside = i + steps < vec4<u32>(n);
        let at = min(i + steps, vec4<u32>(n - 1u));
        let w_at = p.w_offset + at;
        let d = select(vec4<f32>(0.0), x_four(x_row + at) - mean, inside);
        let dn = dy_four(dy_row + at) * vec4<f32>(w[w_at.x], w[w_at.y], w[w_at.z], w[w_at.w]);
        squares += d * d;
        grads += select(vec4<f32>(0.0), dn, inside);
        dots += dn * d;
    }
    let means = row_sum(lane, vec4<f32>(sum_of(squares), sum_of(grads), sum_of(dots), 0.0)) * share;
    let scale = 1.0 / sqrt(means.x + p.eps);
    return Norm(mean, scale, select(0.0, means.y, CENTERED), means.z * scale, x_row, dy_row, row_start(p.dx, row));
}

// What column i of rows r of the eight gives to dw and db; makes its dx.
fn columns_of(i: u32, weight: f32, r: vec4<u32>, inside: vec4<bool>) -> vec2<f32> {
    let j = select(vec4<u32>(0u), r, inside); // the first row is there
    let mean = vec4<f32>(norms[j.x].mean, norms[j.y].mean, norms[j.z].mean, norms[j.w].mean);
    let scale = vec4<f32>(norms[j.x].scale, norms[j.y].scale, norms[j.z].scale, norms[j.w].scale);
    let shift = vec4<f32>(norms[j.x].shift, norms[j.y].shift, norms[j.z].shift, norms[j.w].shift);
    let slope = vec4<f32>(norms[j.x].slope, norms[j.y].slope, norms[j.z].slope, norms[j.w].slope);
    let d = dy_four(i + vec4<u32>(norms[j.x].dy, norms[j.y].dy, norms[j.z].dy, norms[j.w].dy));
    let normed = (x_four(i + vec4<u32>(norms[j.x].x, norms[j.y].x, norms[j.z].x, norms[j.w].x)) - mean) * scale;
    let values = scale * (d * weight - shift - normed * slope);
    for (var c = 0u; c < 4u; c += 1u) {
        if (inside[c]) { dx[norms[j[c]].dx + i] = values[c]; }
    }
    let none = vec4<f32>(0.0);
    return vec2<f32>(sum_of(select(none, d * normed, inside)), sum_of(select(none, d, inside)));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let part = group_index(group, n_groups);
    if (part >= p.n_parts) { return; }
    let first = min(part * p.part_rows, p.n_rows);
    let end = min(first + p.part_rows, p.n_rows);
    let share = lane / p.width; // of the rows of its columns
    let n_shares = 256u / p.width;
    if (first == end) { // an empty group
        for (var i = lane; i < p.n_columns; i += 256u) { put_parts(part, i, true, 0.0, 0.0); }
        return;
    }
    for (var row = first; row < end; row += ROWS) {
        let norm = norm_of_row(row + lane / LANES, end, lane);
        if (lane % LANES == 0u) { norms[lane / LANES] = norm; }
        workgroupBarrier();
        let n_rows = min(end - row, ROWS);
        for (var from_column = 0u; from_column < p.n_columns; from_column += p.width) {
            let i = from_column + lane % p.width;
            var parts = vec2<f32>(0.0);
            if (i < p.n_columns) {
                let weight = w[p.w_offset + i];
                for (var r = share; r < n_rows; r += 4u * n_shares) {
                    let four = r + n_shares * vec4<u32>(0u, 1u, 2u, 3u);
                    parts += columns_of(i, weight, four, four < vec4<u32>(n_rows));
                }
            }
            if (n_shares > 1u) {
                sums[lane] = vec4<f32>(parts, 0.0, 0.0);
                workgroupBarrier();
                for (var other = 1u; other < n_shares && share == 0u; other += 1u) {
                    parts += sums[other * p.width + lane].xy;
                }
            }
            if (share == 0u && i < p.n_columns) { put_parts(part, i, row == first, parts.x, parts.y); }
        }
        workgroupBarrier(); // what the next rows overwrite has been read
    }
}
