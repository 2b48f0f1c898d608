/* SPDX-License-Identifier: MIT */
/* See trust.h. */
#include "trust.h"

#include "text.h"

weir_tls_config *must_trust(const char *ca)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_status status = WEIR_OK;
    weir_failure failure;
    options.ca_file = ca;
    options.only_these_roots = true;
    weir_tls_config *config = weir_tls_config_new(&options, NULL, &status, &failure);
    if (config == NULL) {
        die("%s: %s", ca, weir_status_name(status));
    }
    return config;
}
