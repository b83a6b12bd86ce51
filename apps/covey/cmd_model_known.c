/* SPDX-License-Identifier: MIT
 *
 * `covey model show NAME`: of a model that the node knows. Its manifest has the graph; of the
 * weights only the small constants are read, which shapes may depend on.
 */
#include <stdio.h>

#include "commands.h"
#include "covey/graph.h"
#include "model_show.h"
#include "upload.h"

enum { TIMEOUT_MS = 60000 };

static covey_err fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    struct covey__control *c = user;
    c->request->digest = *digest;
    covey_err err = covey__control_call(c, COVEY_CONTROL_BLOB_GET, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_BLOB_GET_REPLY, TIMEOUT_MS);
    if (err == COVEY_OK && c->body_len != len) {
        err = covey__control_refuse(c, COVEY_ERR_MALFORMED, "a constant has another length");
    }
    if (err == COVEY_OK) {
        memcpy(data, c->body, len);
    }
    return err;
}

static covey_err open_model(struct covey__control *c, const char *name, struct covey_manifest **out,
                            struct covey_graph **out_graph)
{
    struct covey_nn_error why = {""};
    struct covey_control_model known;
    struct covey_manifest *mf = NULL;
    covey_err err = covey__model_find(c, name, &known);
    if (err == COVEY_OK) {
        err = covey__model_get(c, &known.id, 0);
    }
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_manifest_decode(covey_bytes_of(c->body, c->body_len), &mf, &why);
    if (err == COVEY_OK) {
        err = covey_manifest_reserve(mf, 1, fetch, c, out_graph, &why);
    }
    if (err != COVEY_OK) {
        covey_manifest_free(mf);
        return why.text[0] != 0 ? covey__control_refuse(c, err, "%s", why.text) : err;
    }
    *out = mf;
    return COVEY_OK;
}

enum covey_exit covey__model_show_known(struct covey__cli *cli, const char *name)
{
    struct covey__control c = {0};
    struct covey_manifest *mf = NULL;
    struct covey_graph *graph = NULL;
    struct covey__notes notes = {.labels = {.count = 0}};
    struct covey_control_model known;
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    covey_err err = open_model(&c, name, &mf, &graph);
    if (err == COVEY_OK) {
        err = covey__model_find(&c, name, &known);
    }
    if (err == COVEY_OK) {
        err = covey__notes_get(&c, &known.id, 0, &notes);
    }
    code = err == COVEY_OK ? covey__model_show(cli, known.name, graph, &notes)
                           : covey__cli_fail_call(cli, &c, err);
    covey__notes_done(&notes);
    covey_manifest_free(mf);
    covey__control_close(&c);
    return code;
}
