/* SPDX-License-Identifier: MIT */
/*
 * A token cancels the calls that hold it. Its lock guards the list of them; cancelling walks the
 * list under the lock, so that an exchange that was taken off it can be freed at once. kick() never
 * blocks and never comes back here.
 */
#include "engine/exchange.h"
#include "engine/os.h"

#define SLEEPERS 32

struct weir_token {
    const weir_allocator *allocator;
    weir_mutex lock;
    weir_list exchanges;
    unsigned references;
    atomic_bool cancelled;
};

/* Who sleeps in a wait hook, to be woken once the token's lock was let go: a hook may run anything.
 */
typedef struct sleeper {
    void (*rouse)(void *at);
    void *at;
} sleeper;

static size_t kick_all(weir_token *token, sleeper *asleep);
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
    sleeper asleep[SLEEPERS];
    bool more = true;

    while (more) {
        weir_mutex_lock(&token->lock);
        atomic_store(&token->cancelled, true);
        const size_t count = kick_all(token, asleep);
        more = count == SLEEPERS;
        weir_mutex_unlock(&token->lock);
        for (size_t i = 0; i < count; i++) {
            asleep[i].rouse(asleep[i].at);
        }
    }
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

/* Kicks whoever was not yet; those who sleep in a hook are left to be roused, as many as there is
 * room for. */
static size_t kick_all(weir_token *token, sleeper *asleep)
{
    size_t count = 0;

    for (weir_list *at = token->exchanges.next; at != &token->exchanges && count < SLEEPERS;
         at = at->next) {
        weir_exchange *ex = WEIR_CONTAINER_OF(at, weir_exchange, token_place);
        if (ex->front->kick_quietly == NULL) {
            weir_cancel(ex);
        } else if (!atomic_exchange(&ex->cancel_wanted, true)) {
            void *who = ex->front->kick_quietly(ex);
            if (who != NULL) {
                asleep[count++] = (sleeper){ex->front->rouse, who};
            }
        }
    }
    return count;
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
