/* SPDX-License-Identifier: MIT */
#include "covey/text.h"

#include "cbor_item.h"

/* RFC 3629 section 4, the table UTF8-char: the first byte decides how many follow and, against
 * overlong forms, surrogates and points beyond U+10FFFF, which second bytes are allowed. */
struct utf8_lead {
    uint8_t first;
    uint8_t last;
    uint8_t following;
    uint8_t second_min;
    uint8_t second_max;
};

static const struct utf8_lead utf8_leads[] = {
    {0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static const struct utf8_lead *find_lead(uint8_t byte)
{
    for (size_t i = 0; i < sizeof(utf8_leads) / sizeof(utf8_leads[0]); i++) {
        if (byte >= utf8_leads[i].first && byte <= utf8_leads[i].last) {
            return &utf8_leads[i];
        }
    }
    return NULL;
}

/* Bytes of the character at the start of text, 0 if it is not one. */
static size_t character_len(struct covey_bytes text)
{
    const struct utf8_lead *lead = find_lead(text.ptr[0]);
    if (lead == NULL || text.len <= lead->following) {
        return 0;
    }
    for (size_t i = 1; i <= lead->following; i++) {
        uint8_t min = i == 1 ? lead->second_min : 0x80;
        uint8_t max = i == 1 ? lead->second_max : 0xbf;
        if (text.ptr[i] < min || text.ptr[i] > max) {
            return 0;
        }
    }
    return 1U + lead->following;
}

bool covey__utf8_valid(struct covey_bytes text)
{
    while (text.len > 0) {
        size_t len = character_len(text);
        if (len == 0) {
            return false;
        }
        text = covey_bytes_of(text.ptr + len, text.len - len);
    }
    return true;
}

static bool is_control(struct covey_bytes character)
{
    uint8_t first = character.ptr[0];
    return first < 0x20 || first == 0x7f || (first == 0xc2 && character.ptr[1] <= 0x9f);
}

/* Bytes of the character at the start of text, 0 if a terminal may not show it. */
static size_t plain_len(struct covey_bytes text)
{
    size_t len = character_len(text);
    return len > 0 && !is_control(text) ? len : 0;
}

bool covey_text_is_plain(struct covey_bytes text)
{
    size_t len = 1;
    while (text.len > 0 && len > 0) {
        len = plain_len(text);
        text = covey_bytes_of(text.ptr + len, text.len - len);
    }
    return text.len == 0;
}

void covey_text_make_plain(char *text)
{
    struct covey_bytes rest = covey_bytes_of((const uint8_t *)text, strlen(text));
    while (rest.len > 0) {
        size_t len = plain_len(rest);
        if (len == 0) {
            *text = '?';
            len = 1;
        }
        text += len;
        rest = covey_bytes_of((const uint8_t *)text, rest.len - len);
    }
}
