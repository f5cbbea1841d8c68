// matvec_dot_words.wgsl - for matvec_dot.wgsl: blocks that begin at an even byte. They are read 16 bytes at a time, since what a load
// costs is the lines it touches, and moved into place when they are used.
const AHEAD: bool = false;

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;

// Byte 0 of the 16 that hold this byte of the matrix.
fn sixteen_of(byte: u32) -> u32 { return p.w_offset / 4u + byte / 16u; }

// The 16 bytes from byte `skip`, an even number below 16, of a and b on.
fn moved(a: vec4<u32>, b: vec4<u32>, skip: u32) -> vec4<u32> {
    let two = (skip & 8u) != 0u;
    let words = select(a, vec4<u32>(a.zw, b.xy), two);
    let next = select(b.xy, b.zw, two);
    let one = (skip & 4u) != 0u;
    let whole = select(words, vec4<u32>(words.yzw, next.x), one);
    return select(whole, halves(whole, select(next.x, next.y, one)), (skip & 2u) != 0u);
}

// The 16 bytes that begin in the middle of the first word.
fn halves(words: vec4<u32>, next: u32) -> vec4<u32> {
    return (words >> vec4<u32>(16u)) | (vec4<u32>(words.yzw, next) << vec4<u32>(16u));
}
