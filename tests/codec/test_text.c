/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "covey/text.h"

/* What a terminal obeys, and bytes that are no UTF-8, become question marks; all else stays. */
static void test_made_plain(void **state)
{
    static const struct {
        const char *text, *plain;
    } cases[] = {
        {"", ""},
        {"plain ~", "plain ~"},
        {"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x99\x82",
         "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x99\x82"},
        {"\xc2\xa0", "\xc2\xa0"}, /* the first behind the controls of Latin-1 */
        {"\x1b[31mred\x07\r\n\t\x7f", "?[31mred?????"},
        {"\xc2\x80 \xc2\x9b \xc2\x9f", "?? ?? ??"},
        {"\x9b \xff \xc0\x80", "? ? ??"},
        {"\xed\xa0\x80", "???"}, /* a surrogate */
        {"cut \xe2\x82", "cut ??"},
        {"cut \xe2\x82!", "cut ?"
                          "?!"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s", cases[i].text);
        bool plain = covey_text_is_plain(covey_bytes_of(text, strlen(text)));
        assert_int_equal(plain, strcmp(cases[i].text, cases[i].plain) == 0);
        covey_text_make_plain(text);
        assert_string_equal(text, cases[i].plain);
        assert_true(covey_text_is_plain(covey_bytes_of(text, strlen(text))));
    }
    assert_false(covey_text_is_plain(covey_bytes_of("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
