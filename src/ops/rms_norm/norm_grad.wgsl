// norm_grad.wgsl - the gradients of RMS norm and, where CENTERED, of layer norm; the kernel has the bindings, `p` and put_parts.
//
// A workgroup makes a group of rows, eight at a time: 32 invocations share a row's sums; then each has some columns, reads them
// of all eight rows again, makes dx and adds to what the group gives to dw (and db). Where rows are short, several
// invocations share a column, each with some of the rows.
const ROWS: u32 = 8u;
const LANES: u32 = 32u; // of a row's sums

// Of a row, y = n w (+ b) with n = (x - mean) scale: dx = scale (dn - shift - n slope), where dn = dy w.
struct Norm {
    mean: f32,
    scale: f32,
    shift: f32, // the mean of dn
    slope: f32, // the mean of dn n
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

fn norm_of_row(row: u32, end: u32, lane: u32) -> Norm {
    let x_row = row_start(p.x, row);
    let dy_row = row_start(p.dy, row);
    let n = select(0u, p.n_columns, row < end);
    let share = 1.0 / f32(p.n_columns);
    var mean = 0.0;
    if (CENTERED) {
        var total = 0.0;
        for (var i = lane % LANES; i < n; i += LANES) { total += x[x_row + i]; }
        mean = row_sum(lane, vec4<f32>(total)).x * share;
    }
    var squares = 0.0;
    var grads = 0.0;
    var dots = 0.0;
    for (var i = lane % LANES; i < n; i += LANES) {
        let d = x[x_row + i] - mean;
        let dn = dy[dy_row + i] * w[p.w_offset + i];
        squares += d * d;
        grads += dn;
        dots += dn * d;
    }
    let means = row_sum(lane, vec4<f32>(squares, grads, dots, 0.0)) * share;
    let scale = 1.0 / sqrt(means.x + p.eps);
    return Norm(mean, scale, select(0.0, means.y, CENTERED), means.z * scale);
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
    for (var row = first; row < max(end, first + 1u); row += ROWS) { // an empty group has one turn, with zeros
        let norm = norm_of_row(row + lane / LANES, end, lane);
        if (lane % LANES == 0u) { norms[lane / LANES] = norm; }
        workgroupBarrier();
        for (var from_column = 0u; from_column < p.n_columns; from_column += p.width) {
            let i = from_column + lane % p.width;
            var dw = 0.0;
            var db = 0.0;
            if (i < p.n_columns) {
                let weight = w[p.w_offset + i];
                for (var r = share; r < ROWS; r += n_shares) {
                    if (row + r >= end) { continue; }
                    let of_row = norms[r];
                    let d = dy[row_start(p.dy, row + r) + i];
                    let normed = (x[row_start(p.x, row + r) + i] - of_row.mean) * of_row.scale;
                    dx[row_start(p.dx, row + r) + i] =
                        of_row.scale * (d * weight - of_row.shift - normed * of_row.slope);
                    dw += d * normed;
                    db += d;
                }
            }
            if (n_shares > 1u) {
                sums[lane] = vec4<f32>(dw, db, 0.0, 0.0);
                workgroupBarrier();
                for (var other = 1u; other < n_shares && share == 0u; other += 1u) {
                    dw += sums[other * p.width + lane].x;
                    db += sums[other * p.width + lane].y;
                }
            }
            if (share == 0u && i < p.n_columns) { put_parts(part, i, row == first, dw, db); }
        }
        workgroupBarrier(); // what the next rows overwrite has been read
    }
}
