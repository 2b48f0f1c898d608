// SPDX-License-Identifier: MIT

//go:build !h2c

package main

import "net/http"

func clearH2(handler http.Handler) http.Handler {
	return handler
}
