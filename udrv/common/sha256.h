/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UDRV_COMMON_SHA256_H
#define UDRV_COMMON_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 65u

/** sha256_hex() - FIPS 180-4 digest of @len bytes as 64 lower case hexadecimal digits and a NUL */
void sha256_hex(const void *data, size_t len, char hex[SHA256_HEX]);

#endif
