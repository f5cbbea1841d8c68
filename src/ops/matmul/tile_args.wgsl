// tile_args.wgsl - what tile.wgsl and tile_matrix.wgsl are given, and how they read a, whose rows may have any length.
struct Params {
    a_offset: u32,
    a_stride: u32,
    b_offset: u32,
    b_stride: u32,
    bias_offset: u32,
    y_offset: u32,
    y_stride: u32,
    n_rows: u32, // of y
    n_columns: u32, // of y
    depth: u32, // of the sums
    n_tiles: u32, // across
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;

// Four elements, each of its own.
fn a_words(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(a[at.x >> 2u][at.x & 3u], a[at.y >> 2u][at.y & 3u], a[at.z >> 2u][at.z & 3u],
                     a[at.w >> 2u][at.w & 3u]);
}
