// SPDX-License-Identifier: MIT
// trainer.h - a training run from inside: what trainer.c and its neighbours share. Public handle: tdl_trainer.
//
// tdl_trainer_step walks through phases, and returns PENDING between them wherever a device is at work: micro-batches'
// gradients, the update, validation, a checkpoint. What it takes to go on exactly where a run stopped is in the checkpoint:
// weights, moments, the reader's state, the counters below; all randomness follows from the seed and these.
#ifndef TDL_TRAIN_TRAINER_H
#define TDL_TRAIN_TRAINER_H

#include "train/checkpoint.h"
#include "train/data_reader.h"
#include "train/dataset.h"
#include "train/export.h"
#include "train/fingerprint.h"
#include "train/run_lock.h"
#include "train/run_log.h"
#include "train/run_start.h"
#include "train/schedule.h"
#include "train/train_engine.h"

typedef enum tdl_train_phase {
    TDL_PHASE_NEXT = 0,   // between steps
    TDL_PHASE_GRADIENTS,  // a micro-batch is under way
    TDL_PHASE_UPDATE,     // the optimizer is under way
    TDL_PHASE_VALIDATE,   // a micro-batch of validation data is under way
    TDL_PHASE_SAMPLE,     // a token of a sample is under way
    TDL_PHASE_CHECKPOINT, // a state is on its way into a checkpoint
    TDL_PHASE_DIAGNOSE,   // after a value that is not finite: where it came from
    TDL_PHASE_CLEAR,      // then an update that changes nothing and clears the gradients
    TDL_PHASE_END,        // nothing is left to do
    // Asked for between steps: a checkpoint; a parameter on its way into an exported model, or into a file of adapters.
    TDL_PHASE_ASKED_CHECKPOINT,
    TDL_PHASE_SAVE,
    TDL_PHASE_SAVE_ADAPTERS,
} tdl_train_phase;

// What a checkpoint holds of the run beside tensors.
typedef struct tdl_train_counts {
    int32_t step;       // steps done
    int32_t n_bad_vals; // evaluations in a row without a better loss
    int32_t best_step;  // 0: none yet
    float best_loss;    // on the validation data
    float scale;        // of the loss, a power of two: keeps small gradients from vanishing in F16; 0: not chosen yet
} tdl_train_counts;

// A text that the model goes on from now and then (trainer_sample.c). prompt NULL: none.
typedef struct tdl_train_sample {
    int32_t *prompt;          // [n_prompt]
    int32_t *ids, *positions; // [n_window]
    int32_t n_prompt, n_window;
    int32_t n;     // of ids so far
    float *logits; // [n_vocab] of the last one
    tdl_str text;  // what came of it
} tdl_train_sample;

struct tdl_trainer {
    const tdl_allocator *mem;
    tdl_trainer_desc desc; // with defaults; its texts are not used after create
    char *dir;
    char *model_path; // that the weights came from; NULL: they were drawn
    tdl_run_lock *lock;
    tdl_run_start *start; // of a run that is never used its directory keeps nothing
    bool used;            // for a step, a checkpoint or a model
    tdl_run_log *log;
    tdl_device *device; // owned where the caller gave none
    bool owns_device;
    tdl_model *model;
    tdl_train_engine *engine;
    tdl_dataset *data, *val_data;         // val_data NULL: none of its own
    uint64_t n_held_out;                  // records of data that are validation data
    bool keeps_best;                      // the weights with the lowest validation loss are those of the end
    tdl_data_reader *reader, *val_reader; // micro-batches
    tdl_data_state val_start, step_start; // step_start: before the step at hand
    tdl_fingerprint base;                 // what the weights were at first
    tdl_checkpoint *resumed;              // during create: what the run goes on from; NULL: a new run
    tdl_str notes;                        // lines for people
    tdl_schedule_desc schedule;
    tdl_train_counts counts;

    tdl_train_phase phase, before; // before: what was asked for
    tdl_hypers hypers;             // of the step at hand
    tdl_data_batch batch;          // under way
    int32_t n_micro;               // micro-batches of the step, or of the evaluation, that are done
    int64_t n_counted;             // targets of the step, or of the evaluation so far
    double loss_sum;
    tdl_train_step result;
    uint64_t begun_ns; // of the step at hand

    tdl_train_sample sample;
    bool logged; // the step at hand; what came of it is told when its checkpoints are written
    tdl_status log_status;
    tdl_error log_err;
    bool writes_best, writes_last; // checkpoints that this step has still to write
    tdl_checkpoint_writer *writer; // of the one under way; the best's has weights alone
    int32_t n_written, n_to_write; // states of it
    uint8_t *staging;              // the state that is being read

    tdl_export *export;   // under way
    tdl_tensor *tensors;  // [model's params.n] the shapes of what it is given
    float **values;       // [n_values] read from the device; NULL: not yet
    int32_t n_values;     // known also when the engine, whose reads end first, is gone
    const char *diverged; // what is not finite: "the loss"
    char where[200];      // it came from
};

// At least so many, of which some are held out where nobody said. Of fewer each may be all that says a thing: of thirty lines to
// SmolLM2-135M-Instruct the one that was held out was the one answer it then did not know; and the loss on one says nothing.
enum { TDL_SPLIT_RECORDS = 100 };

// What defaults follow from beside the desc. Zeros: not known yet.
typedef struct tdl_run_facts {
    bool opened;           // model and data are: what follows is known, but for n_windows
    int32_t n_ctx, n_embd; // of the model
    uint64_t n_fit;        // tokens of the window that holds each record whole; 0 also: the data is text
    uint64_t n_records;    // that some can be held out of; 0 also: there is text among the data
    uint64_t n_windows;    // of an epoch
} tdl_run_facts;

// The desc with every default set and checked. Errors: ARGUMENT.
tdl_status tdl_trainer_settings(const tdl_trainer_desc *desc, const tdl_run_facts *facts, tdl_trainer_desc *out,
                                tdl_error *err);

// trainer_data.c: opens the data and cuts it into windows, and sets t->desc: desc, as a resumed run has it, with every default.
tdl_status tdl_trainer_open_data(tdl_trainer *trainer, const tdl_trainer_desc *desc, tdl_error *err);
// Where validation data is read from; NULL: there is none.
static inline const tdl_dataset *tdl_trainer_val_data(const tdl_trainer *trainer) {
    return trainer->val_data ? trainer->val_data : trainer->n_held_out ? trainer->data : NULL;
}

// trainer_resume.c. Opens the run's checkpoint, where there is one, and sets *desc's fields that are 0 to what they were.
tdl_status tdl_trainer_resume_begin(tdl_trainer *trainer, tdl_trainer_desc *desc, tdl_error *err);
// Whether the checkpoint is of this run; what else differs is noted. Errors: ARGUMENT, FORMAT.
tdl_status tdl_trainer_resume_check(tdl_trainer *trainer, tdl_error *err);
// What the check will need.
tdl_status tdl_trainer_write_settings(const tdl_trainer *trainer, tdl_checkpoint_writer *writer, tdl_error *err);

// trainer_notes.c: what to say of the data; of the run for its page and DIR/run.json, one JSON object.
tdl_train_data_info tdl_trainer_data_info(const tdl_trainer *trainer, bool val);
tdl_status tdl_trainer_note_data(tdl_trainer *trainer, tdl_error *err);
tdl_status tdl_trainer_describe(const tdl_trainer *trainer, tdl_str *json, tdl_error *err);

// trainer_sample.c: what a sample begins with; begins one; after a poll: PENDING, or OK and trainer->sample.text is what the model
// makes of it. Errors of open: ARGUMENT (longer than the context), MEMORY.
tdl_status tdl_trainer_sample_open(tdl_trainer *trainer, tdl_error *err);
void tdl_trainer_sample_close(tdl_trainer *trainer);
tdl_status tdl_trainer_sample_begin(tdl_trainer *trainer, tdl_error *err);
tdl_status tdl_trainer_sample_advance(tdl_trainer *trainer, tdl_error *err);

// trainer_checkpoint.c: begins a checkpoint; advances it: PENDING, or OK when it is on the disk.
tdl_status tdl_trainer_checkpoint_begin(tdl_trainer *trainer, bool best, tdl_error *err);
tdl_status tdl_trainer_checkpoint_advance(tdl_trainer *trainer, tdl_error *err);
// Whether the run's dir has a checkpoint; opens it; sets the trainer to what it holds. Errors: IO, FORMAT, ARGUMENT (of another run).
bool tdl_trainer_checkpoint_exists(const tdl_trainer *trainer);
tdl_status tdl_trainer_checkpoint_open(const tdl_trainer *trainer, bool best, tdl_checkpoint **out, tdl_error *err);
tdl_status tdl_trainer_restore(tdl_trainer *trainer, tdl_error *err);
tdl_status tdl_trainer_restore_best(tdl_trainer *trainer, tdl_error *err);
// For what is asked for between steps: enters the phase, or polls where it is the present one, which *begins tells. What
// comes of it goes through leave, which returns to the phase before, unless it is PENDING.
// Errors: ARGUMENT (a step, or something else that was asked for, is under way), DEVICE.
tdl_status tdl_trainer_enter(tdl_trainer *trainer, tdl_train_phase phase, bool *begins, tdl_error *err);
tdl_status tdl_trainer_leave(tdl_trainer *trainer, tdl_status status);
// trainer_save.c: lets go of what a save under way has, if there is one.
void tdl_trainer_end_save(tdl_trainer *trainer);

#endif
