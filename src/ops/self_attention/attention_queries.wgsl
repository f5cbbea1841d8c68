// SPDX-License-Identifier: MIT
// attention_queries.wgsl - scores where a workgroup makes rows of queries.
// Of 64 queries with 32 keys.
fn products(wide_token: u32, wide_head: u32, first: u32, head: u32, lane: u32) -> Quads {
    var sums = Quads();
    for (var d = 0u; d < p.head_dim; d += SPAN) {
        let low = q_rows(wide_token + lane / 8u, 16u, wide_head, d + lane % 8u * 4u);
        let others = k_rows(first + lane / 16u, 8u, head, d + lane % 16u * 4u);
        workgroupBarrier(); // the last tiles have been used
        put_wide(brought_place(lane), low);
        put_narrow(exchanged(lane), others);
        workgroupBarrier();
        sums = add_products(sums, 0u, lane);
        if (d + DEPTH < p.head_dim) {
            let high = q_rows(wide_token + lane / 8u, 16u, wide_head, d + DEPTH + lane % 8u * 4u);
            workgroupBarrier();
            put_wide(brought_place(lane), high);
            workgroupBarrier();
            sums = add_products(sums, 8u, lane);
        }
    }
    return sums;
}
