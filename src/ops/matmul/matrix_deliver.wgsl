// SPDX-License-Identifier: MIT
// matrix_deliver.wgsl - a part of main: stores the sums.
deliver(s[0], subgroup, lane, first_row, first_column);
deliver(s[1], subgroup, lane, first_row, first_column + MATRIX);
deliver(s[2], subgroup, lane, first_row, first_column + 2u * MATRIX);
deliver(s[3], subgroup, lane, first_row, first_column + 3u * MATRIX);
deliver(s[4], subgroup, lane, first_row + MATRIX, first_column);
deliver(s[5], subgroup, lane, first_row + MATRIX, first_column + MATRIX);
deliver(s[6], subgroup, lane, first_row + MATRIX, first_column + 2u * MATRIX);
deliver(s[7], subgroup, lane, first_row + MATRIX, first_column + 3u * MATRIX);
deliver(s[8], subgroup, lane, first_row + 2u * MATRIX, first_column);
deliver(s[9], subgroup, lane, first_row + 2u * MATRIX, first_column + MATRIX);
deliver(s[10], subgroup, lane, first_row + 2u * MATRIX, first_column + 2u * MATRIX);
deliver(s[11], subgroup, lane, first_row + 2u * MATRIX, first_column + 3u * MATRIX);
deliver(s[12], subgroup, lane, first_row + 3u * MATRIX, first_column);
deliver(s[13], subgroup, lane, first_row + 3u * MATRIX, first_column + MATRIX);
deliver(s[14], subgroup, lane, first_row + 3u * MATRIX, first_column + 2u * MATRIX);
deliver(s[15], subgroup, lane, first_row + 3u * MATRIX, first_column + 3u * MATRIX);
