/* SPDX-License-Identifier: MIT */
/* Descriptors as bits in pages that are made when they are first needed: see held.h. */
#include "engine/held.h"

#define PAGE_FDS (WEIR_HELD_WORDS * 64)

static weir_held_page *page_of(weir_held *held, int fd);

void weir_held_init(weir_held *held, const weir_allocator *allocator)
{
    held->allocator = allocator;
    for (size_t i = 0; i < WEIR_HELD_PAGES; i++) {
        atomic_init(&held->pages[i], NULL);
    }
}

void weir_held_clear(weir_held *held)
{
    for (size_t i = 0; i < WEIR_HELD_PAGES; i++) {
        weir_held_page *page = atomic_exchange(&held->pages[i], NULL);
        if (page != NULL) {
            weir_release(held->allocator, page);
        }
    }
}

void weir_held_note(weir_held *held, int fd)
{
    weir_held_page *page = page_of(held, fd);

    if (page == NULL && fd >= 0 && fd / PAGE_FDS < WEIR_HELD_PAGES) {
        weir_held_page *none = NULL;
        page = weir_alloc_zeroed(held->allocator, sizeof(*page));
        if (page != NULL &&
            !atomic_compare_exchange_strong(&held->pages[fd / PAGE_FDS], &none, page)) {
            weir_release(held->allocator, page); /* another thread was faster */
            page = none;
        }
    }
    if (page != NULL) {
        atomic_fetch_or(&page->words[fd % PAGE_FDS / 64], UINT64_C(1) << fd % 64);
    }
}

void weir_held_strike(weir_held *held, int fd)
{
    weir_held_page *page = page_of(held, fd);

    if (page != NULL) {
        atomic_fetch_and(&page->words[fd % PAGE_FDS / 64], ~(UINT64_C(1) << fd % 64));
    }
}

int weir_held_next(weir_held *held, int from)
{
    for (int fd = from; fd / PAGE_FDS < WEIR_HELD_PAGES;) {
        weir_held_page *page = page_of(held, fd);
        if (page == NULL) {
            fd += PAGE_FDS - fd % PAGE_FDS;
            continue;
        }
        const uint64_t word = atomic_load(&page->words[fd % PAGE_FDS / 64]) >> fd % 64;
        if ((word & 1) != 0) {
            return fd;
        }
        fd += word == 0 ? 64 - fd % 64 : 1;
    }
    return -1;
}

static weir_held_page *page_of(weir_held *held, int fd)
{
    return fd >= 0 && fd / PAGE_FDS < WEIR_HELD_PAGES ? atomic_load(&held->pages[fd / PAGE_FDS])
                                                      : NULL;
}
