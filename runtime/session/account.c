/* SPDX-License-Identifier: MIT */
#include "account.h"

#include <stddef.h>
#include <stdio.h>

#include "covey/graph.h"

enum { TABLES_LEFT = 1 << 20 };

bool covey__account_take(struct covey_account *account, uint64_t bytes)
{
    if (account == NULL) {
        return true;
    }
    uint64_t used = atomic_load(&account->used_bytes);
    do {
        if (used > account->limit_bytes || bytes > account->limit_bytes - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&account->used_bytes, &used, used + bytes));
    atomic_fetch_add(&account->own_bytes, bytes);
    return true;
}

bool covey__account_take_for(struct covey_account *account, const char *what, uint64_t bytes,
                             struct covey_nn_error *out_why)
{
    if (covey__account_take(account, bytes)) {
        return true;
    }
    snprintf(out_why->text, sizeof(out_why->text),
             "no memory for %s: %llu bytes are needed, %llu of %llu are taken (coveyd --memory)",
             what, (unsigned long long)bytes, (unsigned long long)atomic_load(&account->used_bytes),
             (unsigned long long)account->limit_bytes);
    return false;
}

void covey__account_add(struct covey_account *account, uint64_t bytes)
{
    if (account != NULL) {
        atomic_fetch_add(&account->used_bytes, bytes);
        atomic_fetch_add(&account->own_bytes, bytes);
    }
}

void covey__account_give(struct covey_account *account, uint64_t bytes)
{
    if (account != NULL) {
        atomic_fetch_sub(&account->used_bytes, bytes);
        atomic_fetch_sub(&account->own_bytes, bytes);
    }
}

static uint64_t beyond(uint64_t bytes)
{
    return bytes > TABLES_LEFT ? bytes - TABLES_LEFT : 0;
}

void covey__account_table(struct covey_account *account, uint64_t bytes)
{
    if (account == NULL) {
        return;
    }
    uint64_t before = atomic_fetch_add(&account->table_bytes, bytes);
    atomic_fetch_add(&account->used_bytes, beyond(before + bytes) - beyond(before));
}

void covey__account_table_give(struct covey_account *account, uint64_t bytes)
{
    if (account == NULL) {
        return;
    }
    uint64_t before = atomic_fetch_sub(&account->table_bytes, bytes);
    atomic_fetch_sub(&account->used_bytes, beyond(before) - beyond(before - bytes));
}
