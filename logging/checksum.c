#include "checksum.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41 with its bits reversed */

static uint32_t tables[8][256]; /* [n][b]: what byte b does when n bytes come after it */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_make(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int n = 1; n < 8; n++) {
            uint32_t crc = tables[n - 1][byte];
            tables[n][byte] = crc >> 8 ^ tables[0][crc & 0xff];
        }
    }
}

uint32_t tlr__checksum_portable(const void *bytes, size_t size) {
    pthread_once(&tables_once, tables_make);
    const unsigned char *in = bytes;
    uint32_t crc = ~UINT32_C(0);
    for (; size >= 8; size -= 8, in += 8) {
        uint32_t low = crc ^ ((uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 |
                              (uint32_t)in[3] << 24);
        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][in[4]] ^ tables[2][in[5]] ^ tables[1][in[6]] ^
              tables[0][in[7]];
    }
    for (; size > 0; size--) crc = crc >> 8 ^ tables[0][(crc ^ *in++) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t checksum_sse42(const unsigned char *in,
                                                                 size_t size) {
    uint64_t crc = ~UINT32_C(0);
    for (; size >= 8; size -= 8, in += 8) {
        uint64_t word;
        memcpy(&word, in, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; size > 0; size--) crc = __builtin_ia32_crc32qi((uint32_t)crc, *in++);
    return ~(uint32_t)crc;
}

uint32_t tlr__checksum(const void *bytes, size_t size) {
    if (__builtin_cpu_supports("sse4.2")) return checksum_sse42(bytes, size);
    return tlr__checksum_portable(bytes, size);
}

#else

uint32_t tlr__checksum(const void *bytes, size_t size) {
    return tlr__checksum_portable(bytes, size);
}

#endif
