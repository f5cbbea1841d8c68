// SPDX-License-Identifier: MIT
// run_log.h - what a training run tells about itself, step by step: DIR/log.jsonl, TensorBoard events, DIR/loss.html; and
// once: DIR/run.json.
//
//     tdl_run_log *log = NULL;
//     tdl_run_log_open(&(tdl_run_log_desc){.mem = mem, .dir = "run", .title = "run", .resume_step = 1200}, &log, err);
//     tdl_run_log_add(log, &(tdl_run_line){.step = 1201, .loss = 3.5, .lr = 1e-3, .tokens_per_s = 9000}, err);
//     tdl_run_log_close(log, err);
//
// log.jsonl has one line a step: {"step":1201,"loss":3.5,"lr":0.001,"tokens_per_s":9000.0}, with "grad_norm", "n_counted",
// "val_loss" and "sample" where there are such. A value that is no number is null. Each line is written at once, so that `tail -f` follows the run.
#ifndef TDL_TRAIN_RUN_LOG_H
#define TDL_TRAIN_RUN_LOG_H

#include "train/loss_page.h"

typedef struct tdl_run_log tdl_run_log;

typedef struct tdl_run_log_desc {
    const tdl_allocator *mem;
    const char *dir;     // of the run; it is there
    const char *title;   // of the page; copied ("run" where it is not valid UTF-8)
    const char *run;     // a JSON object of settings, for run.json and the page; copied. NULL: none
    int64_t resume_step; // the last step of the checkpoint that the run goes on from; 0: a new run
    int64_t page_every;  // steps from one page to the next; 0: 100
} tdl_run_log_desc;

// The lines of an existing log up to resume_step stay, those after it are cut: their steps will come again. So is what a
// crash left at the end: a line not finished, or bytes that are none. Errors: IO, MEMORY, FORMAT (a line that no run has
// written, before others or in the first place).
tdl_status tdl_run_log_open(const tdl_run_log_desc *desc, tdl_run_log **out, tdl_error *err);
// Steps come in increasing order. Errors: ARGUMENT (a step that is not after the last), IO, MEMORY.
tdl_status tdl_run_log_add(tdl_run_log *log, const tdl_run_line *line, tdl_error *err);
// What was added is on the disk, as far as the system tells.
void tdl_run_log_sync(tdl_run_log *log);
// The lines so far, those of before a resume too; borrowed until the next call.
const tdl_run_line *tdl_run_log_lines(const tdl_run_log *log, size_t *n);
// Writes the page a last time and frees the log, on failure too. Accepts NULL.
tdl_status tdl_run_log_close(tdl_run_log *log, tdl_error *err);

#endif
