/* corpus_main.c - runs a fuzz program without libFuzzer: on each file of the folders given, on each
 * of the file's beginnings, and on the file with each of its bytes inverted in turn.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Above this many bytes, beginnings and inversions are taken at intervals. */
#define STEPS_MAX 4096

/* The input lies in memory of exactly its size, so that a sanitizer sees a read past its end. */
static void run_exact(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size != 0 ? size : 1);
    if (copy == NULL) abort();
    if (size != 0) memcpy(copy, bytes, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_variants(uint8_t *bytes, size_t size) {
    const size_t step = size / STEPS_MAX + 1;
    run_exact(bytes, size);
    for (size_t i = 0; i < size; i += step) {
        run_exact(bytes, i);
        bytes[i] = (uint8_t)~bytes[i];
        run_exact(bytes, size);
        bytes[i] = (uint8_t)~bytes[i];
    }
}

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    const size_t size = (size_t)status.st_size;
    uint8_t *bytes = malloc(size + 1);
    const int whole = bytes != NULL && fread(bytes, 1, size, file) == size;
    fclose(file);
    if (whole) run_variants(bytes, size);
    free(bytes);
    return !whole;
}

/* Returns how many files were run, or -1. */
static int run_folder(const char *folder) {
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, alphasort);
    int files = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') files = run_file(path) != 0 ? -1 : files + 1;
        free(entries[i]);
        if (files < 0) return -1;
    }
    if (count >= 0) free(entries);
    return files;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const int files = run_folder(argv[i]);
        if (files <= 0) {
            fprintf(stderr, "%s: no corpus\n", argv[i]);
            return 1;
        }
        printf("%s: %d files\n", argv[i], files);
    }
    return 0;
}
