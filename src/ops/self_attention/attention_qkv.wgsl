// SPDX-License-Identifier: MIT
// attention_qkv.wgsl - how the attention kernels of training read q, k and v: each invocation four quads (reads_of). One text a
// binding, since a function cannot be given a storage buffer.
fn q_any(at: u32, n: u32) -> vec4<f32> { return quad_of(q[at / 4u], q[last_of(at, n) / 4u], at, n); }

fn q_rows(token: u32, step: u32, head: u32, d: u32) -> Quads {
    let reads = reads_of(p.q_offset, p.q_stride, head * p.q_head_stride, token, step, d);
    let i = reads.at / 4u;
    if (p.aligned != 0u) { return there(Quads(q[i.x], q[i.y], q[i.z], q[i.w]), reads.n); }
    return Quads(q_any(reads.at.x, reads.n.x), q_any(reads.at.y, reads.n.y), q_any(reads.at.z, reads.n.z),
                 q_any(reads.at.w, reads.n.w));
}

fn k_any(at: u32, n: u32) -> vec4<f32> { return quad_of(k[at / 4u], k[last_of(at, n) / 4u], at, n); }

fn k_rows(token: u32, step: u32, head: u32, d: u32) -> Quads {
    let reads = reads_of(p.k_offset, p.k_stride, head * p.k_head_stride, token, step, d);
    let i = reads.at / 4u;
    if (p.aligned != 0u) { return there(Quads(k[i.x], k[i.y], k[i.z], k[i.w]), reads.n); }
    return Quads(k_any(reads.at.x, reads.n.x), k_any(reads.at.y, reads.n.y), k_any(reads.at.z, reads.n.z),
                 k_any(reads.at.w, reads.n.w));
}

fn v_any(at: u32, n: u32) -> vec4<f32> { return quad_of(v[at / 4u], v[last_of(at, n) / 4u], at, n); }

fn v_rows(token: u32, step: u32, head: u32, d: u32) -> Quads {
    let reads = reads_of(p.v_offset, p.v_stride, head * p.v_head_stride, token, step, d);
    let i = reads.at / 4u;
    if (p.aligned != 0u) { return there(Quads(v[i.x], v[i.y], v[i.z], v[i.w]), reads.n); }
    return Quads(v_any(reads.at.x, reads.n.x), v_any(reads.at.y, reads.n.y), v_any(reads.at.z, reads.n.z),
                 v_any(reads.at.w, reads.n.w));
}
