// SPDX-License-Identifier: BSD-2-Clause
/* mana-model: the command line. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/mana/serve.h"

static const char usage_text[] =
	"usage: mana-model --socket PATH [--tap IFNAME]... [--peer echo|none] [--vectors N]\n"
	"           [--vports N] [--queues N] [--strict] [--fault SPEC[@MS]]... [--log FILE]\n"
	"\n"
	"Serve a MANA network adapter to one QEMU (-device vfio-user-pci), until it goes or\n"
	"SIGTERM.\n"
	"\n"
	"  --tap IFNAME    the wire of the next port; given twice, of both\n"
	"  --peer WHO      the other end of ports without one: echo answers, none does not\n"
	"  --vectors N     MSI-X vectors, 2 to 64 (64)\n"
	"  --vports N      ports, 1 or 2 (1)\n"
	"  --queues N      send and receive queues of each port, 1 to 16 (16)\n"
	"  --strict        fail if the driver does what it must not\n"
	"  --fault SPEC    prepare a fault; with @MS, MS ms after the driver first receives\n"
	"  --log FILE      violations and faults go there instead of standard error\n"
	"\n"
	"Faults, several with commas: hwc-timeout:CODE[:N] hwc-status:CODE:STATUS[:N]\n"
	"smc-status:STATUS smc-stuck reset-request link-down link-up tx-error:TYPE[:N]\n"
	"rx-error:TYPE[:N] drop-irq:VECTOR[:N] garbage-cqe[:N] no-vports[:N] remove\n"
	"Lines on standard input: a fault strikes now, \"stats\" prints the counters, \"become ID\" changes the PCI Device ID.\n";

static int usage(const char *what, const char *arg)
{
	fprintf(stderr, "mana-model: %s%s%s\n%s", what, arg ? ": " : "", arg ? arg : "",
		usage_text);
	return 2;
}

struct arguments {
	struct serve_opts serve;
	const char *tap[MANA_MODEL_MAX_VPORTS];
	unsigned int taps;
	const char *peer;
	const char *log;
	bool strict;
};

static bool number(const char *s, unsigned int min, unsigned int max, unsigned int *ret)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (end == s || *end || v < min || v > max)
		return false;
	*ret = (unsigned int)v;
	return true;
}

static bool fault_ok(const char *spec)
{
	size_t len = strcspn(spec, "@");
	char buf[128];
	unsigned int ms;

	if (len >= sizeof(buf) || (spec[len] && !number(spec + len + 1, 0, 86400000, &ms)))
		return false;
	memcpy(buf, spec, len);
	buf[len] = 0;
	return !mana_model_fault(NULL, buf);
}

/* 0, or the exit status of a wrong command line */
static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "tap", required_argument, NULL, 't' },
		{ "peer", required_argument, NULL, 'p' },
		{ "vectors", required_argument, NULL, 'v' },
		{ "vports", required_argument, NULL, 'n' },
		{ "queues", required_argument, NULL, 'q' },
		{ "strict", no_argument, NULL, 'S' },
		{ "fault", required_argument, NULL, 'f' },
		{ "log", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct mana_model_opts *m = &a->serve.model;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			a->serve.socket = optarg;
			break;
		case 't':
			if (a->taps == MANA_MODEL_MAX_VPORTS)
				return usage("more TAPs than ports", optarg);
			a->tap[a->taps++] = optarg;
			break;
		case 'p':
			if (strcmp(optarg, "echo") && strcmp(optarg, "none"))
				return usage("no such peer", optarg);
			a->peer = optarg;
			break;
		case 'v':
			if (!number(optarg, 2, MANA_MODEL_MAX_VECTORS, &m->vectors))
				return usage("not a number of vectors", optarg);
			break;
		case 'n':
			if (!number(optarg, 1, MANA_MODEL_MAX_VPORTS, &m->vports))
				return usage("not a number of ports", optarg);
			break;
		case 'q':
			if (!number(optarg, 1, MANA_MODEL_MAX_QUEUES, &m->queues))
				return usage("not a number of queues", optarg);
			break;
		case 'S':
			a->strict = true;
			break;
		case 'f':
			if (a->serve.nfaults == SERVE_MAX_FAULTS || !fault_ok(optarg))
				return usage("not a fault, or too many", optarg);
			a->serve.fault[a->serve.nfaults++] = optarg;
			break;
		case 'l':
			a->log = optarg;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			return usage("wrong option", NULL);
		}
	}
	if (optind != argc)
		return usage("what is this", argv[optind]);
	if (!a->serve.socket)
		return usage("no --socket", NULL);
	if (!m->vports)
		m->vports = a->taps ? a->taps : 1;
	if (a->taps > m->vports)
		return usage("more TAPs than ports", NULL);
	return 0;
}

static int open_wires(struct arguments *a)
{
	struct mana_model_opts *m = &a->serve.model;
	int err = 0;

	for (unsigned int v = 0; v < m->vports && !err; v++) {
		if (v < a->taps)
			err = net_tap_open(a->tap[v], &m->backend[v]);
		else if (a->peer && !strcmp(a->peer, "echo"))
			err = net_echo_open(&m->backend[v]);
		if (err)
			fprintf(stderr, "mana-model: port %u: cannot open %s: %s\n", v,
				v < a->taps ? a->tap[v] : a->peer, strerror(-err));
	}
	return err;
}

int main(int argc, char **argv)
{
	struct arguments a = { .serve = { .out = stdout, .log = stderr } };
	unsigned int violations = 0;
	sigset_t signals;
	int err = parse(argc, argv, &a);

	if (err)
		return err;
	/* Before there are threads: all of them inherit this, and a signal comes as an event. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	if (a.log) {
		a.serve.log = fopen(a.log, "we");
		if (!a.serve.log) {
			fprintf(stderr, "mana-model: cannot write %s: %s\n", a.log,
				strerror(errno));
			return 1;
		}
	}
	err = open_wires(&a);
	if (!err)
		err = serve(&a.serve, &violations);
	for (unsigned int v = 0; v < MANA_MODEL_MAX_VPORTS; v++)
		net_close(a.serve.model.backend[v]);
	if (a.log)
		fclose(a.serve.log);
	return err || (a.strict && violations);
}
