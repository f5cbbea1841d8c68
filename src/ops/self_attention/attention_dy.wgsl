// SPDX-License-Identifier: MIT
// attention_dy.wgsl - the same for dy, where gradients are made. See attention_qkv.wgsl.
fn dy_any(at: u32, n: u32) -> vec4<f32> { return quad_of(dy[at / 4u], dy[last_of(at, n) / 4u], at, n); }

fn dy_rows(token: u32, step: u32, head: u32, d: u32) -> Quads {
    let reads = reads_of(p.dy_offset, p.dy_stride, head * p.dy_head_stride, token, step, d);
    let i = reads.at / 4u;
    if (p.aligned != 0u) { return there(Quads(dy[i.x], dy[i.y], dy[i.z], dy[i.w]), reads.n); }
    return Quads(dy_any(reads.at.x, reads.n.x), dy_any(reads.at.y, reads.n.y), dy_any(reads.at.z, reads.n.z),
                 dy_any(reads.at.w, reads.n.w));
}
