/* SPDX-License-Identifier: MIT */
#include "covey/message_train.h"

#include "message_fields.h"

#define NUMBER(key, member) COVEY__NUMBER(key, struct covey_train_message, member)
#define AT_MOST(key, member, max) COVEY__UINT(key, struct covey_train_message, member, max)

#define FENCE                                                                                      \
    COVEY__FIXED(1, struct covey_train_message, fence.session.bytes), NUMBER(2, fence.epoch)
#define ROUND NUMBER(3, round)
#define TASK FENCE, ROUND, NUMBER(4, task), NUMBER(5, work)
#define CREDIT AT_MOST(6, credit, COVEY_WORKER_TASKS_MAX)
#define STATUS AT_MOST(7, status, COVEY_TRAIN_REFUSED)
#define SPEC COVEY__BYTES(8, struct covey_train_message, spec, COVEY_TASK_SPEC_MAX)
#define SPENT NUMBER(9, spent_us)

static const struct covey__field enlist[] = {FENCE, SPEC};
static const struct covey__field pull[] = {FENCE, CREDIT};
static const struct covey__field round_[] = {FENCE, ROUND, SPEC};
static const struct covey__field task[] = {TASK, SPEC};
static const struct covey__field result[] = {TASK, STATUS, SPENT};
static const struct covey__field over[] = {FENCE, ROUND};
static const struct covey__field dismiss[] = {FENCE};

static const struct covey__message all[] = {
    {COVEY_TRAIN_ENLIST, COVEY__FIELDS(enlist)},   {COVEY_TRAIN_PULL, COVEY__FIELDS(pull)},
    {COVEY_TRAIN_ROUND, COVEY__FIELDS(round_)},    {COVEY_TRAIN_TASK, COVEY__FIELDS(task)},
    {COVEY_TRAIN_RESULT, COVEY__FIELDS(result)},   {COVEY_TRAIN_OVER, COVEY__FIELDS(over)},
    {COVEY_TRAIN_DISMISS, COVEY__FIELDS(dismiss)},
};
static const struct covey__messages messages = {all, COVEY__COUNT(all), COVEY_CONTROL_MAX};

covey_err covey_train_decode(struct covey_bytes in, struct covey_train_message *out)
{
    struct covey_train_message m = {.type = COVEY_TRAIN_NONE};
    unsigned type = 0;
    covey_err err = covey__message_decode(&messages, in, &m, &type);
    if (err == COVEY_OK) {
        m.type = (enum covey_train_type)type;
        *out = m;
    }
    return err;
}

covey_err covey_train_encode(const struct covey_train_message *message, struct covey_buf out,
                             size_t *out_len)
{
    if (message->spec.len > COVEY_TASK_SPEC_MAX || message->credit > COVEY_WORKER_TASKS_MAX ||
        message->status > COVEY_TRAIN_REFUSED) {
        return COVEY_ERR_LIMIT; /* nobody would take it */
    }
    return covey__message_encode(&messages, (unsigned)message->type, message, out, out_len);
}
