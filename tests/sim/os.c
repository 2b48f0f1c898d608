/* SPDX-License-Identifier: MIT */
/*
 * The operating system of the simulator: what the engine's files need of engine/os.h, put in place
 * of the os_*.c files by the linker. Whatever is missing here would be taken from the archive and
 * bring the real thing with it, and then two of one name do not link.
 *
 * weir_os_kernel_octets() answers from the network's own count: the kernel's laws are checked
 * against figures that no code of the library has touched.
 */
#include <stdio.h>
#include <string.h>

#include "engine/os.h"
#include "net.h"

const weir_allocator *weir_os_allocator(void)
{
    return &sim_current->memory.allocator;
}

/* A run repeats: nothing in it is random. */
void weir_os_random(void *to, size_t octets)
{
    memset(to, 0x5a, octets);
}

bool weir_os_kernel_octets(int fd, weir_os_watch *watch, weir_octets *octets)
{
    const sim_net *net = sim_current->net;
    const size_t index = (size_t)(fd - SIM_FD_FIRST);

    SIM_MUST(sim_current, fd >= SIM_FD_FIRST && index < net->count, "descriptor %d is none", fd);
    const sim_socket *socket = net->sockets[index];
    SIM_MUST(sim_current, socket->state != SIM_SOCKET_CLOSED,
             "descriptor %d is closed and asked for its octets", fd);
    SIM_MUST(sim_current, !watch->fin_seen || socket->down.end_given || socket->reset,
             "descriptor %d: an end was seen that was not given", fd);
    octets->sent = socket->up.taken;
    octets->received = socket->down.given;
    return true;
}

void weir_os_address_text(const weir_address *address, char *text, size_t room)
{
    if (address->family == 4) {
        (void)snprintf(text, room, "%u.%u.%u.%u", address->octets[0], address->octets[1],
                       address->octets[2], address->octets[3]);
    } else {
        (void)snprintf(text, room, "%02x%02x:%02x%02x::", address->octets[0], address->octets[1],
                       address->octets[2], address->octets[3]);
    }
}

/* Only the two forms that weir_os_address_text() writes. */
bool weir_os_address_parse(weir_span text, weir_address *address)
{
    char copy[32];
    unsigned parts[4];

    memset(address, 0, sizeof(*address));
    if (text.length == 0 || text.length >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    if (sscanf(copy, "%u.%u.%u.%u", &parts[0], &parts[1], &parts[2], &parts[3]) == 4) {
        address->family = 4;
    } else if (sscanf(copy, "%2x%2x:%2x%2x::", &parts[0], &parts[1], &parts[2], &parts[3]) == 4) {
        address->family = 6;
    } else {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        address->octets[i] = (uint8_t)parts[i];
    }
    return true;
}

uint32_t weir_os_zone_index(weir_span zone)
{
    (void)zone;
    return 0;
}

bool weir_os_says_fin(int sys_errno)
{
    return sys_errno == SIM_EPIPE;
}

weir_status weir_os_failure_status(int sys_errno)
{
    switch (sys_errno) {
    case SIM_ECONNRESET:
    case SIM_EPIPE:
        return WEIR_E_RESET;
    default:
        return WEIR_E_NETWORK;
    }
}

weir_status weir_os_connect_status(int sys_errno)
{
    switch (sys_errno) {
    case SIM_ECONNREFUSED:
        return WEIR_E_CONNECT_REFUSED;
    case SIM_ENETUNREACH:
    case SIM_EHOSTUNREACH:
    case SIM_ETIMEDOUT:
        return WEIR_E_CONNECT_UNREACHABLE;
    case SIM_EMFILE:
        return WEIR_E_DESCRIPTORS;
    default:
        return WEIR_E_CONNECT_FAILED;
    }
}

/* One thread: a mutex has nothing to do, except to see that it is not taken twice. */

bool weir_mutex_init(weir_mutex *mutex)
{
    memset(mutex->room, 0, sizeof(mutex->room));
    return true;
}

bool weir_mutex_forked(weir_mutex *mutex)
{
    (void)mutex;
    return true;
}

/* A simulated process does not fork. */
weir_fork_mark *weir_fork_mark_new(void)
{
    return NULL;
}

void weir_fork_mark_free(weir_fork_mark *mark)
{
    (void)mark;
}

bool weir_fork_mark_is_ours(const weir_fork_mark *mark)
{
    return mark == NULL;
}

bool weir_fork_mark_claim(weir_fork_mark *mark)
{
    return mark != NULL;
}

void weir_fork_mark_settle(weir_fork_mark *mark, bool ours)
{
    (void)mark;
    (void)ours;
}

void weir_mutex_clear(weir_mutex *mutex)
{
    WEIR_ASSERT(mutex->room[0] == 0);
}

void weir_mutex_lock(weir_mutex *mutex)
{
    WEIR_ASSERT(mutex->room[0] == 0);
    mutex->room[0] = 1;
}

void weir_mutex_unlock(weir_mutex *mutex)
{
    WEIR_ASSERT(mutex->room[0] == 1);
    mutex->room[0] = 0;
}
