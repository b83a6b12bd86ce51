/* SPDX-License-Identifier: MIT */
#include "infer_target.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "covey/loop.h"
#include "covey/text.h"

enum {
    INFER_TIMEOUT_MS = 30000, /* the node's, where none is asked for */
    GRACE_MS = 5000,          /* more than the node takes: it says what went wrong */
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bodies hold little-endian floats");

static covey_err refuse(struct covey__target *t, covey_err err, const char *text)
{
    snprintf(t->why.text, sizeof(t->why.text), "%s", text);
    return err;
}

static covey_err set_sizes(struct covey__target *t)
{
    covey_err err = covey_shape_count(&t->input, &t->input_floats);
    if (err == COVEY_OK) {
        err = covey_shape_count(&t->output, &t->output_floats);
    }
    return err == COVEY_OK ? err : refuse(t, err, "the model's shapes are too large");
}

static void set_name(struct covey__target *t, const char *model)
{
    const char *slash = strrchr(model, '/');
    const char *text = slash != NULL ? slash + 1 : model;
    size_t len = strlen(text);
    if (len > 5 && strcmp(text + len - 5, ".onnx") == 0) {
        len -= 5;
    }
    snprintf(t->name, sizeof(t->name), "%.*s", (int)len, text);
    covey_text_make_plain(t->name);
}

/* A signal handler reaches nothing else. */
static _Atomic uint32_t late;

static void on_alarm(int number)
{
    (void)number;
    atomic_store(&late, 1);
}

/* When `late` is set; 0: never. */
static covey_err set_alarm(uint32_t ms)
{
    struct sigaction action = {.sa_flags = (int)SA_RESTART};
    const struct itimerval at = {.it_value = {ms / 1000, (suseconds_t)(ms % 1000) * 1000}};
    action.sa_handler = on_alarm;
    sigemptyset(&action.sa_mask);
    atomic_store(&late, 0);
    return sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &at, NULL) == 0
               ? COVEY_OK
               : COVEY_ERR_IO;
}

covey_err covey__target_open_local(struct covey__target *t, const char *model,
                                   const struct covey_control_infer *infer)
{
    struct covey__target fresh = {.is_local = true, .infer = {.timeout_ms = infer->timeout_ms}};
    *t = fresh;
    set_name(t, model);
    covey_err err = covey__local_open(&t->local, model, &t->why);
    if (err != COVEY_OK) {
        return err == COVEY_ERR_IO ? COVEY_ERR_MALFORMED : err; /* the file is a bad input */
    }
    t->input = *covey_model_input(t->local.model);
    t->output = *covey_model_output(t->local.model);
    t->input_floats = t->local.input_floats;
    t->output_floats = t->local.output_floats;
    t->out = calloc(t->output_floats, sizeof(float));
    return t->out != NULL ? COVEY_OK : refuse(t, COVEY_ERR_NOMEM, "out of memory");
}

bool covey__looks_like_file(const char *model)
{
    size_t len = strlen(model);
    return strchr(model, '/') != NULL || (len > 5 && strcmp(model + len - 5, ".onnx") == 0) ||
           access(model, F_OK) == 0;
}

static covey_err open_file(struct covey__target *t, const char *model)
{
    struct covey__upload up;
    covey_err err = covey__upload_file(&t->control, model, NULL, NULL, &up);
    if (err != COVEY_OK) {
        return refuse(t, err, t->control.why);
    }
    covey__hex(t->infer.model, up.id.bytes, sizeof(up.id.bytes));
    t->input = up.input;
    t->output = up.output;
    return COVEY_OK;
}

static covey_err open_known(struct covey__target *t, const char *model)
{
    struct covey_control_model known;
    covey_err err = covey__model_find(&t->control, model, &known);
    if (err != COVEY_OK) {
        return refuse(t, err, t->control.why);
    }
    covey__hex(t->infer.model, known.id.bytes, sizeof(known.id.bytes));
    snprintf(t->name, sizeof(t->name), "%s", known.name);
    t->input.rank = known.input_rank;
    t->output.rank = known.output_rank;
    memcpy(t->input.dims, known.input, sizeof(known.input));
    memcpy(t->output.dims, known.output, sizeof(known.output));
    err = covey__notes_get(&t->control, &known.id, t->infer.timeout_ms, &t->notes);
    return err == COVEY_OK ? COVEY_OK : refuse(t, err, t->control.why);
}

covey_err covey__target_open(struct covey__target *t, const char *state, const char *model,
                             const struct covey_control_infer *infer)
{
    struct covey__target fresh = {.infer = *infer};
    *t = fresh;
    set_name(t, model);
    covey_err err = covey__control_open(&t->control, state);
    if (err != COVEY_OK) {
        return refuse(t, err, t->control.why);
    }
    err = covey__looks_like_file(model) ? open_file(t, model) : open_known(t, model);
    return err == COVEY_OK ? set_sizes(t) : err;
}

void covey__target_close(struct covey__target *t)
{
    covey__local_close(&t->local);
    covey__control_close(&t->control);
    covey__notes_done(&t->notes);
    free(t->out);
    t->out = NULL;
}

covey_err covey__target_send(struct covey__target *t, const float *input)
{
    t->control.request->infer = t->infer;
    size_t batch = covey_control_batch(&t->infer);
    covey_err err =
        covey__control_ask(&t->control, COVEY_CONTROL_INFER,
                           covey_bytes_of(input, batch * t->input_floats * sizeof(float)));
    return err == COVEY_OK ? COVEY_OK : refuse(t, err, t->control.why);
}

covey_err covey__target_receive(struct covey__target *t, struct covey__answer *out)
{
    uint32_t timeout_ms = t->infer.timeout_ms != 0 ? t->infer.timeout_ms : INFER_TIMEOUT_MS;
    covey_err err =
        covey__control_answer(&t->control, COVEY_CONTROL_INFER_REPLY, (int)(timeout_ms + GRACE_MS));
    if (err != COVEY_OK) {
        return refuse(t, err, t->control.why);
    }
    const struct covey_control_result *r = &t->control.reply->result;
    struct covey__answer answer = {.output = (const float *)(const void *)t->control.body,
                                   .shape = {.rank = r->output_rank},
                                   .elapsed_ms = r->elapsed_us / 1000.0,
                                   .result = r};
    memcpy(answer.shape.dims, r->output, sizeof(r->output));
    size_t floats = 0;
    err = covey_shape_count(&answer.shape, &floats);
    if (err != COVEY_OK || floats != covey_control_batch(&t->infer) * t->output_floats ||
        t->control.body_len != floats * sizeof(float)) {
        return refuse(t, COVEY_ERR_MALFORMED, "the node's answer has another size than the model");
    }
    *out = answer;
    return COVEY_OK;
}

/* In the time that was asked for, or as long as it takes. */
static covey_err ask_local(struct covey__target *t, const float *input, struct covey__answer *out)
{
    const struct covey_wanted in_time = {&late, 0};
    covey_err err = t->infer.timeout_ms != 0 ? set_alarm(t->infer.timeout_ms) : COVEY_OK;
    if (err != COVEY_OK) {
        return refuse(t, err, "no timer for --timeout");
    }
    uint64_t begin = covey_clock_ns();
    covey_run_wanted(t->local.run, &in_time);
    covey_run_inputs(t->local.run, (const void *const[]){input});
    if (atomic_load(&late) != 0) {
        return refuse(t, COVEY_ERR_TIMEOUT, "not answered in time: give it longer (--timeout)");
    }
    memcpy(t->out, covey_run_result(t->local.run, 0), t->output_floats * sizeof(float));
    struct covey__answer answer = {.output = t->out,
                                   .shape = t->output,
                                   .elapsed_ms = (double)(covey_clock_ns() - begin) / 1e6};
    *out = answer;
    return COVEY_OK;
}

covey_err covey__target_ask(struct covey__target *t, const float *input, struct covey__answer *out)
{
    if (t->is_local) {
        return ask_local(t, input, out);
    }
    covey_err err = covey__target_send(t, input);
    return err == COVEY_OK ? covey__target_receive(t, out) : err;
}
