// SPDX-License-Identifier: MIT
// rope_table.wgsl - out[t] = [cos(angle), sin(angle)] * scale, angle = p * inv_freq; an invocation makes one pair.
//
// WGSL promises sin and cos only near zero. So the angle, a float m 2^e, is divided by a whole turn in integers: the 64
// bits of 2^e / (2 pi) that matter are multiplied by m, modulo 1 (Payne, Hanek 1983), which is exact to 2^-40 of a turn
// at any position; the rest, an eighth of a turn at most, goes through Chebyshev fits.
struct Params {
    out: Rows,
    positions_offset: u32,
    freqs_offset: u32,
    half: u32, // pairs of a row
    n: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> positions: array<i32>;
@group(0) @binding(2) var<storage, read> freqs: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const TURN: f32 = 6.28318530718;

// Word i of 1 / (2 pi) in binary: word 1 is the first after the point.
fn inverse_turn(i: u32) -> u32 {
    switch i {
        case 1u: { return 0x28be60dbu; }
        case 2u: { return 0x9391054au; }
        case 3u: { return 0x7f09d5f4u; }
        case 4u: { return 0x7d4d3770u; }
        default: { return 0u; }
    }
}

// 32 bits of 2^e / (2 pi), from bit `first` after the point on; -31 <= first < 96.
fn inverse_turn_bits(first: i32) -> u32 {
    let i = u32(first + 32) / 32u;
    let shift = u32(first + 32) % 32u;
    if (shift == 0u) { return inverse_turn(i); }
    return (inverse_turn(i) << shift) | (inverse_turn(i + 1u) >> (32u - shift));
}

// The upper 32 bits of a b.
fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}

// angle / (2 pi), modulo 1, as a fraction of 2^32; angle between 1/2 and 2^31.
fn turns_of(angle: f32) -> u32 {
    let bits = bitcast<u32>(angle);
    let e = i32((bits >> 23u) & 255u) - 150;
    let m = (bits & 0x7fffffu) | 0x800000u;
    let high = inverse_turn_bits(e); // of 2^e / (2 pi), the 64 bits after the point
    let low = inverse_turn_bits(e + 32);
    return m * high + multiply_high(m, low);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let i = group_index(group, n_groups) * 256u + lane;
    if (i >= p.n) { return; }
    let row = i / p.half;
    let pair = i % p.half;
    let angle = f32(positions[p.positions_offset + row]) * freqs[p.freqs_offset + pair];
    var quarter = 0u;
    var r = angle; // what is left beyond whole quarters of a turn
    if (abs(angle) >= 0.5) {
        let turns = turns_of(abs(angle));
        quarter = (turns + 0x20000000u) >> 30u;
        r = f32(bitcast<i32>(turns - (quarter << 30u))) * (TURN / 4294967296.0) * sign(angle);
        if (angle < 0.0) { quarter = (4u - quarter) & 3u; }
    }
    let s = r * r;
    let sine = r + r * s * (-0.166666667 + s * (8.33333187e-3 + s * (-1.98400857e-4 + s * 2.72497972e-6)));
    let cosine = 1.0 - 0.5 * s + s * s * (4.16666647e-2 + s * (-1.38883030e-3 + s * 2.45479105e-5));
    var turned = vec2<f32>(cosine, sine);
    switch quarter {
        case 1u: { turned = vec2<f32>(-sine, cosine); }
        case 2u: { turned = -turned; }
        case 3u: { turned = vec2<f32>(sine, -cosine); }
        default: {}
    }
    let at = row_start(p.out, row) + pair;
    out[at] = turned.x * p.scale;
    out[at + p.half] = turned.y * p.scale;
}
