/* SPDX-License-Identifier: MIT */
/*
 * The table behind octet.h. A row names what its octets have in common; the test compares the table
 * with the grammars of the RFCs, written out.
 */
#include "proto/octet.h"

#define TOKEN      WEIR_OCTET_TOKEN
#define VALUE      WEIR_OCTET_VALUE
#define PATH       WEIR_OCTET_PATH
#define UNRESERVED WEIR_OCTET_UNRESERVED
#define SCHEME     WEIR_OCTET_SCHEME

#define LETTER    (TOKEN | VALUE | PATH | UNRESERVED | SCHEME | WEIR_OCTET_LABEL)
#define HEXLETTER (LETTER | WEIR_OCTET_HEX)
#define FIGURE    (HEXLETTER | WEIR_OCTET_DIGIT)
#define TEXT16                                                                                     \
    VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE,     \
        VALUE, VALUE, VALUE

const uint8_t weir_octet_classes[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | VALUE | PATH,
    ['"'] = VALUE,
    ['#'] = TOKEN | VALUE,
    ['$'] = TOKEN | VALUE | PATH,
    ['%'] = TOKEN | VALUE,
    ['&'] = TOKEN | VALUE | PATH,
    ['\''] = TOKEN | VALUE | PATH,
    ['('] = VALUE | PATH,
    [')'] = VALUE | PATH,
    ['*'] = TOKEN | VALUE | PATH,
    ['+'] = TOKEN | VALUE | PATH | SCHEME,
    [','] = VALUE | PATH,
    ['-'] = TOKEN | VALUE | PATH | UNRESERVED | SCHEME | WEIR_OCTET_LABEL,
    ['.'] = TOKEN | VALUE | PATH | UNRESERVED | SCHEME,
    ['/'] = VALUE | PATH,
    ['0'] = FIGURE,
    ['1'] = FIGURE,
    ['2'] = FIGURE,
    ['3'] = FIGURE,
    ['4'] = FIGURE,
    ['5'] = FIGURE,
    ['6'] = FIGURE,
    ['7'] = FIGURE,
    ['8'] = FIGURE,
    ['9'] = FIGURE,
    [':'] = VALUE | PATH,
    [';'] = VALUE | PATH,
    ['<'] = VALUE,
    ['='] = VALUE | PATH,
    ['>'] = VALUE,
    ['?'] = VALUE,
    ['@'] = VALUE | PATH,
    ['A'] = HEXLETTER,
    ['B'] = HEXLETTER,
    ['C'] = HEXLETTER,
    ['D'] = HEXLETTER,
    ['E'] = HEXLETTER,
    ['F'] = HEXLETTER,
    ['G'] = LETTER,
    ['H'] = LETTER,
    ['I'] = LETTER,
    ['J'] = LETTER,
    ['K'] = LETTER,
    ['L'] = LETTER,
    ['M'] = LETTER,
    ['N'] = LETTER,
    ['O'] = LETTER,
    ['P'] = LETTER,
    ['Q'] = LETTER,
    ['R'] = LETTER,
    ['S'] = LETTER,
    ['T'] = LETTER,
    ['U'] = LETTER,
    ['V'] = LETTER,
    ['W'] = LETTER,
    ['X'] = LETTER,
    ['Y'] = LETTER,
    ['Z'] = LETTER,
    ['['] = VALUE,
    ['\\'] = VALUE,
    [']'] = VALUE,
    ['^'] = TOKEN | VALUE,
    ['_'] = TOKEN | VALUE | PATH | UNRESERVED | WEIR_OCTET_LABEL,
    ['`'] = TOKEN | VALUE,
    ['a'] = HEXLETTER,
    ['b'] = HEXLETTER,
    ['c'] = HEXLETTER,
    ['d'] = HEXLETTER,
    ['e'] = HEXLETTER,
    ['f'] = HEXLETTER,
    ['g'] = LETTER,
    ['h'] = LETTER,
    ['i'] = LETTER,
    ['j'] = LETTER,
    ['k'] = LETTER,
    ['l'] = LETTER,
    ['m'] = LETTER,
    ['n'] = LETTER,
    ['o'] = LETTER,
    ['p'] = LETTER,
    ['q'] = LETTER,
    ['r'] = LETTER,
    ['s'] = LETTER,
    ['t'] = LETTER,
    ['u'] = LETTER,
    ['v'] = LETTER,
    ['w'] = LETTER,
    ['x'] = LETTER,
    ['y'] = LETTER,
    ['z'] = LETTER,
    ['{'] = VALUE,
    ['|'] = TOKEN | VALUE,
    ['}'] = VALUE,
    ['~'] = TOKEN | VALUE | PATH | UNRESERVED,
    [0x80] = TEXT16,
    TEXT16,
    TEXT16,
    TEXT16,
    TEXT16,
    TEXT16,
    TEXT16,
    TEXT16,
};

bool weir_octet_is_triplet(weir_span text, size_t at)
{
    WEIR_ASSERT(at < text.length);
    return text.at[at] == '%' && text.length - at >= 3 &&
           weir_octet_is(text.at[at + 1], WEIR_OCTET_HEX) &&
           weir_octet_is(text.at[at + 2], WEIR_OCTET_HEX);
}

uint8_t weir_octet_of_triplet(weir_span text, size_t at)
{
    WEIR_ASSERT(weir_octet_is_triplet(text, at));
    return (uint8_t)(weir_octet_hex(text.at[at + 1]) << 4 | weir_octet_hex(text.at[at + 2]));
}

size_t weir_octet_run(weir_span span, weir_octet_class octet_class)
{
    size_t length = 0;
    while (length < span.length && weir_octet_is(span.at[length], octet_class)) {
        length++;
    }
    return length;
}
