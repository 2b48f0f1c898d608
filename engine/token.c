/* SPDX-License-Identifier: MIT */
/*
 * A token cancels the calls that hold it. Its lock guards the list of them; cancelling walks the
 * list under the lock, so that an exchange that was taken off it can be freed at once. kick() never
 * blocks and never comes back here.
 */
#include "engine/exchange.h"
#include "engine/os.h"

struct weir_token {
    const weir_allocator *allocator;
    weir_mutex lock;
    weir_list exchanges;
    unsigned references;
    atomic_bool cancelled;
};

static void release(weir_token *token);

weir_token *weir_token_new(const weir_allocator *allocator)
{
    const weir_allocator *from = allocator != NULL ? allocator : weir_os_allocator();
    weir_token *token = weir_alloc_zeroed(from, sizeof(*token));

    if (token == NULL) {
        return NULL;
    }
    if (!weir_mutex_init(&token->lock)) {
        weir_release(from, token);
        return NULL;
    }
    token->allocator = from;
    token->references = 1;
    weir_list_init(&token->exchanges);
    return token;
}

void weir_token_cancel(weir_token *token)
{
    weir_mutex_lock(&token->lock);
    atomic_store(&token->cancelled, true);
    for (weir_list *at = token->exchanges.next; at != &token->exchanges; at = at->next) {
        weir_cancel(WEIR_CONTAINER_OF(at, weir_exchange, token_place));
    }
    weir_mutex_unlock(&token->lock);
}

bool weir_token_is_cancelled(const weir_token *token)
{
    return atomic_load(&token->cancelled);
}

void weir_token_free(weir_token *token)
{
    if (token != NULL) {
        release(token);
    }
}

void weir_token_add(weir_token *token, weir_exchange *exchange)
{
    weir_mutex_lock(&token->lock);
    token->references++;
    exchange->token = token;
    weir_list_push_back(&token->exchanges, &exchange->token_place);
    const bool cancelled = atomic_load(&token->cancelled);
    weir_mutex_unlock(&token->lock);
    if (cancelled) {
        weir_cancel(exchange);
    }
}

void weir_token_remove(weir_token *token, weir_exchange *exchange)
{
    weir_mutex_lock(&token->lock);
    weir_list_remove(&exchange->token_place);
    exchange->token = NULL;
    weir_mutex_unlock(&token->lock);
    release(token);
}

static void release(weir_token *token)
{
    weir_mutex_lock(&token->lock);
    const bool last = --token->references == 0;
    weir_mutex_unlock(&token->lock);
    if (last) {
        weir_mutex_clear(&token->lock);
        weir_release(token->allocator, token);
    }
}
