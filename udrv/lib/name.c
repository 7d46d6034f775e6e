// SPDX-License-Identifier: BSD-2-Clause
#include <stdbool.h>
#include <string.h>

#include <udrv/proto.h>

#define NAME_MAX_LEN 31

bool udrv_name_valid(const char *name)
{
	size_t len = strnlen(name, NAME_MAX_LEN + 1);

	if (len == 0 || len > NAME_MAX_LEN || name[0] < 'a' || name[0] > 'z')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

bool udrv_bdf_valid(const char *bdf)
{
	static const char pattern[] = "xxxx:xx:xx.7";

	if (strnlen(bdf, sizeof(pattern)) != sizeof(pattern) - 1)
		return false;
	for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
		bool ok;

		if (pattern[i] == 'x')
			ok = strchr("0123456789abcdef", bdf[i]);
		else if (pattern[i] == '7')
			ok = bdf[i] >= '0' && bdf[i] <= '7';
		else
			ok = bdf[i] == pattern[i];
		if (!ok)
			return false;
	}
	return true;
}
