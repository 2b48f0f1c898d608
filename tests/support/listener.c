/* SPDX-License-Identifier: MIT */
/*
 * A port on loopback.
 */
#include "support/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "support/must.h"

int weir_listener_open(uint16_t *port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t octets = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(fd >= 0, "socket");
    must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
    must(listen(fd, backlog) == 0, "listen");
    must(getsockname(fd, (struct sockaddr *)&at, &octets) == 0, "getsockname");
    *port = ntohs(at.sin_port);
    return fd;
}
