/* SPDX-License-Identifier: MIT */
/*
 * An intrusive circular doubly-linked list. The node lives in its element, so linking never
 * allocates and never fails. A node that is in no list points to itself; removing it again does
 * nothing. A list owns none of its elements: who frees one takes it off first.
 */
#ifndef WEIR_PROTO_LIST_H
#define WEIR_PROTO_LIST_H

#include "proto/base.h"

typedef struct weir_list {
    struct weir_list *next;
    struct weir_list *prev;
} weir_list;

static inline void weir_list_init(weir_list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool weir_list_is_empty(const weir_list *node)
{
    return node->next == node;
}

static inline void weir_list_insert_after(weir_list *at, weir_list *node)
{
    WEIR_ASSERT(weir_list_is_empty(node));
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}

static inline void weir_list_push_back(weir_list *list, weir_list *node)
{
    weir_list_insert_after(list->prev, node);
}

static inline void weir_list_push_front(weir_list *list, weir_list *node)
{
    weir_list_insert_after(list, node);
}

static inline void weir_list_remove(weir_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    weir_list_init(node);
}

/* Moves every element of `from` to the end of `to`. */
static inline void weir_list_splice(weir_list *to, weir_list *from)
{
    if (weir_list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    weir_list_init(from);
}

#endif
