/* SPDX-License-Identifier: MIT */
#include "choice.h"

void choice_first(uint32_t size, uint32_t *choice)
{
    for (uint32_t i = 0; i < size; i++) {
        choice[i] = i;
    }
}

bool choice_next(uint32_t size, uint32_t of, uint32_t *choice)
{
    uint32_t i = size;
    while (i > 0 && choice[i - 1] == of - size + i - 1) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    choice[i - 1]++;
    for (; i < size; i++) {
        choice[i] = choice[i - 1] + 1;
    }
    return true;
}
