/* SPDX-License-Identifier: MIT */
/* A program outside the tree: prints the status code and the body of one URL. C and C++. */
#include <stdio.h>
#include <weir/weir.h>

int main(int argc, char **argv)
{
    weir_client *client = weir_client_new(NULL, NULL);
    weir_request request = WEIR_REQUEST_INIT;
    weir_exchange *exchange = NULL;
    weir_status status;
    char text[256];
    size_t octets = 0;

    request.url = weir_span_of(argc > 1 ? argv[1] : NULL);
    status = weir_client_call(client, &request, NULL, &exchange);
    printf("%d ", exchange != NULL ? weir_exchange_code(exchange) : 0);
    while (status == WEIR_OK &&
           (status = weir_read(exchange, text, sizeof(text), &octets)) == WEIR_OK) {
        fwrite(text, 1, octets, stdout);
    }
    printf(" %s\n", weir_status_name(status));
    weir_exchange_free(exchange);
    weir_client_free(client);
    return status == WEIR_END ? 0 : 1;
}
