/* SPDX-License-Identifier: MIT */
/* Listens on a port of loopback, prints it, prints a line when a request has come, and never answers. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        perror("silent");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    alarm(60); /* nobody has to stop it */
    for (;;) {
        char some[4096];
        int fd = accept(listener, NULL, NULL);

        for (ssize_t n = read(fd, some, sizeof(some)), first = 1; n > 0;
             n = read(fd, some, sizeof(some)), first = 0) {
            if (first) {
                printf("asked\n");
                fflush(stdout);
            }
        }
        close(fd);
    }
}
