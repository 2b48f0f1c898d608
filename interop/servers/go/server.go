// SPDX-License-Identifier: MIT

// The cases of the interop suite over Go's net/http.
//
//	server CLEAR_H1 CLEAR_H2 TLS CERTS
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const longest = 10000000

var block [65536]byte

func init() {
	for i := range block {
		block[i] = byte(i*31 + (i>>8)*7)
	}
}

func pattern(w io.Writer, count int) {
	for count > 0 {
		n := count
		if n > len(block) {
			n = len(block)
		}
		if _, err := w.Write(block[:n]); err != nil {
			return
		}
		count -= n
	}
}

func octets(w http.ResponseWriter, r *http.Request, count int) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(count))
	if r.Method != http.MethodHead {
		pattern(w, count)
	}
}

func chunked(w http.ResponseWriter, r *http.Request, count int) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.(http.Flusher).Flush()
	pattern(w, count)
}

func trailers(w http.ResponseWriter, r *http.Request, count int) {
	w.Header().Set("Trailer", "x-check, x-octets")
	chunked(w, r, count)
	w.Header().Set("x-check", "trailer")
	w.Header().Set("x-octets", strconv.Itoa(count))
}

func echo(w http.ResponseWriter, r *http.Request, count int) {
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	if r.ProtoMajor == 1 {
		// Before a full-duplex mode existed, HTTP/1.1 had to read all before it wrote.
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, _ = w.Write(body)
		}
		return
	}
	_, _ = io.Copy(flushing{w}, r.Body)
}

type flushing struct{ http.ResponseWriter }

func (f flushing) Write(octets []byte) (int, error) {
	n, err := f.ResponseWriter.Write(octets)
	f.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

func sink(w http.ResponseWriter, r *http.Request, count int) {
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "{\"octets\":%d,\"trailers\":%q}\n", n, r.Trailer.Get("x-check"))
}

func small(w http.ResponseWriter, r *http.Request, count int) {
	if r.ContentLength >= 0 && r.ContentLength <= 1000 {
		sink(w, r, count)
		return
	}
	w.WriteHeader(http.StatusRequestEntityTooLarge)
	fmt.Fprintln(w, "too large")
}

func hints(w http.ResponseWriter, r *http.Request, count int) {
	w.Header().Set("Link", "</style.css>; rel=preload; as=style")
	w.WriteHeader(http.StatusEarlyHints)
	w.Header().Del("Link")
	fmt.Fprintln(w, "hinted")
}

func delay(w http.ResponseWriter, r *http.Request, count int) {
	time.Sleep(200 * time.Millisecond)
	fmt.Fprintln(w, "delayed")
}

func hang(w http.ResponseWriter, r *http.Request, count int) {
	<-r.Context().Done()
}

func status(w http.ResponseWriter, r *http.Request, count int) {
	w.WriteHeader(count)
}

func last(w http.ResponseWriter, r *http.Request, count int) {
	w.Header().Set("Connection", "close")
	fmt.Fprintln(w, "last")
}

func refuse(w http.ResponseWriter, r *http.Request, count int) {
	panic(http.ErrAbortHandler)
}

func serve(w http.ResponseWriter, r *http.Request) {
	cases := map[string]func(http.ResponseWriter, *http.Request, int){
		"octets": octets, "chunked": chunked, "trailers": trailers, "echo": echo, "sink": sink,
		"small": small, "hints": hints, "delay": delay, "hang": hang, "status": status,
		"last": last, "refuse": refuse,
	}
	parts := strings.Split(r.URL.Path, "/")
	count := 0
	if len(parts) > 2 {
		count, _ = strconv.Atoi(parts[2])
	}
	answer, known := cases[parts[1]]
	if !known || count > longest {
		http.NotFound(w, r)
		return
	}
	answer(w, r, count)
}

func main() {
	h1, h2, tls, certs := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	handler := http.HandlerFunc(serve)
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+h1, handler)) }()
	if h2 != "0" {
		go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+h2, clearH2(handler))) }()
	}
	log.Fatal(http.ListenAndServeTLS("127.0.0.1:"+tls, filepath.Join(certs, "good.pem"),
		filepath.Join(certs, "good.key"), handler))
}
