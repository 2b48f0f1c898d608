/* SPDX-License-Identifier: MIT */
/*
 * The bench of head*_test.c; see head_bench.h.
 */
#include "head_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/octet.h"

void bench_aim(head_bench *f, const char *url)
{
    assert_int_equal(weir_target_parse(&f->target, weir_span_of(url), f->storage,
                                       sizeof(f->storage), &f->failure),
                     WEIR_OK);
}

int bench_setup(void **state)
{
    head_bench *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    bench_aim(f, "https://example.com/path?query");
    f->parts.target = &f->target;
    weir_fields_init(&f->head.fields, &f->failalloc.allocator);
    *state = f;
    return 0;
}

int bench_teardown(void **state)
{
    head_bench *f = *state;
    weir_head_clear(&f->head);
    weir_head_clear(&f->head);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

void bench_assert_span(weir_span span, const char *text)
{
    if (!weir_span_equal(span, weir_span_of(text))) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)span.length, (const char *)span.at, text);
    }
}

void bench_assert_field(const weir_fields *fields, size_t i, const char *name, const char *value,
                        uint32_t flags)
{
    weir_field field;
    assert_true(weir_fields_at(fields, i, &field));
    bench_assert_span(field.name, name);
    bench_assert_span(field.value, value);
    assert_int_equal(field.flags, flags);
}

static weir_status build(head_bench *f, const weir_field *fields, size_t count)
{
    weir_head_clear(&f->head);
    f->parts.fields = fields;
    f->parts.field_count = count;
    memset(&f->head, 0xa5, sizeof(f->head));
    return weir_head_build(&f->head, &f->parts, &f->failalloc.allocator, &f->failure);
}

void bench_assert_built(head_bench *f, const weir_field *fields, size_t count)
{
    f->failure = (weir_failure){.status = WEIR_OK};
    weir_status status = build(f, fields, count);
    if (status != WEIR_OK) {
        fail_msg("%s: %s", weir_status_name(status), f->failure.what ? f->failure.what : "");
    }
}

void bench_assert_refused(head_bench *f, const weir_field *fields, size_t count,
                          weir_status expected, uint64_t index)
{
    f->failure = (weir_failure){.status = WEIR_OK};
    weir_status status = build(f, fields, count);
    if (status != expected) {
        fail_msg("%s, expected %s", weir_status_name(status), weir_status_name(expected));
    }
    assert_int_equal(f->failure.status, expected);
    assert_int_equal(f->failure.phase, WEIR_PHASE_SUBMIT);
    assert_int_equal(f->failure.processed, WEIR_NOT_SENT);
    assert_int_equal(f->failure.tls_alert, -1);
    assert_int_equal(f->failure.offset, index);
    assert_int_equal(weir_fields_count(&f->head.fields), 0);
    assert_int_equal(f->head.method.length, 0);
    assert_int_equal(f->head.path.length, 0);
    assert_false(f->head.https);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
}

void bench_refuse_one(head_bench *f, weir_field field, weir_status expected)
{
    const weir_field fields[] = {{WEIR_SPAN("accept"), WEIR_SPAN("*/*"), 0}, field};
    bench_assert_refused(f, fields, 2, expected, 1);
}

void bench_refuse_field(head_bench *f, const char *name, const char *value, weir_status expected)
{
    bench_refuse_one(f, (weir_field){weir_span_of(name), weir_span_of(value), 0}, expected);
}
