/* SPDX-License-Identifier: MIT */
/* Text into a caller's buffer: see text.h. */
#include "engine/text.h"

#include <string.h>

#include "engine/observe.h"
#include "engine/os.h"

static void add_octet(weir_text *text, char octet);

weir_text weir_text_begin(char *to, size_t room)
{
    if (room > 0) {
        to[0] = '\0';
    }
    return (weir_text){to, room, 0};
}

void weir_text_add(weir_text *text, const char *words)
{
    for (; *words != '\0'; words++) {
        add_octet(text, *words);
    }
}

void weir_text_add_address(weir_text *text, const weir_address *address)
{
    char octets[WEIR_ADDRESS_TEXT_OCTETS];

    weir_os_address_text(address, octets, sizeof(octets));
    weir_text_add(text, octets);
    if (address->scope != 0) {
        weir_text_add(text, "%");
        weir_text_add_number(text, address->scope);
    }
}

void weir_text_add_span(weir_text *text, weir_span span)
{
    for (size_t i = 0; i < span.length; i++) {
        const uint8_t octet = span.at[i];
        add_octet(text, octet > 0x20 && octet < 0x7f ? (char)octet : '?');
    }
}

void weir_text_add_number(weir_text *text, uint64_t number)
{
    char digits[24];
    size_t first = sizeof(digits);

    digits[--first] = '\0';
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    weir_text_add(text, digits + first);
}

void weir_text_add_time(weir_text *text, weir_time span_ns)
{
    static const struct {
        weir_time unit_ns;
        const char *name;
    } units[] = {{WEIR_NS_PER_SECOND, " s"}, {WEIR_NS_PER_MS, " ms"}, {1000, " us"}};
    size_t i = 0;

    while (i + 1 < WEIR_COUNT_OF(units) && span_ns < units[i].unit_ns) {
        i++;
    }
    const uint64_t thousandths = span_ns % units[i].unit_ns / (units[i].unit_ns / 1000);
    weir_text_add_number(text, span_ns / units[i].unit_ns);
    add_octet(text, '.');
    add_octet(text, (char)('0' + thousandths / 100));
    add_octet(text, (char)('0' + thousandths / 10 % 10));
    add_octet(text, (char)('0' + thousandths % 10));
    weir_text_add(text, units[i].name);
}

void weir_text_pad(weir_text *text, size_t from, size_t column)
{
    do {
        add_octet(text, ' ');
    } while (text->length < from + column);
}

static void add_octet(weir_text *text, char octet)
{
    if (text->length + 1 < text->room) {
        text->to[text->length] = octet;
        text->to[text->length + 1] = '\0';
    }
    text->length++;
}
