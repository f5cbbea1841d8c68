// SPDX-License-Identifier: MIT
// matvec_dot_words.wgsl - for matvec_dot.wgsl: blocks that begin at an even byte. They are read 16 bytes at a time, since what a load
// costs is the lines it touches, and moved into place.
@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

// Byte 0 of the 16 that hold this byte of the matrix.
fn sixteen_of(byte: u32) -> u32 { return p.w_offset / 4u + byte / 16u; }

// Of a and b, the 16 bytes that begin as far in a as `byte` lies in its sixteen.
fn moved(a: vec4<u32>, b: vec4<u32>, byte: u32) -> vec4<u32> {
    let two = (byte & 8u) != 0u;
    let words = select(a, vec4<u32>(a.zw, b.xy), two);
    let next = select(b.xy, b.zw, two);
    let one = (byte & 4u) != 0u;
    let whole = select(words, vec4<u32>(words.yzw, next.x), one);
    return select(whole, halves(whole, select(next.x, next.y, one)), (byte & 2u) != 0u);
}

// The 16 bytes that begin in the middle of the first word.
fn halves(words: vec4<u32>, next: u32) -> vec4<u32> {
    return (words >> vec4<u32>(16u)) | (vec4<u32>(words.yzw, next) << vec4<u32>(16u));
}
