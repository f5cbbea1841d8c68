// SPDX-License-Identifier: MIT
// matmul_mend_whole.wgsl - for matmul_mend.wgsl where sums come in one piece.
const SHARED: bool = false;

fn share_at(share: u32, row: u32, column: u32) -> f32 { return 0.0; }
