// SPDX-License-Identifier: MIT
// matrix_sums.wgsl - a part of main: the sums from step `begin` to `end`. CAREFUL: as if each step were the last, which may lie beyond
// the end.
var s: array<Sum, 16>; // [row, column] of matrices
for (var r = begin; r < end; r += DEPTH) {
    if (!CAREFUL && r + DEPTH <= p.depth) {
        bring_a(first_row, r, lane, false);
        bring_b(first_column, r, lane, false);
    } else {
        bring_a(first_row, r, lane, true);
        bring_b(first_column, r, lane, true);
    }
    workgroupBarrier();
    for (var step = part * BREADTH; step < (part + 1u) * BREADTH; step += MATRIX) {
        let b0 = right(step, c);
        let b1 = right(step, c + MATRIX);
        let b2 = right(step, c + 2u * MATRIX);
        let b3 = right(step, c + 3u * MATRIX);
        let a0 = left(m, step);
        s[0] = subgroupMatrixMultiplyAccumulate(a0, b0, s[0]);
        s[1] = subgroupMatrixMultiplyAccumulate(a0, b1, s[1]);
        s[2] = subgroupMatrixMultiplyAccumulate(a0, b2, s[2]);
        s[3] = subgroupMatrixMultiplyAccumulate(a0, b3, s[3]);
        let a1 = left(m + MATRIX, step);
        s[4] = subgroupMatrixMultiplyAccumulate(a1, b0, s[4]);
        s[5] = subgroupMatrixMultiplyAccumulate(a1, b1, s[5]);
        s[6] = subgroupMatrixMultiplyAccumulate(a1, b2, s[6]);
        s[7] = subgroupMatrixMultiplyAccumulate(a1, b3, s[7]);
        let a2 = left(m + 2u * MATRIX, step);
        s[8] = subgroupMatrixMultiplyAccumulate(a2, b0, s[8]);
        s[9] = subgroupMatrixMultiplyAccumulate(a2, b1, s[9]);
        s[10] = subgroupMatrixMultiplyAccumulate(a2, b2, s[10]);
        s[11] = subgroupMatrixMultiplyAccumulate(a2, b3, s[11]);
        let a3 = left(m + 3u * MATRIX, step);
        s[12] = subgroupMatrixMultiplyAccumulate(a3, b0, s[12]);
        s[13] = subgroupMatrixMultiplyAccumulate(a3, b1, s[13]);
        s[14] = subgroupMatrixMultiplyAccumulate(a3, b2, s[14]);
        s[15] = subgroupMatrixMultiplyAccumulate(a3, b3, s[15]);
    }
    workgroupBarrier();
}
