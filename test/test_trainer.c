// SPDX-License-Identifier: MIT
// test_trainer.c - training runs through the public interface: the loss falls, runs repeat, resume, stop and fail as they should.
//
// The model is tiny and random; its text is made here from a few words, so that a few steps learn something.
#include "backend/backend.h"
#include "backend/cpu/cpu_features.h"
#include "backend/null/null_device.h"
#include "model/model_impl.h"
#include "support/adapter.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/train_runs.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#if defined(TDL_WEBGPU_LIBRARY)
static const char LIBRARY[] = TDL_WEBGPU_LIBRARY;
#else
static const char *const LIBRARY = NULL;
#endif

// It learns; what it saves runs, and says the validation loss again.
static void test_learns(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "learns", model[TEST_PATH_SIZE];
    tdl_trainer_desc desc = run_desc(f, run);
    const char *val[] = {f->val};
    desc.val_data = val, desc.n_val_data = 1, desc.n_val_every = 4, desc.n_steps = 40;
    test_path(model, f->dir, "learns.gguf");
    run_outcome o = run_whole(&desc, model);
    assert_int_equal(o.n_steps, 40);
    assert_true(fabsf(o.losses[0] - logf(512)) < 0.3f); // random weights: every token alike
    assert_true(o.losses[39] < 0.6f * o.losses[0]);
    assert_true(isnan(o.val_losses[0]) && o.val_losses[3] > o.val_losses[39]);

    tdl_model *opened = NULL;
    tdl_session *session = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_model_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = model}, &opened, &err),
                     TDL_OK);
    assert_int_equal(tdl_session_create(opened, &(tdl_session_desc){.size = sizeof(tdl_session_desc), .n_predict = 4},
                                        &session, &err),
                     TDL_OK);
    assert_int_equal(tdl_session_push_text(session, "the cat", 7, NULL, &err), TDL_OK);
    int32_t token;
    assert_int_equal(tdl_session_next(session, &token, &err), TDL_OK);
    tdl_session_destroy(session);
    tdl_model_close(opened);
}

// The same seed gives the same bits, with one thread or two; another seed does not.
static void test_repeats(void **state) {
    run_fixture *f = *state;
    run_outcome first = {0};
    char models[3][TEST_PATH_SIZE];
    for (int i = 0; i < 3; i++) {
        char run[TEST_PATH_SIZE], name[24];
        snprintf(run, sizeof run, "repeats%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        tdl_device *device = NULL;
        tdl_device_desc cpu = {.size = sizeof cpu, .n_threads = i == 1 ? 1 : 2};
        assert_int_equal(tdl_device_open(&cpu, &device, NULL), TDL_OK);
        desc.device = device;
        desc.dropout = desc.attention_dropout = 0.1f;
        if (i == 2) desc.seed = 4;
        snprintf(name, sizeof name, "repeats%d/r.gguf", i); // the name within is the file's
        run_outcome o = run_whole(&desc, test_path(models[i], f->dir, name));
        tdl_device_close(device);
        if (i == 0) first = o;
        if (i == 1) assert_same_losses(&first, &o);
        if (i == 2) assert_true(o.losses[0] != first.losses[0]);
    }
    assert_same_files(models[0], models[1]);
}

// Precision auto on a CPU that multiplies BF16: the same bits with one thread and two, and losses near F32's. One that does
// not, or may not, gives F32's own bits.
static void test_precision(void **state) {
    static const struct {
        const char *isa_max;
        tdl_precision precision;
        int32_t n_threads;
    } runs[] = {{NULL, TDL_PRECISION_F32, 2},
                {NULL, TDL_PRECISION_AUTO, 2},
                {NULL, TDL_PRECISION_AUTO, 1},
                {"plain", TDL_PRECISION_F32, 2},
                {"plain", TDL_PRECISION_AUTO, 2}};
    run_outcome o[5];
    for (int i = 0; i < 5; i++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "precision%d", i);
        tdl_trainer_desc desc = run_desc(*state, run);
        tdl_device_desc cpu = {.size = sizeof cpu, .n_threads = runs[i].n_threads, .isa_max = runs[i].isa_max};
        assert_int_equal(tdl_device_open(&cpu, &desc.device, NULL), TDL_OK);
        desc.precision = runs[i].precision;
        o[i] = run_whole(&desc, NULL);
        tdl_device_close(desc.device);
    }
    assert_same_losses(&o[1], &o[2]);
    assert_same_losses(&o[3], &o[4]);
    if (!(tdl_cpu_features() & TDL_FEATURE_AVX512_BF16)) {
        print_message("no BF16 on this CPU\n");
        assert_same_losses(&o[0], &o[1]);
        return;
    }
    assert_int_equal(o[1].n_steps, o[0].n_steps);
    assert_true(o[1].losses[0] != o[0].losses[0]);
    for (int i = 0; i < o[0].n_steps; i++)
        if (!(fabsf(o[1].losses[i] - o[0].losses[i]) < 5e-3f * o[0].losses[i]))
            fail_msg("step %d: loss %.9g, in F32 %.9g", i + 1, (double)o[1].losses[i], (double)o[0].losses[i]);
}

// A run that was stopped anywhere and resumed ends with the bits of one that was not: after a checkpoint asked for (7), after
// one made on the way (5, of 6 steps done), before the first.
static void test_resumes(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "whole", whole[TEST_PATH_SIZE], resumed[TEST_PATH_SIZE];
    tdl_trainer_desc desc = run_desc(f, run);
    const char *val[] = {f->val};
    desc.dropout = desc.attention_dropout = 0.1f, desc.val_data = val, desc.n_val_data = 1, desc.n_val_every = 4;
    run_outcome o = run_whole(&desc, test_path(whole, f->dir, "result.gguf"));
    static const int stops[] = {7, 6, 0};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        char part[TEST_PATH_SIZE];
        snprintf(part, sizeof part, "part%zu", i);
        tdl_trainer_desc first = run_desc(f, part);
        first.dropout = first.attention_dropout = 0.1f, first.val_data = val, first.n_val_data = 1,
        first.n_val_every = 4;
        tdl_trainer *trainer = run_create(&first);
        run_outcome before = run_advance(trainer, stops[i]);
        if (stops[i] == 7) assert_int_equal(run_checkpoint(trainer, NULL), TDL_OK);
        tdl_trainer_destroy(trainer);
        first.resume = true;
        run_outcome after = run_whole(&first, test_path(resumed, part, "result.gguf"));
        int kept = 12 - after.n_steps;
        assert_int_equal(kept, stops[i] == 7 ? 7 : stops[i] == 6 ? 5 : 0);
        assert_memory_equal(before.losses, o.losses, (size_t)before.n_steps * sizeof *o.losses);
        assert_memory_equal(after.losses, o.losses + kept, (size_t)after.n_steps * sizeof *o.losses);
        assert_same_files(whole, resumed);
        char a[TEST_PATH_SIZE], b[TEST_PATH_SIZE]; // but for the times, the log too
        assert_true(test_file_exists(test_path(a, part, "log.jsonl")) &&
                    test_file_exists(test_path(b, part, "loss.html")));
    }
}

// A step's gradients added up over 1, 2 and 4 micro-batches are the same sum in another order.
static void test_accumulates(void **state) {
    run_fixture *f = *state;
    run_outcome whole = {0};
    for (int32_t micro = 4; micro >= 1; micro /= 2) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "micro%d", micro);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.n_micro_batch = micro;
        run_outcome o = run_whole(&desc, NULL);
        if (micro == 4) whole = o;
        for (int i = 0; i < o.n_steps; i++) assert_true(fabsf(o.losses[i] - whole.losses[i]) < 2e-4f * whole.losses[i]);
    }
}

// Keeping activations or computing them again gives the same bits.
static void test_recomputes(void **state) {
    run_fixture *f = *state;
    char a[TEST_PATH_SIZE] = "kept", b[TEST_PATH_SIZE] = "again";
    tdl_trainer_desc kept = run_desc(f, a), again = run_desc(f, b);
    kept.dropout = again.dropout = kept.attention_dropout = again.attention_dropout = 0.2f;
    again.recompute = true;
    run_outcome x = run_whole(&kept, NULL), y = run_whole(&again, NULL);
    assert_same_losses(&x, &y);
}

// The largest difference between weights of two models of the same tensors.
static double largest_change(const char *a, const char *b) {
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    const char *paths[] = {a, b};
    tdl_model *models[2];
    tdl_error err = {0};
    double largest = 0;
    for (int i = 0; i < 2; i++) {
        const tdl_model_desc desc = {.size = sizeof desc, .path = paths[i], .precision = TDL_PRECISION_F32};
        if (tdl_model_open(&desc, &models[i], &err)) fail_msg("%s", err.message);
    }
    for (int32_t p = 0; p < models[0]->params.n; p++) {
        tdl_tensor whole[2];
        void *blocks[2] = {NULL};
        if (!models[0]->params.list[p].name || models[0]->params.list[p].tensor.dtype != TDL_DTYPE_F32) continue;
        for (int i = 0; i < 2; i++)
            if (tdl_param_whole(&models[i]->params, models[i]->weights, &models[i]->params.list[p], &whole[i],
                                &blocks[i], &err))
                fail_msg("%s", err.message);
        for (int64_t j = 0; j < tdl_tensor_n_elements(&whole[0]); j++)
            largest = fmax(largest, fabs((double)((float *)whole[0].data)[j] - ((float *)whole[1].data)[j]));
        tdl_free(mem, blocks[0]), tdl_free(mem, blocks[1]);
    }
    tdl_model_close(models[0]), tdl_model_close(models[1]);
    return largest;
}

// AdamW's first step, its moments corrected for having begun at zero: the rate, whatever the gradient (Kingma, Ba 2015, section 2.1).
static void test_first_step(void **state) {
    run_fixture *f = *state;
    char moved[TEST_PATH_SIZE], still[TEST_PATH_SIZE];
    const float rates[] = {1e-3f, TDL_ZERO};
    for (int i = 0; i < 2; i++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "first%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.n_steps = 1, desc.n_warmup_steps = -1, desc.schedule = TDL_SCHEDULE_CONSTANT;
        desc.lr = rates[i], desc.lr_min = i ? TDL_ZERO : 0, desc.weight_decay = TDL_ZERO, desc.clip_norm = TDL_ZERO;
        run_whole(&desc, i ? test_path(still, f->dir, "still.gguf") : test_path(moved, f->dir, "moved.gguf"));
    }
    double change = largest_change(moved, still);
    if (fabs(change - 1e-3) > 2e-6) fail_msg("the largest change is %g, the rate 0.001", change);
}

// With adapters over a quantized model only they change; merged, the model says what it said with them beside it.
static void test_adapters(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "lora", run2[TEST_PATH_SIZE] = "merged", model[TEST_PATH_SIZE];
    tdl_trainer_desc desc = run_desc(f, run);
    const char *val[] = {f->val}, *targets[] = {"blk.*.attn_q.weight", "blk.*.ffn_down.weight"};
    desc.config_path = desc.tokenizer_path = NULL;
    desc.model_path = TDL_REPO "/models/novelist-7m-q8_0.gguf";
    desc.n_steps = 4, desc.n_batch = 2, desc.lora_rank = 4, desc.lora_targets = targets, desc.n_lora_targets = 2;
    desc.val_data = val, desc.n_val_data = 1, desc.n_val_every = 4, desc.lr = 5e-3f;
    run_outcome o = run_whole(&desc, test_path(model, f->dir, "merged.gguf"));
    assert_true(o.losses[3] < o.losses[0]);
    float measured[2]; // of the model as it was, and merged: no step of these runs counts
    for (int i = 0; i < 2; i++) {
        snprintf(run2, sizeof run2, "measured%d", i);
        tdl_trainer_desc as_is = run_desc(f, run2);
        as_is.config_path = as_is.tokenizer_path = NULL;
        as_is.model_path = i ? model : desc.model_path;
        as_is.n_steps = 1, as_is.n_batch = 2, as_is.lr = 1e-12f, as_is.lr_min = -1, as_is.n_warmup_steps = -1;
        as_is.val_data = val, as_is.n_val_data = 1;
        measured[i] = run_whole(&as_is, NULL).val_losses[0];
    }
    float with = o.val_losses[3], learned = fabsf(with - measured[0]);
    print_message("validation loss %.6f, with adapters %.6f, merged %.6f\n", (double)measured[0], (double)with,
                  (double)measured[1]);
    assert_true(learned > 1e-2f && fabsf(with - measured[1]) < 0.03f * learned); // matrices became F16
}

// Stops when the validation loss no longer falls, and keeps the weights that had the lowest.
static void test_stops_early(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "early";
    tdl_trainer_desc desc = run_desc(f, run);
    const char *val[] = {f->val};
    desc.val_data = val, desc.n_val_data = 1, desc.n_val_every = 1, desc.n_patience = 2;
    desc.n_steps = 60, desc.lr = 0.5f, desc.n_warmup_steps = 5, desc.schedule = TDL_SCHEDULE_CONSTANT;
    tdl_trainer *trainer = run_create(&desc);
    run_outcome o = run_advance(trainer, 64);
    assert_int_equal(o.status, TDL_DONE);
    assert_true(o.n_steps < 60 && o.n_steps > 2);
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(trainer, &info);
    assert_int_equal(info.best_step, o.n_steps - 2);
    assert_true(info.best_val_loss < o.val_losses[o.n_steps - 1]);
    tdl_trainer_destroy(trainer);
}

// Dropout of attention's weights alone: steps see it, evaluation does not.
static void test_drops_weights(void **state) {
    run_fixture *f = *state;
    const char *val[] = {f->val};
    run_outcome o[2];
    for (int i = 0; i < 2; i++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "drops%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.n_steps = 2, desc.lr = 1e-12f, desc.lr_min = -1; // the weights stay as they are
        desc.val_data = val, desc.n_val_data = 1, desc.n_val_every = 1;
        if (i == 1) desc.attention_dropout = 0.5f;
        o[i] = run_whole(&desc, NULL);
    }
    assert_true(o[0].losses[0] != o[1].losses[0] && o[0].losses[1] != o[1].losses[1]);
    assert_memory_equal(o[0].val_losses, o[1].val_losses, 2 * sizeof *o[0].val_losses);
}

// A run that diverges says where.
static void test_diverges(void **state) {
    run_fixture *f = *state;
    char run[TEST_PATH_SIZE] = "diverges";
    tdl_trainer_desc desc = run_desc(f, run);
    desc.lr = 100, desc.weight_decay = 100, desc.n_warmup_steps = -1, desc.schedule = TDL_SCHEDULE_CONSTANT;
    desc.n_steps = 60;
    tdl_trainer *trainer = run_create(&desc);
    run_outcome o = run_advance(trainer, 64);
    assert_error(o.status, TDL_ERROR_NOT_FINITE, &o.err, "is not finite: op ");
    assert_non_null(strstr(o.err.message, " first made "));
    print_message("%s\n", o.err.message);
    tdl_trainer_destroy(trainer);
}

// 20 steps on a GPU lose what they lose on the CPU; on the GPU too a seed gives the same bits twice.
static void test_webgpu(void **state) {
    run_fixture *f = *state;
    run_outcome o[3];
    for (int i = 0; i < 3; i++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "gpu%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.n_steps = 20, desc.dropout = desc.attention_dropout = 0.1f;
        tdl_device_desc where = {.size = sizeof where, .name = i ? "webgpu" : "cpu", .library = LIBRARY};
        desc.device = adapter_open(&where);
        if (!desc.device) skip();
        o[i] = run_whole(&desc, NULL);
        tdl_device_close(desc.device);
    }
    float worst = 0;
    for (int i = 0; i < 20; i++) worst = fmaxf(worst, fabsf(o[1].losses[i] - o[0].losses[i]) / o[0].losses[i]);
    print_message("WebGPU's losses of 20 steps differ from the CPU's by %.1e at most\n", (double)worst);
    assert_true(worst < 1e-4f);
    assert_same_losses(&o[1], &o[2]);
}

static int64_t n_reads(const tdl_null_device *null) { return null->report.n_calls[TDL_NULL_READ]; }

// A directory has a tensor for each expert: all of them come from one read of the parameter, as for a GGUF file.
static void test_saves_experts(void **state) {
    run_fixture *f = *state;
    tdl_error err = {0};
    static const char more[] = ", \"num_local_experts\": 4, \"num_experts_per_tok\": 2}";
    char text[sizeof RUN_CONFIG + sizeof more + 16], path[TEST_PATH_SIZE], run[TEST_PATH_SIZE] = "experts";
    char files[2][TEST_PATH_SIZE];
    snprintf(text, sizeof text, RUN_CONFIG, "mixtral");
    strcpy(strrchr(text, '}'), more);
    test_file_write(test_path(path, f->dir, "mixtral.json"), text, strlen(text));
    tdl_trainer_desc desc = run_desc(f, run);
    tdl_device_desc where = {.size = sizeof where, .name = "null"};
    assert_int_equal(tdl_device_open(&where, &desc.device, &err), TDL_OK);
    const tdl_null_device *null = (const tdl_null_device *)desc.device;
    desc.config_path = path, desc.n_steps = 1;
    tdl_trainer *trainer = run_create(&desc);
    if (run_advance(trainer, 1).n_steps != 1) fail_msg("no step");
    int64_t before = n_reads(null);
    assert_int_equal(run_save(trainer, test_path(files[0], run, "a.gguf"), &err), TDL_OK);
    int64_t between = n_reads(null);
    assert_int_equal(run_save(trainer, test_path(files[1], run, "a"), &err), TDL_OK);
    assert_true(between > before);
    assert_int_equal(n_reads(null) - between, between - before);
    tdl_trainer_destroy(trainer);
    tdl_model *models[2];
    for (int i = 0; i < 2; i++)
        if (tdl_model_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = files[i]}, &models[i], &err))
            fail_msg("%s", err.message);
    static const tdl_role roles[] = {TDL_ROLE_FFN_GATE_EXPS, TDL_ROLE_FFN_UP_EXPS, TDL_ROLE_FFN_DOWN_EXPS};
    for (size_t i = 0; i < 6; i++) {
        const tdl_tensor *a = &tdl_param_get(&models[0]->params, roles[i / 2], (int32_t)i % 2)->tensor,
                         *b = &tdl_param_get(&models[1]->params, roles[i / 2], (int32_t)i % 2)->tensor;
        assert_int_equal(tdl_tensor_size(a), tdl_tensor_size(b));
        assert_memory_equal(a->data, b->data, tdl_tensor_size(a));
    }
    tdl_model_close(models[0]), tdl_model_close(models[1]);
    tdl_device_close(desc.device);
}

// On a device that takes its time nothing waits: a checkpoint and a save are PENDING, keep everything else out, and write what
// they write on a device that is done at once. So does the search for what diverged.
static void test_pending(void **state) {
    run_fixture *f = *state;
    tdl_error err = {0};
    char run[TEST_PATH_SIZE] = "slow", files[2][TEST_PATH_SIZE], left[TEST_PATH_SIZE];
    tdl_trainer_desc desc = run_desc(f, run);
    tdl_device_desc where = {.size = sizeof where, .name = "null"};
    assert_int_equal(tdl_device_open(&where, &desc.device, &err), TDL_OK);
    tdl_null_device *null = (tdl_null_device *)desc.device;
    null->n_pending = 1;
    tdl_trainer *trainer = run_create(&desc);
    run_outcome o = run_advance(trainer, 2);
    if (o.n_steps != 2) fail_msg("%s", o.err.message);
    assert_int_equal(tdl_trainer_checkpoint(trainer, &err), TDL_PENDING);
    assert_error(tdl_trainer_step(trainer, NULL, &err), TDL_ERROR_ARGUMENT, &err, "is under way");
    test_path(files[0], f->dir, "slow.gguf");
    assert_error(tdl_trainer_save(trainer, files[0], &err), TDL_ERROR_ARGUMENT, &err, "is under way");
    assert_int_equal(run_checkpoint(trainer, &err), TDL_OK);
    int n_polls = 0;
    for (tdl_status status = TDL_PENDING; status == TDL_PENDING; n_polls++) {
        status = tdl_trainer_save(trainer, files[0], &err);
        if (status < 0) fail_msg("%s", err.message);
        if (n_polls == 3) assert_error(tdl_trainer_checkpoint(trainer, &err), TDL_ERROR_ARGUMENT, &err, "is under way");
    }
    assert_true(n_polls > 20); // a tensor and more at a time
    // A file that cannot be made, and one that is given up, leave the trainer as it was, and no file.
    assert_error(run_save(trainer, "/nowhere/a.gguf", &err), TDL_ERROR_IO, &err, "/nowhere/");
    test_path(left, f->dir, "left.gguf");
    tdl_train_step step = {.size = sizeof step};
    assert_int_equal(tdl_trainer_step(trainer, &step, &err), TDL_PENDING);
    assert_error(tdl_trainer_save(trainer, left, &err), TDL_ERROR_ARGUMENT, &err, "a step is under way");
    assert_int_equal(run_advance(trainer, 1).n_steps, 1);
    assert_int_equal(tdl_trainer_save(trainer, left, &err), TDL_PENDING);
    tdl_trainer_destroy(trainer);
    assert_false(test_file_exists(left));
    assert_int_equal(null->report.n_violations, 0);

    desc.resume = true; // two steps are done: written again, by the CPU
    null->n_pending = 0;
    trainer = run_create(&desc);
    assert_int_equal(run_save(trainer, test_path(files[1], run, "slow.gguf"), &err), TDL_OK);
    assert_same_files(files[0], files[1]);
    tdl_trainer_destroy(trainer);

    char bad[TEST_PATH_SIZE] = "slow-bad";
    tdl_trainer_desc diverging = run_desc(f, bad);
    diverging.device = desc.device, diverging.lr = 100, diverging.weight_decay = 100, diverging.n_warmup_steps = -1;
    null->n_pending = 1;
    trainer = run_create(&diverging);
    o = run_advance(trainer, 12);
    assert_error(o.status, TDL_ERROR_NOT_FINITE, &o.err, " first made ");
    tdl_trainer_destroy(trainer);
    assert_int_equal(null->report.n_violations, 0);
    tdl_device_close(desc.device);
}

// The drawn weights are let go once they are in the state, and a save holds one tensor: what a run allocates is what its plan says.
static void test_memory_of_plan(void **state) {
    run_fixture *f = *state;
    tdl_error err = {0};
    static const char large[] =
        "{\"model_type\": \"%s\", \"vocab_size\": 512, \"hidden_size\": 256, \"intermediate_size\": 768, "
        "\"num_hidden_layers\": 6, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "
        "\"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, "
        "\"hidden_act\": \"silu\", \"tie_word_embeddings\": true}";
    char text[sizeof large + 16], path[TEST_PATH_SIZE], model[TEST_PATH_SIZE], run[TEST_PATH_SIZE] = "memory";
    snprintf(text, sizeof text, large, "llama");
    test_file_write(test_path(path, f->dir, "large.json"), text, strlen(text));
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_trainer_desc desc = run_desc(f, run);
    tdl_device_desc cpu = {.size = sizeof cpu, .allocator = &fa.mem, .n_threads = 2};
    assert_int_equal(tdl_device_open(&cpu, &desc.device, &err), TDL_OK);
    desc.allocator = &fa.mem, desc.config_path = path, desc.n_steps = 1, desc.n_batch = 2;
    tdl_trainer *trainer = run_create(&desc);
    tdl_trainer_info info = {.size = sizeof info};
    tdl_trainer_get_info(trainer, &info);
    double plan = (double)(info.weights_size + info.gradients_size + info.moments_size + info.activations_size);
    assert_int_equal(run_advance(trainer, 1).n_steps, 1);
    assert_int_equal(run_save(trainer, test_path(model, f->dir, "memory.gguf"), &err), TDL_OK);
    print_message("plan %.1f MB, allocated at most %.1f MB\n", plan / 1e6, (double)fa.size_peak / 1e6);
    assert_true((double)fa.size_peak < 1.1 * plan);
    tdl_trainer_destroy(trainer);
    tdl_device_close(desc.device);
    fail_alloc_check(&fa);
}

// An F32 safetensors model with one weight that is no number: a saved model, changed.
static void write_nan_model(const run_fixture *f, const char *dir) {
    char run[TEST_PATH_SIZE] = "to-break", file[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_trainer_desc desc = run_desc(f, run);
    tdl_trainer *trainer = run_create(&desc);
    if (run_save(trainer, dir, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_trainer_destroy(trainer);
    size_t size;
    uint8_t *bytes = test_file_read(test_path(file, dir, "model.safetensors"), &size);
    memcpy(bytes + size - sizeof(float), &(float){NAN}, sizeof(float)); // the last element of the last tensor
    test_file_write(file, bytes, size);
    free(bytes);
}

// What is wrong with data, weights and checkpoints is said, and what is odd but right works.
static void test_bad_runs(void **state) {
    run_fixture *f = *state;
    tdl_error err = {0};
    tdl_trainer *trainer = NULL;
    char run[TEST_PATH_SIZE] = "bad-runs", odd[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    const tdl_trainer_desc good = run_desc(f, run);
    tdl_trainer_desc desc = good;
    const char *data[] = {test_path(odd, f->dir, "odd.txt")};
    desc.data = data;
    test_file_write(odd, "", 0);
    assert_error(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_FORMAT, &err, "odd.txt");
    test_file_write(odd, " \n\t", 3);
    assert_error(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_FORMAT, &err, "odd.txt");
    test_file_write(odd, "a", 1); // one token, and the end of the document
    desc.n_steps = 2;
    trainer = run_create(&desc);
    run_outcome o = run_advance(trainer, 8);
    assert_true(o.status == TDL_DONE && o.n_steps == 2 && isfinite(o.losses[1]));
    tdl_trainer_destroy(trainer);
    char *text = malloc(20000); // one document of some 300 times the context
    for (int i = 0; i < 20000; i++) text[i] = i % 5 == 4 ? ' ' : (char)('a' + i % 7);
    test_file_write(odd, text, 20000);
    free(text);
    char run2[TEST_PATH_SIZE] = "long-document";
    tdl_trainer_desc longer = run_desc(f, run2);
    longer.data = data, longer.n_steps = 3;
    o = run_whole(&longer, NULL);
    assert_true(o.n_steps == 3 && o.losses[2] < o.losses[0]);

    desc = good;
    desc.config_path = desc.tokenizer_path = NULL;
    desc.model_path = test_path(path, f->dir, "nan");
    write_nan_model(f, path);
    desc.resume = true;
    assert_error(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_FORMAT, &err, "is nan, expected a finite number");

    // A checkpoint of another model, and one of another version.
    char config_text[sizeof RUN_CONFIG + 16], other[TEST_PATH_SIZE], last[TEST_PATH_SIZE],
        run3[TEST_PATH_SIZE] = "others";
    tdl_trainer_desc first = run_desc(f, run3);
    trainer = run_create(&first);
    assert_int_equal(run_checkpoint(trainer, &err), TDL_OK);
    tdl_trainer_destroy(trainer);
    snprintf(config_text, sizeof config_text, RUN_CONFIG, "llama");
    memcpy(strstr(config_text, "\"intermediate_size\": 64"), "\"intermediate_size\": 96", 23);
    test_file_write(test_path(other, f->dir, "other.json"), config_text, strlen(config_text));
    first.resume = true;
    desc = first;
    desc.config_path = other;
    assert_error(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_ARGUMENT, &err, "a model with other settings");
    snprintf(config_text, sizeof config_text, RUN_CONFIG, "qwen2");
    test_file_write(other, config_text, strlen(config_text));
    assert_error(tdl_trainer_create(&desc, &trainer, &err), TDL_ERROR_ARGUMENT, &err,
                 "the checkpoint is of a llama model, this one is qwen2");
    size_t size;
    uint8_t *bytes = test_file_read(test_path(last, run3, "checkpoint.tdl"), &size);
    bytes[8]++; // the version
    test_file_write(last, bytes, size);
    free(bytes);
    assert_error(tdl_trainer_create(&first, &trainer, &err), TDL_ERROR_UNSUPPORTED, &err, "version");
}

// A disk that is full: the checkpoint fails, the one before stays, and the run goes on as if nothing had been asked for.
static void test_disk_full(void **state) {
    run_fixture *f = *state;
    tdl_error err = {0};
    char run[TEST_PATH_SIZE] = "full", run2[TEST_PATH_SIZE] = "not-full", model[TEST_PATH_SIZE];
    tdl_trainer_desc desc = run_desc(f, run), same = run_desc(f, run2);
    run_outcome whole = run_whole(&same, NULL);
    tdl_trainer *trainer = run_create(&desc);
    assert_int_equal(run_advance(trainer, 2).n_steps, 2);
    assert_int_equal(run_checkpoint(trainer, &err), TDL_OK);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 50000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tdl_status status = run_checkpoint(trainer, &err),
               saved = run_save(trainer, test_path(model, f->dir, "full.gguf"), NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_error(status, TDL_ERROR_IO, &err, "cannot write");
    assert_int_equal(saved, TDL_ERROR_IO);
    assert_false(test_file_exists(model));
    run_outcome rest = run_advance(trainer, 64);
    assert_int_equal(rest.status, TDL_DONE);
    assert_memory_equal(rest.losses, whole.losses + 2, 10 * sizeof *rest.losses);
    tdl_trainer_destroy(trainer);
    desc.resume = true; // the last step's checkpoint
    trainer = run_create(&desc);
    assert_int_equal(run_advance(trainer, 64).n_steps, 0);
    tdl_trainer_destroy(trainer);
}

// NULL: there is none here. size_max: what it binds; 0: as it says.
static tdl_device *open_device(const char *name, uint64_t size_max) {
    tdl_device_desc where = {.size = sizeof where, .name = name, .library = LIBRARY};
    tdl_device *device = adapter_open(&where);
    if (device && size_max) device->value_size_max = size_max;
    return device;
}

// Where a table of 64 KiB, its gradient and its moments come in parts, a run loses what it loses where they are whole, and
// goes on from a checkpoint bit for bit.
static void test_resumes_in_parts(void **state) {
    run_fixture *f = *state;
    run_outcome o[3];
    for (int i = 0; i < 3; i++) { // whole; in parts; in parts, stopped and resumed
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "parts%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.device = open_device("null", i ? 32768 : 0);
        if (i == 2) {
            tdl_trainer *trainer = run_create(&desc);
            assert_int_equal(run_advance(trainer, 6).n_steps, 6); // the checkpoint is of step 5
            tdl_trainer_destroy(trainer);
            desc.resume = true;
        }
        o[i] = run_whole(&desc, NULL);
        tdl_device_close(desc.device);
    }
    for (int i = 0; i < 12; i++) assert_true(fabsf(o[1].losses[i] - o[0].losses[i]) < 1e-5f * o[0].losses[i]);
    assert_int_equal(o[2].n_steps, 7);
    assert_memory_equal(o[2].losses, o[1].losses + 5, 7 * sizeof(float));
}

// A frozen, quantized table in three parts under adapters: its gradient by x is the sum of theirs.
static void test_adapters_in_parts(void **state) {
    run_fixture *f = *state;
    run_outcome o[2];
    for (int i = 0; i < 2; i++) {
        char run[TEST_PATH_SIZE];
        snprintf(run, sizeof run, "lora_parts%d", i);
        tdl_trainer_desc desc = run_desc(f, run);
        desc.config_path = desc.tokenizer_path = NULL;
        desc.model_path = TDL_REPO "/models/novelist-7m-q8_0.gguf";
        desc.n_steps = 3, desc.n_batch = 2, desc.lora_rank = 4, desc.lr = 5e-3f;
        desc.device = open_device(i ? "webgpu" : "cpu", i ? 400000 : 0);
        if (!desc.device) return;
        o[i] = run_whole(&desc, NULL);
        tdl_device_close(desc.device);
    }
    for (int i = 0; i < 3; i++) assert_true(fabsf(o[1].losses[i] - o[0].losses[i]) < 1e-4f * o[0].losses[i]);
}

static void test_bad_settings(void **state) {
    run_fixture *f = *state;
    tdl_error err = {0};
    tdl_trainer *trainer = NULL;
    char run[TEST_PATH_SIZE] = "bad";
    const tdl_trainer_desc good = run_desc(f, run);
    const char *pattern[] = {"blk.7.*"}, *absent[] = {"/nowhere.txt"};
#define BAD(code, part, ...)                                                       \
    do {                                                                           \
        tdl_trainer_desc desc = good;                                              \
        __VA_ARGS__;                                                               \
        assert_error(tdl_trainer_create(&desc, &trainer, &err), code, &err, part); \
    } while (0)
    BAD(TDL_ERROR_ARGUMENT, "desc size", desc.size = 7);
    BAD(TDL_ERROR_ARGUMENT, "one of model_path, config_path and shape", desc.config_path = NULL);
    BAD(TDL_ERROR_ARGUMENT, "tokenizer_path is missing", desc.tokenizer_path = NULL);
    BAD(TDL_ERROR_ARGUMENT, "no data", desc.n_data = 0);
    BAD(TDL_ERROR_ARGUMENT, "dir is missing", desc.dir = NULL);
    BAD(TDL_ERROR_ARGUMENT, "n_batch is -1, expected 1", desc.n_batch = -1);
    BAD(TDL_ERROR_ARGUMENT, "no multiple of n_micro_batch", desc.n_micro_batch = 3);
    BAD(TDL_ERROR_ARGUMENT, "n_seq is 100, the model's context is 64", desc.n_seq = 100);
    BAD(TDL_ERROR_ARGUMENT, "lr is nan", desc.lr = NAN);
    BAD(TDL_ERROR_ARGUMENT, "beta1", desc.beta1 = 1);
    BAD(TDL_ERROR_ARGUMENT, "attention_dropout is 1, expected 0 to 0.99", desc.attention_dropout = 1);
    BAD(TDL_ERROR_ARGUMENT, "pattern 'blk.7.*' fits no tensor", desc.freeze = pattern, desc.n_freeze = 1);
    BAD(TDL_ERROR_IO, "nowhere.txt", desc.data = absent);
    BAD(TDL_ERROR_IO, "config.json", desc.config_path = "/nowhere/config.json");
#undef BAD
    // Two runs in one directory; then a new one where another has been.
    tdl_trainer *other = run_create(&good);
    assert_error(tdl_trainer_create(&good, &trainer, &err), TDL_ERROR_ARGUMENT, &err, "another run");
    assert_int_equal(run_checkpoint(other, &err), TDL_OK);
    tdl_trainer_destroy(other);
    assert_error(tdl_trainer_create(&good, &trainer, &err), TDL_ERROR_ARGUMENT, &err, "holds a run already");
    tdl_trainer_desc changed = good;
    changed.resume = true, changed.n_seq = 16;
    assert_error(tdl_trainer_create(&changed, &trainer, &err), TDL_ERROR_ARGUMENT, &err,
                 "n_seq is 32, this run's is 16");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_learns, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_repeats, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_precision, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_resumes, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_accumulates, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_recomputes, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_first_step, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_adapters, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_stops_early, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_drops_weights, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_diverges, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_webgpu, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_saves_experts, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_pending, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_memory_of_plan, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_bad_runs, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_disk_full, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_resumes_in_parts, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_adapters_in_parts, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(test_bad_settings, run_setup, run_teardown),
    };
    return adapter_verdict(cmocka_run_group_tests(tests, NULL, NULL));
}
