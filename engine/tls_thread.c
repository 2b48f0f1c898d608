/* SPDX-License-Identifier: MIT */
/*
 * A wolfSSL with FP_ECC (Debian's) keeps tables of curve points, two megabytes of them, for each
 * thread that has shaken hands, and frees those of the thread that calls wolfSSL_Cleanup(), no
 * others. A blocking client is called from threads that come and go. To free the tables after each
 * handshake would cost it eight times its time; so they are freed when the thread ends, by the
 * destructor of a value that only marks the thread.
 *
 * A thread that outlives the last configuration is not watched any more: it keeps its tables. If no
 * mark can be had, nothing is watched; that costs memory and nothing else.
 */
#include "engine/tls_thread.h"

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#if defined(FP_ECC) && defined(HAVE_THREAD_LS)

#    include <wolfssl/wolfcrypt/ecc.h>

static void give_back(void *mark);

void weir_tls_threads_init(weir_tls_threads *threads)
{
    weir_os_thread_end_init(&threads->end, give_back);
}

void weir_tls_threads_clear(weir_tls_threads *threads)
{
    weir_os_thread_end_clear(&threads->end);
}

void weir_tls_threads_note(const weir_tls_threads *threads)
{
    static char marked;

    weir_os_thread_end_mark(&threads->end, &marked);
}

static void give_back(void *mark)
{
    (void)mark;
    wc_ecc_fp_free();
}

#else

void weir_tls_threads_init(weir_tls_threads *threads)
{
    threads->end = (weir_os_thread_end){0, false};
}

void weir_tls_threads_clear(weir_tls_threads *threads)
{
    (void)threads;
}

void weir_tls_threads_note(const weir_tls_threads *threads)
{
    (void)threads;
}

#endif
