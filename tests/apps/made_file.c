/* SPDX-License-Identifier: MIT */
#include "made_file.h"

#include "fixture.h"

void made_add(struct made_file *f, const void *bytes, size_t len)
{
    assert_true(len <= sizeof f->bytes - f->len);
    memcpy(f->bytes + f->len, bytes, len);
    f->len += len;
}

void made_add_big(struct made_file *f, uint32_t v)
{
    const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    made_add(f, b, sizeof b);
}
