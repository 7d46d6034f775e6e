// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pool: addresses, the allocator against a reference, its book at every step, records that lie.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/dma.h>
#include <udrv/state.h>

#include "tests/unit/crash.h"
#include "tests/unit/fake_device.h"
#include "tests/unit/fake_log.h"
#include "tests/unit/suite.h"
#include "udrv/lib/crc32c.h"
#include "udrv/lib/dma_internal.h"

#define POOL  (2u << 20)
#define UNITS (POOL / 64)

static struct fake_device fake;
static struct fake_log flog;

static int no_bar(void *ctx, unsigned int bar, struct udrv_bar *ret)
{
	(void)ctx, (void)bar, (void)ret;
	return -ENOENT;
}

static int no_config(void *ctx, unsigned int off, void *buf, unsigned int len)
{
	(void)ctx, (void)off;
	memset(buf, 0xff, len);
	return 0;
}

static const struct udrv_device_ops ops = { .size = sizeof(ops),
					    .bar_map = no_bar,
					    .config_read = no_config };

static void make(unsigned int nruns, unsigned int first, unsigned int entries)
{
	const struct fake_device_opts opts = {
		.pool_size = POOL,
		.nruns = nruns,
		.first_run_pages = first,
		.book_entries = entries,
		.ops = &ops,
		.log = &flog.log,
	};

	fake_log_init(&flog);
	ck_assert_int_eq(fake_device_create(&fake, &opts), 0);
}

static void teardown(void)
{
	fake_device_destroy(&fake);
}

/* ck_assert() writes a mark each time: not for every byte. */
static bool all_bytes(const uint8_t *p, uint64_t len, uint8_t v)
{
	while (len && *p == v) {
		p++;
		len--;
	}
	return len == 0;
}

START_TEST(memfd)
{
	struct stat sb;
	int fd = udrv_dma_memfd("test", (2 << 20) + 1);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &sb), 0);
	ck_assert_int_eq(sb.st_size, 4 << 20);
	ck_assert_int_ge(sb.st_blocks * 512, 4 << 20); /* all of it allocated */
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(sb.st_mode & 0111,
			 0111); /* MFD_EXEC: no F_SEAL_EXEC for LUO to bring back wrong */
	close(fd);
	ck_assert_int_eq(udrv_dma_memfd("test", 0), -EINVAL);
	ck_assert_int_eq(udrv_dma_memfd("test", UINT64_MAX), -EINVAL);
	make(1, 0, 0);
}
END_TEST

START_TEST(addresses)
{
	uint64_t off = 0;

	make(7, 1 + 2 * (unsigned int)_i, 0);
	for (unsigned int i = 0; i < fake.nruns; i++) {
		const struct udrv_dma_run *r = &fake.runs[i];

		ck_assert_uint_eq(udrv_dma_addr(fake.dma, r->off), r->addr);
		ck_assert_uint_eq(udrv_dma_addr(fake.dma, r->off + r->len - 1),
				  r->addr + r->len - 1);
		ck_assert_uint_eq(udrv_dma_contig(fake.dma, r->off, POOL), r->len);
		ck_assert_uint_eq(udrv_dma_contig(fake.dma, r->off + 100, POOL), r->len - 100);
		ck_assert_uint_eq(udrv_dma_contig(fake.dma, r->off + 100, 50), 50);
		ck_assert_uint_eq(udrv_dma_contig(fake.dma, r->off + r->len - 1, 10), 1);
		*(uint8_t *)udrv_dma_ptr(fake.dma, r->off + 5) = (uint8_t)i;
		ck_assert_int_eq(*(uint8_t *)fake_device_mem(&fake, r->addr + 5, 1), i);
		ck_assert_ptr_null(fake_device_mem(&fake, r->addr + r->len - 1, 2));
		off += r->len;
	}
	ck_assert_uint_eq(off, POOL);
	ck_assert_uint_eq(udrv_dma_contig(fake.dma, POOL, 1), 0);
	ck_assert_uint_eq(udrv_dma_contig(fake.dma, UINT64_MAX, 1), 0);
	ck_assert(udrv_dma_valid(fake.dma, POOL, 0));
	ck_assert(!udrv_dma_valid(fake.dma, POOL, 1));
	ck_assert(!udrv_dma_valid(fake.dma, 1, UINT64_MAX));
	ck_assert(!udrv_dma_valid(fake.dma, UINT64_MAX, 1));
}
END_TEST

START_TEST(alloc_rules)
{
	uint64_t off, size;

	make(5, 3, 8);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 0, 0, 0, 1, &off), -EINVAL);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 1, 0, 0, 0, &off), -EINVAL);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 1, 32, 0, 1, &off), -EINVAL);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 1, 96, 0, 1, &off), -EINVAL);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 1, 4 << 20, 0, 1, &off), -EINVAL);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 1, 0, 2, 1, &off), -EINVAL);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, UINT64_MAX, 0, 0, 1, &off), -ENOMEM);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, POOL + 1, 0, 0, 1, &off), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(flog.last, "largest hole has 2097152"));
	/* Contiguous over the break after three pages: the next run has to do. */
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 4 * 4096, 4096, UDRV_DMA_CONTIG, 7, &off), 0);
	ck_assert_uint_eq(off, 3 * 4096);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 3 * 4096, 4096, UDRV_DMA_CONTIG, 8, &off), 0);
	ck_assert_uint_eq(off, 0);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, fake.runs[4].len + 1, 0, UDRV_DMA_CONTIG, 9,
					&off),
			 -ENOMEM);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, fake.runs[4].len + 1, 0, 0, 9, &off), 0);
	ck_assert_int_eq(udrv_dma_free(fake.dma, off), 0);
	ck_assert_int_eq(udrv_dma_free(fake.dma, off), -ENOENT);
	ck_assert_int_eq(udrv_dma_free(fake.dma, UINT64_MAX), -ENOENT);
	/* Alignment is the device's too. */
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 100, 65536, 0, 9, &off), 0);
	ck_assert_uint_eq(off % 65536, 0);
	ck_assert_uint_eq(udrv_dma_addr(fake.dma, off) % 65536, 0);
	ck_assert_int_eq(udrv_dma_find(fake.dma, 9, &off, &size), 0);
	ck_assert_uint_eq(size, 128);
	ck_assert_int_eq(udrv_dma_find(fake.dma, 10, &off, &size), -ENOENT);
	ck_assert_uint_eq(udrv_dma_used(fake.dma), 7 * 4096 + 128);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(udrv_dma_alloc(fake.dma, 64, 0, 0, 1, &off), 0);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 64, 0, 0, 1, &off), -ENOSPC);
}
END_TEST

static int free_tag_2(void *ctx, uint64_t off, uint64_t size, uint64_t tag)
{
	unsigned int *seen = ctx;

	ck_assert_uint_eq(size, 64);
	(*seen)++;
	return tag == 2 ? udrv_dma_free(fake.dma, off) : 0;
}

static int stop_at_second(void *ctx, uint64_t off, uint64_t size, uint64_t tag)
{
	unsigned int *seen = ctx;

	(void)off, (void)size, (void)tag;
	return ++*seen == 2 ? 42 : 0;
}

START_TEST(each_may_free)
{
	unsigned int seen = 0;
	uint64_t off;

	make(1, 0, 0);
	for (int i = 0; i < 12; i++)
		ck_assert_int_eq(udrv_dma_alloc(fake.dma, 64, 0, 0, 1 + (i / 2) % 2, &off), 0);
	ck_assert_int_eq(udrv_dma_each(fake.dma, free_tag_2, &seen), 0);
	ck_assert_uint_eq(seen, 12);
	ck_assert_uint_eq(udrv_dma_used(fake.dma), 6 * 64);
	seen = 0;
	ck_assert_int_eq(udrv_dma_each(fake.dma, stop_at_second, &seen), 42);
	ck_assert_uint_eq(seen, 2);
}
END_TEST

/* A reference allocator: which tag owns each unit of 64 bytes. */
static uint16_t owner[UNITS];

static void compare_with_reference(void)
{
	uint64_t used = 0;

	for (unsigned int i = 0; i < UNITS; i++)
		used += owner[i] ? 64 : 0;
	ck_assert_uint_eq(udrv_dma_used(fake.dma), used);
	for (unsigned int i = 0; i < UNITS; i++) {
		uint64_t off, size;
		unsigned int wrong = 0;

		if (!owner[i] || (i && owner[i - 1] == owner[i]))
			continue;
		ck_assert_int_eq(udrv_dma_find(fake.dma, owner[i], &off, &size), 0);
		ck_assert_uint_eq(off, i * 64);
		for (uint64_t u = off / 64; u < (off + size) / 64; u++)
			wrong += owner[u] != owner[i];
		ck_assert_uint_eq(wrong, 0);
	}
}

/* Is there really no place for what the allocator refused? */
static bool place_exists(uint64_t size, uint64_t align, bool contig)
{
	uint64_t units = (size + 63) / 64;

	for (uint64_t u = 0; u + units <= UNITS; u++) {
		uint64_t n = 0;

		if (u * 64 % align || udrv_dma_addr(fake.dma, u * 64) % align)
			continue;
		while (n < units && !owner[u + n])
			n++;
		if (n < units) {
			u += n; /* every place up to there meets the same owner */
			continue;
		}
		if (!contig || udrv_dma_contig(fake.dma, u * 64, size) == size)
			return true;
	}
	return false;
}

START_TEST(random_against_reference)
{
	uint16_t next_tag = 1;

	make(9, 5, 64);
	srandom(4711 + (unsigned int)_i);
	memset(owner, 0, sizeof(owner));
	for (int step = 0; step < 2000; step++) {
		uint64_t off, size, align = 64ull << random() % 9;
		unsigned int flags = random() % 2 ? UDRV_DMA_CONTIG : 0, taken = 0;
		int err;

		size = random() % 4 ? 1 + (uint64_t)random() % 8192 :
				      1 + (uint64_t)random() % (POOL / 4);
		if (random() % 2) {
			err = udrv_dma_alloc(fake.dma, size, align, flags, next_tag, &off);
			if (err == -ENOMEM)
				ck_assert(!place_exists(size, align, flags));
			if (err) {
				ck_assert(err == -ENOMEM || err == -ENOSPC);
				continue;
			}
			ck_assert_uint_eq(off % align, 0);
			ck_assert_uint_eq(udrv_dma_addr(fake.dma, off) % align, 0);
			ck_assert(udrv_dma_valid(fake.dma, off, size));
			if (flags)
				ck_assert_uint_eq(udrv_dma_contig(fake.dma, off, size), size);
			ck_assert(all_bytes(fake.mem + off, size, 0));
			memset(fake.mem + off, 0xa5, size);
			for (uint64_t u = off / 64; u < (off + size + 63) / 64; u++) {
				taken += owner[u] != 0;
				owner[u] = next_tag;
			}
			ck_assert_uint_eq(taken, 0);
			next_tag++;
		} else {
			uint16_t tag = owner[random() % UNITS];

			if (!tag)
				continue;
			ck_assert_int_eq(udrv_dma_find(fake.dma, tag, &off, &size), 0);
			ck_assert_int_eq(udrv_dma_free(fake.dma, off), 0);
			for (uint64_t u = off / 64; u < (off + size) / 64; u++)
				owner[u] = 0;
		}
		if (step % 100 == 0) {
			ck_assert_int_eq(fake_device_open(&fake), 0);
			compare_with_reference();
		}
	}
}
END_TEST

static int crash_err;

static void alloc_tag_5(void *ctx)
{
	uint64_t off;

	(void)ctx;
	crash_err = udrv_dma_alloc(fake.dma, 5000, 4096, UDRV_DMA_CONTIG, 5, &off);
}

static void free_4096(void *ctx)
{
	(void)ctx;
	crash_err = udrv_dma_free(fake.dma, 4096);
}

static void make_two(void)
{
	uint64_t off;

	make(3, 10, 4);
	memset(fake.mem, 0xa5, fake.size);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 4096, 4096, 0, 1, &off), 0);
	ck_assert_int_eq(udrv_dma_alloc(fake.dma, 4096, 4096, 0, 2, &off), 0);
	ck_assert_uint_eq(off, 4096);
	memset(udrv_dma_ptr(fake.dma, 0), 0x11, 4096);
	memset(udrv_dma_ptr(fake.dma, 4096), 0x22, 4096);
}

static void others_untouched(void)
{
	ck_assert(all_bytes(fake.mem, 4096, 0x11));
}

START_TEST(crash_in_alloc)
{
	unsigned int n, made = 0;
	bool stopped = true;

	for (n = 1; stopped; n++) {
		uint64_t off, size;

		make_two();
		stopped = crash_after(n, alloc_tag_5, NULL);
		ck_assert_int_eq(fake_device_open(&fake), 0);
		others_untouched();
		if (udrv_dma_find(fake.dma, 5, &off, &size) == 0) {
			made++;
			ck_assert_uint_eq(size, 5056);
			ck_assert(all_bytes(fake.mem + off, size, 0));
			ck_assert_uint_eq(udrv_dma_used(fake.dma), 2 * 4096 + size);
		} else {
			ck_assert(stopped);
			ck_assert_uint_eq(udrv_dma_used(fake.dma), 2 * 4096);
			/* Nothing is lost: the same request is served again. */
			alloc_tag_5(NULL);
			ck_assert_int_eq(crash_err, 0);
		}
		teardown();
	}
	ck_assert_uint_ge(n, 6);
	ck_assert_uint_eq(made, 2); /* after the last store, and undisturbed */
	make(1, 0, 0);
}
END_TEST

START_TEST(crash_in_free)
{
	bool stopped = true;
	unsigned int n;

	for (n = 1; stopped; n++) {
		make_two();
		stopped = crash_after(n, free_4096, NULL);
		ck_assert_int_eq(fake_device_open(&fake), 0);
		others_untouched();
		ck_assert_int_eq(udrv_dma_find(fake.dma, 2, NULL, NULL), -ENOENT);
		ck_assert_uint_eq(udrv_dma_used(fake.dma), 4096);
		teardown();
	}
	ck_assert_uint_eq(n, 3); /* one store */
	make(1, 0, 0);
}
END_TEST

START_TEST(moved_page)
{
	make(6, 2, 0);
	for (unsigned int i = 0; i < fake.nruns; i++) {
		fake.runs[i].addr ^= 1ull << 40;
		ck_assert_int_eq(fake_device_open(&fake), -ESTALE);
		ck_assert_ptr_nonnull(strstr(flog.last, "do not resume"));
		fake.runs[i].addr ^= 1ull << 40;
	}
	ck_assert_int_eq(fake_device_open(&fake), 0);
}
END_TEST

START_TEST(other_cuts_of_the_same_addresses)
{
	make(1, 0, 0);
	fake.nruns = 2;
	fake.runs[1] = (struct udrv_dma_run){ POOL / 2, POOL / 2, fake.runs[0].addr + POOL / 2 };
	fake.runs[0].len = POOL / 2;
	ck_assert_int_eq(fake_device_open(&fake), 0);
	ck_assert_uint_eq(udrv_dma_contig(fake.dma, 0, POOL), POOL);
	/* and what does not cover the pool is a caller's mistake */
	fake.runs[1].len -= 4096;
	ck_assert_int_eq(fake_device_open(&fake), -EINVAL);
	fake.runs[1].len += 8192;
	ck_assert_int_eq(fake_device_open(&fake), -EINVAL);
	fake.runs[1].len -= 4096;
	fake.runs[1].addr += 1;
	ck_assert_int_eq(fake_device_open(&fake), -EINVAL);
	fake.runs[1].addr = UINT64_MAX - 4095;
	ck_assert_int_eq(fake_device_open(&fake), -EINVAL);
	fake.nruns = 0;
	ck_assert_int_eq(fake_device_open(&fake), -EINVAL);
}
END_TEST

static struct dma_entry *book(void)
{
	struct dma_entry *entry = udrv_state_area(fake.st, DMA_BOOK_AREA, NULL);

	ck_assert_ptr_nonnull(entry);
	return entry;
}

static void sign(struct dma_entry *e)
{
	e->live = htole64(1ull << 63 | udrv_crc32c(0, e, 24));
}

/* Every bit of a live entry, and of the live word of a free one. */
START_TEST(damaged_book)
{
	uint8_t *bytes;

	make_two();
	for (unsigned int bit = 0; bit < 3 * 32 * 8; bit++) {
		int err;

		if (!fake.st)
			ck_assert_int_eq(udrv_state_open(fake.state_fd, 0, NULL, &fake.st), 0);
		bytes = (uint8_t *)book();
		bytes[bit / 8] ^= 1 << bit % 8;
		err = fake_device_open(&fake);
		if (bit >= 2 * 32 * 8 && bit < (2 * 32 + 24) * 8)
			ck_assert_int_eq(err, 0); /* a free entry may hold anything */
		else
			ck_assert_int_eq(err, -EBADMSG);
		if (!fake.st)
			ck_assert_int_eq(udrv_state_open(fake.state_fd, 0, NULL, &fake.st), 0);
		bytes = (uint8_t *)book();
		bytes[bit / 8] ^= 1 << bit % 8;
	}
	ck_assert_int_eq(fake_device_open(&fake), 0);
}
END_TEST

static const struct dma_entry bad_entries[] = {
	{ .off = 0, .size = 64, .tag = 9 }, /* overlaps */
	{ .off = 4096 - 64, .size = 128, .tag = 9 },
	{ .off = 8192, .size = 0, .tag = 9 },
	{ .off = 8192, .size = 64, .tag = 0 },
	{ .off = 8192, .size = 65, .tag = 9 },
	{ .off = 8192 + 1, .size = 64, .tag = 9 },
	{ .off = POOL, .size = 64, .tag = 9 },
	{ .off = POOL - 64, .size = 128, .tag = 9 },
	{ .off = UINT64_MAX - 63, .size = 128, .tag = 9 },
	{ .off = 8192, .size = UINT64_MAX - 63, .tag = 9 },
};

START_TEST(forged_book)
{
	struct dma_entry *e;

	make_two();
	e = &book()[2];
	e->off = htole64(bad_entries[_i].off);
	e->size = htole64(bad_entries[_i].size);
	e->tag = htole64(bad_entries[_i].tag);
	sign(e);
	ck_assert_int_eq(fake_device_open(&fake), -EBADMSG);
}
END_TEST

/* Replace the record of runs, in a state that is otherwise right. */
static int open_with_runs(const void *prop, int len)
{
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	void *fdt;
	int node, n;

	ck_assert_int_eq(udrv_state_open(fake.state_fd, 0, NULL, &fake.st), 0);
	fdt = udrv_state_edit(fake.st);
	node = fdt_path_offset(fdt, "/dma");
	ck_assert_int_eq(fdt_setprop(fdt, node, "runs", prop, len), 0);
	ck_assert_int_eq(udrv_state_commit(fake.st), 0);
	n = udrv_dma_runs(fake.st, runs);
	if (n >= 0)
		ck_assert_int_eq(n, len / 24);
	fake_device_crash(&fake);
	return fake_device_open(&fake);
}

START_TEST(forged_runs)
{
	uint64_t good[3] = { 0, htobe64(POOL) }, bad[3], many[3 * (UDRV_DMA_MAX_RUNS + 1)] = { 0 };
	uint8_t zero = 0;

	make(1, 0, 0);
	good[2] = htobe64(fake.runs[0].addr);
	fake_device_crash(&fake);
	ck_assert_int_eq(open_with_runs(good, sizeof(good)), 0);
	fake_device_crash(&fake);
	ck_assert_int_eq(open_with_runs(&zero, 0), -EBADMSG);
	fake_device_crash(&fake);
	ck_assert_int_eq(open_with_runs(good, 23), -EBADMSG);
	fake_device_crash(&fake);
	ck_assert_int_eq(open_with_runs(many, sizeof(many)), -EBADMSG);
	for (int i = 0; i < 3; i++) {
		for (int bit = 0; bit < 64; bit++) {
			int err;

			memcpy(bad, good, sizeof(bad));
			bad[i] ^= 1ull << bit;
			fake_device_crash(&fake);
			err = open_with_runs(bad, sizeof(bad));
			ck_assert(err == -EBADMSG || err == -ESTALE);
		}
	}
}
END_TEST

START_TEST(no_room_in_the_state)
{
	const struct fake_device_opts opts = {
		.pool_size = POOL,
		.state_size = udrv_state_size(0, 0),
		.ops = &ops,
		.log = &flog.log,
	};

	fake_log_init(&flog);
	ck_assert_int_eq(fake_device_create(&fake, &opts), -ENOSPC);
	make(1, 0, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dma");
	TCase *tc = suite_case(suite, "dma", 120);

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, memfd);
	tcase_add_loop_test(tc, addresses, 0, 2);
	tcase_add_test(tc, alloc_rules);
	tcase_add_test(tc, each_may_free);
	tcase_add_loop_test(tc, random_against_reference, 0, 3);
	tcase_add_test(tc, crash_in_alloc);
	tcase_add_test(tc, crash_in_free);
	tcase_add_test(tc, moved_page);
	tcase_add_test(tc, other_cuts_of_the_same_addresses);
	tcase_add_test(tc, damaged_book);
	tcase_add_loop_test(tc, forged_book, 0, sizeof(bad_entries) / sizeof(bad_entries[0]));
	tcase_add_test(tc, forged_runs);
	tcase_add_test(tc, no_room_in_the_state);
	return suite_run(suite);
}
