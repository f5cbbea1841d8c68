// SPDX-License-Identifier: MIT
// loss_page.h - a run's curves as one HTML file: no network, no library, the data in it.
//
// Training loss and validation loss over steps, and below them the learning rate, the gradient's norm and the speed. With
// axes, values under the pointer, a logarithmic scale on demand, light and dark.
#ifndef TDL_TRAIN_LOSS_PAGE_H
#define TDL_TRAIN_LOSS_PAGE_H

#include "base/str.h"

typedef struct tdl_run_line {
    int64_t step;
    double loss, lr, tokens_per_s;
    double grad_norm, val_loss; // where has_ says so; a loss is NaN where no token was counted
    int64_t n_counted;          // targets of the step
    bool has_grad_norm, has_val_loss, has_n_counted;
    const char *sample; // UTF-8; NULL: none. For the log's line alone, borrowed for the call
} tdl_run_line;

// Writes the page to `path`, temporary name first. At most some thousand points are drawn: of a longer run each point is the
// mean of neighbouring steps. Errors: IO, MEMORY.
// run: a JSON object of settings that the page lists; NULL: none.
tdl_status tdl_loss_page_write(const tdl_allocator *mem, const char *path, const char *title, const char *run,
                               const tdl_run_line *lines, size_t n, tdl_error *err);

#endif
