/* SPDX-License-Identifier: MIT */
#include "case.h"

#include <stdlib.h>
#include <unistd.h>

#include "read_typed.h"
#include "read_why.h"

enum { SETS_MAX = 100, PATH_ROOM = 4096, BOUND_MAX = 64 };

/* Which inputs are constants of the import, tried in this order. */
enum binding { BIND_NONE, BIND_LISTS, BIND_ALL_LISTS, BIND_NUMBERS, BIND_ALL_NUMBERS, BIND_COUNT };

/* One data set: inputs by their place. */
struct set {
    struct covey_tensor input[COVEY_GRAPH_IO_MAX];
    struct covey_onnx_given given[COVEY_GRAPH_IO_MAX];
    size_t count;
};

/* A model made ready for the shapes of one set. */
struct ready {
    struct covey_onnx onnx;
    struct covey_model *model;
    struct covey_run *run;
};

static void set_done(struct set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->input[i].data);
    }
    s->count = 0;
}

static void ready_done(struct ready *r)
{
    covey_run_free(r->run);
    covey_model_free(r->model);
    covey_onnx_free(&r->onnx);
    *r = (struct ready){.model = NULL};
}

static bool set_path(char out[PATH_ROOM], const struct case_files *f, unsigned set,
                     const char *kind, size_t i)
{
    int wrote = snprintf(out, PATH_ROOM, "%s/test_data_set_%u/%s_%zu.pb", f->folder, set, kind, i);
    return wrote > 0 && wrote < PATH_ROOM && access(out, F_OK) == 0;
}

static covey_err read_tensor(const char *path, struct covey_tensor *out, struct covey_nn_error *why)
{
    return covey_read_typed(path, &out->type, &out->shape, &out->data, why);
}

static covey_err read_inputs(const struct case_files *f, unsigned set, struct set *s,
                             struct covey_nn_error *why)
{
    char path[PATH_ROOM];
    covey_err err = COVEY_OK;
    while (!err && s->count < COVEY_GRAPH_IO_MAX && set_path(path, f, set, "input", s->count)) {
        err = read_tensor(path, &s->input[s->count], why);
        s->count += err ? 0 : 1;
    }
    return err;
}

/* A list or a number, as shapes, axes and bounds are. */
static bool is_bound(const struct covey_tensor *t, size_t place, enum binding binding)
{
    size_t count = 0;
    bool list = t->shape.rank <= 1 && covey_shape_count(&t->shape, &count) == COVEY_OK &&
                count <= BOUND_MAX;
    bool first = binding == BIND_ALL_LISTS || binding == BIND_ALL_NUMBERS || place > 0;
    bool kind = !covey_type_is_float(t->type) || binding >= BIND_NUMBERS;
    return binding != BIND_NONE && list && first && kind;
}

static covey_err make_ready(const char *path, struct set *s, enum binding binding,
                            struct ready *out, struct covey_nn_error *why)
{
    struct ready r = {.model = NULL};
    struct covey_onnx_options options = {.given = s->given, .given_count = s->count};
    for (size_t i = 0; i < s->count; i++) {
        s->given[i] = (struct covey_onnx_given){.name = NULL, .tensor = s->input[i]};
        if (!is_bound(&s->input[i], i, binding)) {
            s->given[i].tensor.data = NULL;
        }
    }
    covey_err err = covey_onnx_load(path, &options, &r.onnx, why);
    if (!err) {
        err = covey_graph_optimize(r.onnx.graph, why);
    }
    if (!err) {
        err = covey_graph_check(r.onnx.graph, 0, why);
    }
    if (!err) {
        err = covey_model_new(r.onnx.graph, NULL, &r.model, why);
    }
    if (!err) {
        covey_onnx_trim(&r.onnx, r.model);
        err = covey_run_new(r.model, &r.run);
    }
    if (err) {
        ready_done(&r);
        return err;
    }
    *out = r;
    return COVEY_OK;
}

/* All inputs as inputs of the run; what the import must know is bound. */
static covey_err make_ready_anyhow(const char *path, struct set *s, struct ready *out,
                                   struct covey_nn_error *why)
{
    covey_err err = COVEY_ERR_UNSUPPORTED;
    for (int i = BIND_NONE; i < BIND_COUNT; i++) {
        struct covey_nn_error now = {""};
        err = make_ready(path, s, (enum binding)i, out, &now);
        bool unknown = err && strstr(now.text, "must be known before the run");
        if (!err || !unknown) {
            *why = now;
            return err;
        }
        *why = now;
    }
    return err;
}

static void verdict(struct case_result *out, covey_err err, const struct covey_nn_error *why)
{
    bool missing = err == COVEY_ERR_UNSUPPORTED || err == COVEY_ERR_LIMIT;
    out->status = missing ? CASE_UNSUPPORTED : CASE_FAIL;
    (void)covey__why(err, &out->reason, "%s", why->text[0] ? why->text : covey_strerror(err));
}

/* Runs what is not bound, in the set's order; what is fed must be what the model asks for. */
static covey_err run_set(struct ready *r, const struct set *s, struct covey_nn_error *why)
{
    const struct covey_graph *g = r->onnx.graph;
    const void *inputs[COVEY_GRAPH_IO_MAX] = {NULL};
    size_t used = 0;
    for (size_t i = 0; i < s->count && used < g->inputs; i++) {
        const struct covey_graph_value *v = &g->values[g->input[used]];
        const struct covey_tensor *t = &s->input[i];
        if (s->given[i].tensor.data) {
            continue;
        }
        if (v->type != t->type || !covey_shape_equal(&v->shape, &t->shape)) {
            return covey__why(COVEY_ERR_MALFORMED, why, "input %zu is not what the model declares",
                              i);
        }
        inputs[used++] = t->data;
    }
    if (used != g->inputs) {
        return covey__why(COVEY_ERR_MALFORMED, why, "%zu inputs for a model that has %u", used,
                          (unsigned)g->inputs);
    }
    covey_run_inputs(r->run, inputs);
    return COVEY_OK;
}

static struct covey_tensor result(struct ready *r, unsigned i)
{
    const struct covey_graph *g = r->onnx.graph;
    const struct covey_graph_value *v = &g->values[g->output[i]];
    union { /* only read */
        const void *in;
        void *data;
    } bridge = {.in = covey_run_result(r->run, i)};
    return (struct covey_tensor){v->type, v->shape, bridge.data};
}

static bool compare_output(struct ready *r, unsigned i, const char *path, double atol,
                           struct case_result *out)
{
    struct covey_tensor expected = {0};
    struct covey_nn_error why = {""};
    covey_err err = read_tensor(path, &expected, &why);
    if (err) {
        verdict(out, err, &why);
        return false;
    }
    struct covey_tensor got = result(r, i);
    bool same = case_close(&got, &expected, atol, &why);
    if (!same) {
        out->status = CASE_FAIL;
        (void)covey__why(COVEY_OK, &out->reason, "output %u: %.200s", i, why.text);
    }
    free(expected.data);
    return same;
}

/* Inputs that are no tensors cannot be read: then it is the model that is not supported. */
static void prefer_model(const char *path, covey_err *err, struct covey_nn_error *why)
{
    struct covey_onnx onnx = {.graph = NULL};
    struct covey_nn_error inner = {""};
    if (covey_onnx_load(path, NULL, &onnx, &inner) == COVEY_ERR_UNSUPPORTED) {
        *err = COVEY_ERR_UNSUPPORTED;
        *why = inner;
    }
    covey_onnx_free(&onnx);
}

/* False: the case is over. */
static bool run_folder(const struct case_files *f, unsigned set, struct case_result *out)
{
    struct set s = {.count = 0};
    struct ready r = {.model = NULL};
    struct covey_nn_error why = {""};
    char path[PATH_ROOM];
    bool good = false;
    covey_err err = read_inputs(f, set, &s, &why);
    if (err) {
        prefer_model(f->model, &err, &why);
    } else {
        err = make_ready_anyhow(f->model, &s, &r, &why);
    }
    if (!err) {
        err = run_set(&r, &s, &why);
    }
    if (err) {
        verdict(out, err, &why);
        goto out;
    }
    good = true;
    for (unsigned i = 0; good && i < r.onnx.graph->outputs; i++) {
        /* An output that has no file is of no interest. */
        if (set_path(path, f, set, "output", i)) {
            good = compare_output(&r, i, path, 1e-7, out);
        }
    }
out:
    ready_done(&r);
    set_done(&s);
    return good;
}

/* onnx-light: input 0 is arange(n) / n. Its outputs are of one size: only rtol counts. */
static void run_light(const struct case_files *f, struct case_result *out)
{
    struct set s = {.count = 0};
    struct ready r = {.model = NULL};
    struct covey_nn_error why = {""};
    size_t count = 0;
    covey_err err = make_ready(f->model, &s, BIND_NONE, &r, &why);
    if (!err && r.onnx.graph->inputs != 1) {
        err = covey__why(COVEY_ERR_UNSUPPORTED, &why, "it has not one input");
    }
    if (!err) {
        err = covey_shape_count(covey_model_input(r.model), &count);
    }
    float *input = err ? NULL : malloc(count * sizeof *input + 1);
    if (!input) {
        verdict(out, err ? err : COVEY_ERR_NOMEM, &why);
        ready_done(&r);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        input[i] = (float)i / (float)count;
    }
    const void *inputs[] = {input};
    covey_run_inputs(r.run, inputs);
    if (compare_output(&r, 0, f->output, 1e-7, out)) {
        out->status = CASE_PASS;
    }
    free(input);
    ready_done(&r);
}

void case_run(const struct case_files *files, struct case_result *out)
{
    char path[PATH_ROOM];
    *out = (struct case_result){.status = CASE_PASS};
    if (!files->folder) {
        run_light(files, out);
        return;
    }
    for (unsigned set = 0; set < SETS_MAX; set++) {
        bool there = set_path(path, files, set, "output", 0);
        if (!there && set == 0) {
            out->status = CASE_FAIL;
            (void)covey__why(COVEY_OK, &out->reason, "it has no test_data_set_0/output_0.pb");
        }
        if (!there || !run_folder(files, set, out)) {
            return;
        }
    }
}
