/* SPDX-License-Identifier: MIT */
#include "infer_detach.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"

enum { TIMEOUT_MS = 60000, ID_BYTES = 6 };

covey_err covey__detach_add(struct covey__detach *d, const float *input, size_t floats)
{
    size_t one = floats * sizeof(float);
    if ((d->count + 1) * one > COVEY_BODY_MAX) {
        return COVEY_ERR_LIMIT;
    }
    if (d->count == d->capacity) {
        size_t capacity = d->capacity == 0 ? 16 : 2 * d->capacity;
        float *grown = realloc(d->inputs, capacity * one);
        if (grown == NULL) {
            return COVEY_ERR_NOMEM;
        }
        d->inputs = grown;
        d->capacity = capacity;
    }
    memcpy(d->inputs + d->count * floats, input, one);
    d->count++;
    return COVEY_OK;
}

static enum covey_exit tell(const struct covey__cli *cli, const char *id, size_t inputs)
{
    if (!cli->json) {
        printf("%zu inputs are answered by the node and kept: covey session get %s --out FILE\n",
               inputs, id);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "session", id);
    cJSON_AddNumberToObject(document, "inputs", (double)inputs);
    return covey__cli_print(cli, document);
}

enum covey_exit covey__detach_send(const struct covey__cli *cli, struct covey__detach *d,
                                   struct covey__target *t, const char *id)
{
    struct covey__control *c = &t->control;
    uint8_t random[ID_BYTES];
    char fresh[2 * ID_BYTES + 1];
    covey_random(random, sizeof(random));
    covey__hex(fresh, random, sizeof(random));
    id = id != NULL ? id : fresh;
    snprintf(c->request->name, sizeof(c->request->name), "%s", id);
    c->request->infer = t->infer;
    covey_err err =
        covey__control_call(c, COVEY_CONTROL_DETACH,
                            covey_bytes_of(d->inputs, d->count * t->input_floats * sizeof(float)),
                            COVEY_CONTROL_DONE, TIMEOUT_MS);
    return err == COVEY_OK ? tell(cli, id, d->count) : covey__cli_fail_call(cli, c, err);
}

void covey__detach_done(struct covey__detach *d)
{
    free(d->inputs);
    d->inputs = NULL;
}
