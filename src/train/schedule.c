// SPDX-License-Identifier: MIT
// schedule.c - learning rates. Cosine: Loshchilov, Hutter 2017 (SGDR); warm-up, stable, decay: Hu et al. 2024 (MiniCPM).
#include "train/schedule.h"

#include <math.h>

float tdl_schedule_lr(const tdl_schedule_desc *s, int32_t step) {
    const double pi = 3.14159265358979323846;
    if (step <= s->n_warmup_steps) return (float)((double)s->lr * step / s->n_warmup_steps);
    int32_t first = s->n_warmup_steps; // the last step at the full rate
    if (s->kind == TDL_SCHEDULE_WSD && s->n_steps - s->n_decay_steps > first) first = s->n_steps - s->n_decay_steps;
    if (s->kind == TDL_SCHEDULE_CONSTANT || step <= first) return s->lr;
    double gone = step >= s->n_steps ? 1 : (double)(step - first) / (s->n_steps - first);
    double left = s->kind == TDL_SCHEDULE_COSINE ? (1 + cos(pi * gone)) / 2 : 1 - gone;
    return (float)((double)s->lr_min + left * ((double)s->lr - (double)s->lr_min));
}
