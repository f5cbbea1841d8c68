// matvec_dot.wgsl - for matvec.wgsl: what the decoders of block formats share where x is rounded to whole numbers of 8 bits, so
// that four products and their sum are one instruction, dot4I8Packed. A run of columns has one scale, its largest over 127, as
// the blocks of op quantize do. Each invocation rounds what it reads, once for the four rows of w that it serves.

struct Run { // 16 columns: scale times code
    codes: vec4<u32>, // four a word
    scale: f32,
}

struct TwoRuns { // 32 columns side by side
    codes: array<vec4<u32>, 2>,
    scale: f32,
}

// Four whole numbers of 8 bits from values that lie within them: beside 1.5 * 2^23 an F32 has steps of 1.
fn packed(values: vec4<f32>) -> u32 {
    let bits = bitcast<vec4<u32>>(values + vec4<f32>(12582912.0));
    return (bits.x & 255u) | ((bits.y & 255u) << 8u) | ((bits.z & 255u) << 16u) | (bits.w << 24u);
}

fn packed4(columns: mat4x4<f32>, scale: f32) -> vec4<u32> {
    return vec4<u32>(packed(columns[0] * scale), packed(columns[1] * scale), packed(columns[2] * scale),
                     packed(columns[3] * scale));
}

fn largest(columns: mat4x4<f32>) -> f32 {
    let four = max(max(abs(columns[0]), abs(columns[1])), max(abs(columns[2]), abs(columns[3])));
    return max(max(four.x, four.y), max(four.z, four.w));
}

// What columns of that size are multiplied by.
fn scale_to_codes(size: f32) -> f32 { return select(0.0, 127.0 / size, size > 0.0); }

fn columns_at(t: u32, i: u32) -> mat4x4<f32> { // the 16 from 4i on
    return mat4x4<f32>(input4(t, i), input4(t, i + 1u), input4(t, i + 2u), input4(t, i + 3u));
}

fn run_at(t: u32, i: u32) -> Run {
    let columns = columns_at(t, i);
    let size = largest(columns);
    return Run(packed4(columns, scale_to_codes(size)), size / 127.0);
}

fn two_runs_at(t: u32, i: u32) -> TwoRuns {
    let first = columns_at(t, i);
    let second = columns_at(t, i + 4u);
    let size = max(largest(first), largest(second));
    let scale = scale_to_codes(size);
    return TwoRuns(array<vec4<u32>, 2>(packed4(first, scale), packed4(second, scale)), size / 127.0);
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return (dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y)) + (dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w));
}

fn sum16(codes: vec4<u32>) -> i32 { return dot16(codes, vec4<u32>(0x01010101u)); }

const LOW_HALVES: vec4<u32> = vec4<u32>(0x0f0f0f0fu);

// Sixteen bytes that begin at word `i` of five, or in the middle of it.
fn bytes_from(words: vec4<u32>, next: u32, whole: bool) -> vec4<u32> {
    let after = vec4<u32>(words.yzw, next);
    return select((words >> vec4<u32>(16u)) | (after << vec4<u32>(16u)), words, whole);
}

// Of groups 2j and 2j + 1, as a block's first four words pack them (quant_fit.h): of the codes, of the columns' sums.
fn two_groups_scales(head: vec4<u32>, j: u32) -> vec4<f32> {
    let shift = (j & 1u) * 16u;
    let a = head.y >> shift;
    let b = head.z >> shift;
    let c = head.w >> shift;
    let upper = j >= 2u; // four bits in c, two above those of the lower groups
    let scales = select(a & 0x3f3fu, (c & 0x0f0fu) | ((a >> 2u) & 0x3030u), upper);
    let offsets = select(b & 0x3f3fu, ((c >> 4u) & 0x0f0fu) | ((b >> 2u) & 0x3030u), upper);
    let d = unpack2x16float(head.x);
    return vec4<f32>(vec4<u32>(scales, scales >> 8u, offsets, offsets >> 8u) & vec4<u32>(255u)) *
           vec4<f32>(d.x, d.x, -d.y, -d.y);
}

struct TwoGroups { // of Q4_K or Q5_K, 64 columns: the second's codes in the upper halves of the bytes
    codes: array<vec4<u32>, 2>,
    scales: vec4<f32>,
}

struct TwoGroupsColumns {
    low: TwoRuns,
    high: TwoRuns,
    sums: vec2<f32>,
}

fn sum_of(runs: TwoRuns) -> f32 { return runs.scale * f32(sum16(runs.codes[0]) + sum16(runs.codes[1])); }

fn two_groups_columns(t: u32, c: u32) -> TwoGroupsColumns {
    let low = two_runs_at(t, c * 16u);
    let high = two_runs_at(t, c * 16u + 8u);
    return TwoGroupsColumns(low, high, vec2<f32>(sum_of(low), sum_of(high)));
}
