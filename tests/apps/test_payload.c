// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a bzImage has inside: whole, with KHO and LUO, or refused; and whatever it
 * says, nothing is over-read.
 */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/sha256.h"

#define HEAD 1024u /* one sector of setup behind the first */

static uint8_t image[8192];
static size_t size;
static char why[256];

static void put32(size_t at, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		image[at + i] = (uint8_t)(v >> 8 * i);
}

/*
 * A bzImage with a "kernel" in one LZ4 block: literals, then a match that repeats
 * their end, then literals.
 */
static void make(const char *kernel, size_t len)
{
	size_t at = HEAD + 8, n = len;

	memset(image, 0, sizeof(image));
	image[0x1f1] = 1;
	put32(HEAD, 0x184c2102u);
	image[at++] = 0xf0;
	for (n -= 15; n >= 255; n -= 255)
		image[at++] = 255;
	image[at++] = (uint8_t)n;
	memcpy(image + at, kernel, len);
	at += len;
	image[at++] = 4; /* back by 4, 4 bytes */
	image[at++] = 0;
	image[at++] = 0x10;
	image[at++] = '!';
	put32(HEAD + 4, (uint32_t)(at - HEAD - 8));
	put32(at, (uint32_t)(len + 4 + 1));
	size = at + 4;
	put32(0x248, 0);
	put32(0x24c, (uint32_t)(size - HEAD));
}

static int judge(void)
{
	int fd = memfd_create("image", 0), err;

	ck_assert_int_eq(write(fd, image, size), (ssize_t)size);
	why[0] = '\0';
	err = check_payload(fd, "", why, sizeof(why));
	close(fd);
	return err;
}

static const char good[] = "\177ELF........\0kho\0....\0liveupdate\0....";
static const char no_luo[] = "\177ELF........\0kho\0....\0liveupdates\0....";
static const char no_kho[] = "\177ELF........\0khoo\0....\0liveupdate\0....";
static const char no_elf[] = "\177FLE........\0kho\0....\0liveupdate\0....";

START_TEST(contents)
{
	make(good, sizeof(good));
	ck_assert_int_eq(judge(), 0);
	make(no_luo, sizeof(no_luo));
	ck_assert_int_eq(judge(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "LUO"));
	make(no_kho, sizeof(no_kho));
	ck_assert_int_eq(judge(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "KHO"));
	make(no_elf, sizeof(no_elf));
	ck_assert_int_eq(judge(), -EBADMSG);
}
END_TEST

START_TEST(long_literals)
{
	static char kernel[2000];

	memset(kernel, 'x', sizeof(kernel));
	memcpy(kernel, good, sizeof(good));
	make(kernel, sizeof(kernel));
	ck_assert_int_eq(judge(), 0);
	/* Another size than there is. */
	put32(size - 4, sizeof(kernel) + 4);
	ck_assert_int_eq(judge(), -EBADMSG);
	put32(size - 4, 0xffffffff);
	ck_assert_int_eq(judge(), -EBADMSG);
}
END_TEST

/* Under ASan: every byte in turn, and every length. */
START_TEST(damaged)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };

	make(good, sizeof(good));
	for (size_t i = 0x1f1; i < size; i++) {
		uint8_t was = image[i];

		image[i] ^= flips[_i];
		judge();
		image[i] = was;
	}
	for (size_t cut = size; cut--;) {
		size = cut;
		ck_assert_int_ne(judge(), 0);
	}
}
END_TEST

START_TEST(other_compressions_pass)
{
	make(good, sizeof(good));
	put32(HEAD, 0xfd2fb528u);
	ck_assert_int_eq(judge(), 0);
}
END_TEST

START_TEST(digest_of_a_file)
{
	int fd = memfd_create("image", 0);

	ck_assert_int_eq(write(fd, "abc", 3), 3);
	ck_assert_int_eq(check_digest(fd,
				      "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
				      why, sizeof(why)),
			 0);
	ck_assert_int_eq(check_digest(fd,
				      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae",
				      why, sizeof(why)),
			 -EBADMSG);
	ck_assert_ptr_nonnull(strstr(why, "SHA-256"));
	ck_assert_int_eq(check_digest(fd, "", why, sizeof(why)), -EBADMSG);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("payload");
	TCase *tc = suite_case(suite, "payload", 60);

	tcase_add_test(tc, contents);
	tcase_add_test(tc, long_literals);
	tcase_add_loop_test(tc, damaged, 0, 3);
	tcase_add_test(tc, other_compressions_pass);
	tcase_add_test(tc, digest_of_a_file);
	return suite_run(suite);
}
