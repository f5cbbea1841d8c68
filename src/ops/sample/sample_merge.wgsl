// SPDX-License-Identifier: MIT
// sample_merge.wgsl - the best candidates of all parts of a row, and the draw among them: see sample.h, whose functions these
// are. A workgroup makes a row; an invocation weighs a candidate and sums what stands before it.
struct Params {
    picked_offset: u32,
    n_parts: u32,
    row_words: u32, // of scratch
    plain_mantissa: u32, // the scale of temperature 1
    plain_exponent: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scratch: array<u32>;
@group(0) @binding(2) var<storage, read_write> picked: array<u32>;

const NOT_FINITE: u32 = 0xffffffffu; // TDL_SAMPLE_NOT_FINITE

var<workgroup> weights: array<u32, 64>;

// ---- numbers of 64 bits: (high, low) --------------------------------------------------------------------------------

fn mul64(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return vec2<u32>((a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u), (other << 16u) | (low & 0xffffu));
}

fn add64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let low = a.y + b;
    return vec2<u32>(a.x + u32(low < b), low);
}

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool { return a.x < b.x || (a.x == b.x && a.y < b.y); }

// floor(sum * fraction / 2^32)
fn share_of(sum: vec2<u32>, fraction: u32) -> vec2<u32> {
    return add64(mul64(sum.x, fraction), mul64(sum.y, fraction).x);
}

// ---- weights --------------------------------------------------------------------------------------------------------

// term - f / 2^32 * y
fn minus(term: u32, f: u32, y: u32) -> u32 { return term - mul64(f, y).x; }

fn exp2_of(f: u32) -> u32 {
    var y = minus(2838u, f, 219u);
    y = minus(32755u, f, y);
    y = minus(330788u, f, y);
    y = minus(2863360u, f, y);
    y = minus(20654775u, f, y);
    y = minus(119194166u, f, y);
    y = minus(515882496u, f, y);
    y = minus(1488522236u, f, y);
    return minus(2147483648u, f, y);
}

fn magnitude(key: u32) -> u32 { return select(~key, key, key >> 31u == 1u) & 0x7fffffffu; }

fn mantissa(bits: u32, exponent: u32) -> u32 {
    let own = max(bits >> 23u, 1u);
    let value = (bits & 0x7fffffu) | select(0u, 0x800000u, bits >> 23u != 0u);
    return select(0u, (value << 6u) >> min(exponent - own, 31u), exponent - own < 31u);
}

fn weight_of(largest: u32, key: u32, scale_mantissa: u32, scale_exponent: u32) -> u32 {
    if (key == largest) { return 0x80000000u; }
    let a_bits = magnitude(largest);
    let b_bits = magnitude(key);
    if (a_bits == 0x7f800000u || b_bits == 0x7f800000u) { return 0u; }
    let exponent = max(1u, max(a_bits >> 23u, b_bits >> 23u));
    let a = mantissa(a_bits, exponent);
    let b = mantissa(b_bits, exponent);
    let apart = select(max(a, b) - min(a, b), a + b, largest >> 31u != key >> 31u);
    if (apart == 0u) { return 0x80000000u; }
    let shift = 130 - i32(exponent) - bitcast<i32>(scale_exponent);
    if (shift < 0) { return 0u; }
    if (shift > 63) { return 0x80000000u; }
    let product = mul64(apart, scale_mantissa);
    var x = product.x >> (u32(shift) & 31u); // of a shift by 32 and more
    if (shift < 32) {
        if (product.x >> u32(shift) != 0u) { return 0u; }
        x = product.y >> u32(shift);
        if (shift > 0) { x |= product.x << (32u - u32(shift)); }
    }
    if (x >> 31u != 0u) { return 0u; }
    return exp2_of(x << 6u) >> (x >> 26u);
}

// Of the first n.
fn sum_of(n: u32) -> vec2<u32> {
    var sum = vec2<u32>(0u, 0u);
    for (var i = 0u; i < n; i++) { sum = add64(sum, weights[i]); }
    return sum;
}

// See tdl_sample_finite.
fn is_finite(largest: u32) -> bool { return largest < 0xff800000u && largest > 0x007fffffu; }

// The row's candidate of this number, or `otherwise` where that is none.
fn candidate_of(base: u32, number: u32, otherwise: vec2<u32>) -> vec2<u32> {
    let key = scratch[base + 8u + 2u * number];
    if (key == 0u) { return otherwise; }
    return vec2<u32>(key, scratch[base + 9u + 2u * number]);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let base = group.x * p.row_words;
    let k = scratch[base + 1u];
    if (k == 0u) { return; }
    let n = p.n_parts * k;
    let slot = p.picked_offset + scratch[base];
    if (k == 1u) { // greedy: nothing to draw
        var one = none(lane);
        if (lane < n) { one = candidate_of(base, lane, one); }
        hold_one(one, lane);
        if (lane == 0u) { picked[slot] = select(NOT_FINITE, held[0].y, is_finite(held[0].x)); }
        return;
    }
    hold_none(lane);
    for (var start = 0u; start < n; start += ROUND) {
        var own: array<vec2<u32>, OWN>;
        for (var i = 0u; i < OWN; i++) {
            let number = start + 256u * i + lane;
            own[i] = none(256u * (i + 1u) + lane);
            if (number < n) { own[i] = candidate_of(base, number, own[i]); }
        }
        hold_best(own, k, lane);
    }
    let largest = held[0].x;
    var key = 0u;
    if (lane < k) { key = held[lane].x; }
    var keeps = key != 0u && is_finite(largest);

    let top_p = scratch[base + 5u];
    let min_p = scratch[base + 6u];
    if ((top_p | min_p) != 0u) {
        var weight = 0u;
        if (keeps) { weight = weight_of(largest, key, p.plain_mantissa, p.plain_exponent); }
        if (lane < K_MAX) { weights[lane] = weight; }
        workgroupBarrier();
        if (lane < K_MAX) {
            let before = sum_of(lane);
            keeps = keeps && weight >= min_p;
            keeps = keeps && (top_p == 0u || lane == 0u || less64(before, share_of(sum_of(K_MAX), top_p)));
        }
        workgroupBarrier();
    }

    if (lane < K_MAX) {
        weights[lane] = 0u;
        if (keeps) { weights[lane] = weight_of(largest, key, scratch[base + 3u], scratch[base + 4u]); }
    }
    workgroupBarrier();
    if (lane == 0u && !is_finite(largest)) { picked[slot] = NOT_FINITE; }
    if (lane < K_MAX && keeps) {
        let before = sum_of(lane);
        let target_sum = share_of(sum_of(K_MAX), scratch[base + 2u]);
        if (!less64(target_sum, before) && less64(target_sum, add64(before, weights[lane]))) { picked[slot] = held[lane].y; }
    }
}
