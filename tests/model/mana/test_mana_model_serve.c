// SPDX-License-Identifier: BSD-2-Clause
/*
 * The program's two threads, driven by a client that is no QEMU: registers, memory, vectors,
 * control.
 */
#include <check.h>
#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <udrv/gdma_hwc_spec.h>

#include "tests/model/mana/serve.h"
#include "tests/model/vfio_user/client.h"
#include "tests/unit/suite.h"

#define SMC	 0x40u
#define DB	 0x1000u
#define MEM_SIZE 0x10000u
#define MEM_BASE 0x100000u
#define CONFIG	 VFIO_PCI_CONFIG_REGION_INDEX

static char directory[] = "/tmp/mana-model-XXXXXX", path[64];
static int commands, output; /* our ends of its standard input and output */
static FILE *lines;
static struct serve_opts opts;
static pthread_t thread;
static int result;
static unsigned int violations;
static struct client c;
static uint8_t *mem;
static int mem_fd;

static void *server(void *arg)
{
	(void)arg;
	result = serve(&opts, &violations);
	fclose(opts.out);
	return NULL;
}

static const char *line(void)
{
	static char buf[4096];
	struct pollfd p = { .fd = output, .events = POLLIN };

	ck_assert_msg(poll(&p, 1, 10000) == 1, "no line within 10 s");
	return fgets(buf, sizeof(buf), lines);
}

static void begin(void)
{
	int in[2], out[2];
	sigset_t signals;

	strcpy(directory + sizeof(directory) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
	close(in[0]);
	commands = in[1];
	output = out[0];
	lines = fdopen(output, "r");
	setvbuf(lines, NULL, _IONBF, 0);
	opts.socket = path;
	opts.out = fdopen(out[1], "w");
	opts.log = stderr;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, server, NULL), 0);
	ck_assert_str_eq(line(), "ready\n");
	client_connect(&c, path);
	mem_fd = client_memory(MEM_SIZE);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	ck_assert_int_eq(client_map(&c, MEM_BASE, MEM_SIZE, 3, mem_fd, 0), 0);
}

static void set_up(void)
{
	opts = (struct serve_opts){ 0 };
	begin();
}

/* It ends by itself, or was told to: its last line. */
static const char *end(void)
{
	const char *last = line();

	pthread_join(thread, NULL);
	close(commands);
	fclose(lines);
	munmap(mem, MEM_SIZE);
	close(mem_fd);
	ck_assert_int_ne(access(path, F_OK), 0);
	rmdir(directory);
	return last;
}

static void command(uint16_t value)
{
	ck_assert_int_eq(client_write(&c, CONFIG, PCI_COMMAND, &value, 2), 0);
}

static uint32_t smc_last(void)
{
	uint32_t val;

	ck_assert_int_eq(client_read(&c, 0, SMC + 28, &val, 4), 0);
	return val;
}

static void establish(void)
{
	struct gdma_smc_establish e = { .header = GDMA_SMC_ESTABLISH_HWC };
	uint64_t pfn = MEM_BASE >> 12;
	uint32_t dword[8];

	for (unsigned int i = 0; i < 4; i++, pfn++)
		memcpy(i == 0 ? e.eq_pfn :
		       i == 1 ? e.cq_pfn :
		       i == 2 ? e.rq_pfn :
				e.sq_pfn,
		       &pfn, 6);
	memcpy(dword, &e, sizeof(dword));
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(client_write(&c, 0, SMC + 4 * i, &dword[i], 4), 0);
	ck_assert_uint_eq(smc_last(), GDMA_SMC_ESTABLISH_HWC | GDMA_SMC_RESPONSE);
}

static void wait_irq(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	ck_assert_msg(poll(&p, 1, 10000) == 1, "no interrupt within 10 s");
	ck_assert_int_eq(read(fd, &n, sizeof(n)), sizeof(n));
}

static int arm(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ck_assert_int_eq(client_set_irqs(&c,
					 VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0,
					 1, &fd, 1),
			 0);
	return fd;
}

static uint64_t counter(const char *json, const char *name)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\": ", name);
	ck_assert_ptr_nonnull(json);
	at = strstr(json, key);
	ck_assert_msg(at, "no %s in %s", name, json);
	return strtoull(at + strlen(key), NULL, 10);
}

START_TEST(establishes_a_channel)
{
	const struct gdma_eqe *eq = (const void *)mem;
	int irq = arm();
	const char *json;

	command(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	establish();
	wait_irq(irq);
	for (unsigned int i = 0; i < 100 && GDMA_EQE_TYPE(eq[10].info) != GDMA_EQE_HWC_INIT_DONE;
	     i++)
		smc_last();
	ck_assert_uint_eq(GDMA_EQE_TYPE(eq[0].info), GDMA_EQE_HWC_INIT_EQ_ID_DB);
	ck_assert_uint_eq(GDMA_EQE_TYPE(eq[10].info), GDMA_EQE_HWC_INIT_DONE);
	ck_assert_int_eq(write(commands, "stats\n", 6), 6);
	json = line();
	ck_assert_uint_eq(counter(json, "hwc_established"), 1);
	ck_assert_uint_eq(counter(json, "eqes"), 11);
	close(irq);
	close(c.fd);
	json = end();
	ck_assert_uint_eq(counter(json, "strict_violations"), 0);
	ck_assert_uint_eq(counter(json, "resets"), 0);
	ck_assert_int_eq(result, 0);
}

/*
 * Work that a register access leaves behind is done without another message: the device sleeps by
 * then.
 */
START_TEST(wakes_up)
{
	int irq = arm();

	establish();
	command(PCI_COMMAND_MASTER);
	wait_irq(irq);
	for (unsigned int i = 0; i < 200; i++) {
		uint64_t val = gdma_eq_doorbell(0x30, 256 + 11 + i, 1);

		/* Each doorbell acknowledges what the fault before it has posted. */
		ck_assert_int_eq(client_write(&c, 0, DB + 0x1000 + GDMA_DB_EQ, &val, 8), 0);
		ck_assert_int_eq(write(commands, "reset-request\n", 14), 14);
		wait_irq(irq);
	}
	close(irq);
	close(c.fd);
	ck_assert_uint_eq(counter(end(), "strict_violations"), 0);
}

START_TEST(says_resets_and_ends_when_told)
{
	unsigned int exp = 0x40;
	uint16_t flr = PCI_EXP_DEVCTL_BCR_FLR;
	const char *json;

	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0, NULL, NULL,
				     NULL),
			 0);
	ck_assert_str_eq(line(), "reset: machine\n");
	ck_assert_int_eq(client_write(&c, CONFIG, exp + PCI_EXP_DEVCTL, &flr, 2), 0);
	ck_assert_str_eq(line(), "reset: flr\n");
	ck_assert_int_eq(write(commands, "nonsense\n\nstats\n", 16), 16);
	ck_assert_uint_eq(counter(line(), "resets"), 2);
	pthread_kill(thread, SIGTERM);
	json = end();
	ck_assert_uint_eq(counter(json, "resets"), 2);
	close(c.fd);
}

/* More doorbells than the mailbox holds, and none is lost: each of these is a violation. */
START_TEST(loses_no_write)
{
	const struct vfio_user_region_access req = { .offset = DB, .region = 0, .count = 8 };
	uint8_t w[sizeof(req) + 8] = { 0 };
	const struct vfio_user_header hdr = { .command = VFIO_USER_REGION_WRITE,
					      .size = sizeof(hdr) + sizeof(w),
					      .flags = VFIO_USER_F_NO_REPLY };

	memcpy(w, &req, sizeof(req));
	w[sizeof(req)] = 0x77;
	for (unsigned int i = 0; i < 5000; i++)
		ck_assert(client_send(&c, &hdr, w, sizeof(w), NULL, 0));
	smc_last();
	close(c.fd);
	ck_assert_uint_eq(counter(end(), "strict_violations"), 5000);
	ck_assert_uint_eq(violations, 5000);
}

/* However short the visit was. */
START_TEST(ends_with_its_peer)
{
	for (unsigned int i = 0; i < 100; i++) {
		close(c.fd);
		ck_assert_uint_eq(counter(end(), "resets"), 0);
		begin();
	}
	close(c.fd);
	end();
}

START_TEST(strikes_at_the_start)
{
	uint32_t id = 0;
	const char *json;

	close(c.fd);
	end();
	opts = (struct serve_opts){ .fault = { "smc-status:5", "link-down@0" }, .nfaults = 2 };
	begin();
	ck_assert_int_eq(client_write(&c, 0, SMC + 28, &(uint32_t){ GDMA_SMC_REPORT_TIMEOUT }, 4),
			 0);
	ck_assert_uint_eq(GDMA_SMC_STATUS(smc_last()), 5);
	ck_assert_int_eq(write(commands, "remove\nstats\n", 13), 13);
	json = line();
	ck_assert_uint_eq(counter(json, "faults"), 1);
	ck_assert_uint_eq(smc_last(), UINT32_MAX);
	ck_assert_int_eq(client_read(&c, CONFIG, PCI_VENDOR_ID, &id, 4), 0);
	ck_assert_uint_eq(id, UINT32_MAX);
	close(c.fd);
	end();
}

int main(void)
{
	Suite *s = suite_create("mana-model-serve");
	TCase *t = suite_case(s, "mana-model-serve", 60);

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, establishes_a_channel);
	tcase_add_test(t, wakes_up);
	tcase_add_test(t, says_resets_and_ends_when_told);
	tcase_add_test(t, loses_no_write);
	tcase_add_test(t, ends_with_its_peer);
	tcase_add_test(t, strikes_at_the_start);
	return suite_run(s);
}
