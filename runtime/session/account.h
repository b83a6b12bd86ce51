/* SPDX-License-Identifier: MIT
 *
 * account.h - the memory that this node's weights take, and what runs with them: of what it holds
 * for others and of its own sessions, in one sum that stays within one bound.
 */
#ifndef COVEY_SESSION_ACCOUNT_H
#define COVEY_SESSION_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct covey_nn_error;

/* Zeroed by its maker, but for the bound. Any thread. NULL, below: nothing is counted. */
struct covey_account {
    uint64_t limit_bytes;
    _Atomic uint64_t used_bytes;
    _Atomic uint64_t own_bytes;   /* of these, what its own sessions take */
    _Atomic uint64_t table_bytes; /* see covey__account_table() */
};

/* For a session of this node. False: it would be more than the bound, and nothing is taken. */
bool covey__account_take(struct covey_account *account, uint64_t bytes);
/* The same; false: out_why says that there is no memory for `what`, and how much is taken. */
bool covey__account_take_for(struct covey_account *account, const char *what, uint64_t bytes,
                             struct covey_nn_error *out_why);
/* The same of what is there already, or needed whatever the bound. */
void covey__account_add(struct covey_account *account, uint64_t bytes);
void covey__account_give(struct covey_account *account, uint64_t bytes);

/* What a session or an assignment takes beside weights, whoever's it is: plans, digests, places in
 * tables. The first of it is part of what a node leaves for itself (resident.h); what is more
 * counts as used. */
void covey__account_table(struct covey_account *account, uint64_t bytes);
void covey__account_table_give(struct covey_account *account, uint64_t bytes);

#endif /* COVEY_SESSION_ACCOUNT_H */
