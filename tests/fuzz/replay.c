/* SPDX-License-Identifier: MIT */
/*
 * main() of a fuzz target where there is no libFuzzer: gives it every file of the folders and each
 * of the files that are named, one TAP test each. A target has no verdict but to abort, so a test
 * has passed when the target came back.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

typedef struct paths {
    char **at;
    size_t count;
} paths;

static void gather(paths *all, const char *path);
static void gather_folder(paths *all, const char *path);
static int compare(const void *a, const void *b);
static bool replay(const char *path);

int main(int argc, char **argv)
{
    paths all = {NULL, 0};
    size_t failed = 0;

    for (int i = 1; i < argc; ++i) {
        gather(&all, argv[i]);
    }
    qsort(all.at, all.count, sizeof(*all.at), compare);
    printf("1..%zu\n", all.count);
    for (size_t i = 0; i < all.count; ++i) {
        fflush(stdout); /* the target may abort */
        if (replay(all.at[i])) {
            printf("ok %zu - %s\n", i + 1, all.at[i]);
        } else {
            printf("not ok %zu - %s cannot be read\n", i + 1, all.at[i]);
            failed += 1;
        }
        free(all.at[i]);
    }
    free(all.at);
    return failed == 0 ? 0 : 1;
}

static void gather(paths *all, const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        gather_folder(all, path);
        return;
    }
    all->at = realloc(all->at, (all->count + 1) * sizeof(*all->at));
    if (all->at == NULL) {
        abort();
    }
    all->at[all->count++] = strdup(path);
}

static void gather_folder(paths *all, const char *path)
{
    char inner[4096];
    DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
            gather(all, inner);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static int compare(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

static bool replay(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    uint8_t *octets = NULL;
    bool whole = false;

    if (file == NULL || fstat(fileno(file), &status) != 0) {
        goto done;
    }
    octets = malloc((size_t)status.st_size + 1);
    if (octets != NULL) {
        whole = fread(octets, 1, (size_t)status.st_size, file) == (size_t)status.st_size;
    }
    if (whole) {
        LLVMFuzzerTestOneInput(octets, (size_t)status.st_size);
    }
done:
    free(octets);
    if (file != NULL) {
        fclose(file);
    }
    return whole;
}
