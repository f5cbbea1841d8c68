// SPDX-License-Identifier: MIT
// schedule.h - the learning rate of each step: a warm-up, then one of tdl_schedule's curves.
#ifndef TDL_TRAIN_SCHEDULE_H
#define TDL_TRAIN_SCHEDULE_H

#include "treadle.h"

typedef struct tdl_schedule_desc {
    tdl_schedule kind;
    int32_t n_steps, n_warmup_steps, n_decay_steps; // decay: of wsd
    float lr, lr_min;
} tdl_schedule_desc;

// The rate of step `step`, of which 1 is the first. Past n_steps it stays what it was at the end.
float tdl_schedule_lr(const tdl_schedule_desc *schedule, int32_t step);

#endif
