// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PID 1 takes over the devices of the previous kernel itself: another process would have to be
 * made first, and to pass on every descriptor. It must survive that, whatever it finds: should it
 * crash or hang, it goes on from here with what is in custody until then, and the agent, which goes
 * on from custody at any time, does the rest.
 */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/custody.h"
#include "udrv/common/app.h"
#include "udrv/init/init.h"

#define TAKEOVER_LIMIT 120u /* seconds */
#define UNDO_LIMIT     5u   /* seconds */
#define SIGNAL_STACK   16384u

/*
 * What custody does not have is closed in the end. A device whose handle and lease are not there
 * must not be handed out: somebody else would take it over.
 */
static int kept(const char *name, int err)
{
	if (err) {
		app_err("cannot keep %s: %s", name, app_errname(err));
		raise(SIGABRT);
	}
	return err;
}

static int put_handle(struct agent *a, const struct udrv_handle *h)
{
	(void)a;
	return kept(h->name, custody_keep_handle(h));
}

static int put_fd(struct agent *a, const char *name, int fd)
{
	(void)a;
	return kept(name, custody_keep_fd(name, fd));
}

static int drop(struct agent *a, const char *name)
{
	(void)a;
	return custody_forget(name);
}

static void mounts(struct agent *a)
{
	(void)a;
	mounts_other();
}

/* Custody itself: what only an agent asks for is not here. */
static const struct custody_backend custody_own = {
	.name = "udrv-init",
	.put_handle = put_handle,
	.put_fd = put_fd,
	.drop = drop,
	.mounts = mounts,
};

static sigjmp_buf way_out;
static pid_t keeper;

static void leave(int sig)
{
	if (getpid() == keeper)
		siglongjmp(way_out, sig);
	/* A host, at its very beginning: it ends as it would without this handler. */
	signal(sig, SIG_DFL);
	raise(sig);
}

int takeover_start(uint64_t tsc_init)
{
	static char stack[SIGNAL_STACK];
	const stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const stack_t none = { .ss_flags = SS_DISABLE };
	int sig;

	keeper = getpid();
	sigaltstack(&own, NULL);
	app_deadly(leave);
	sig = sigsetjmp(way_out, 0);
	if (!sig) {
		alarm(TAKEOVER_LIMIT);
		udrv_take_over(&custody_own, tsc_init);
	}
	alarm(0);
	if (sig)
		app_err("taking over the previous kernel's devices was ended by signal %d (%s): the agent goes on with it, nothing is lost meanwhile",
			sig, strsignal(sig));
	/*
	 * Whatever ended it may have damaged what these go by; and a host that the kernel does not
	 * let go of, though it will not run any more, is not to be waited for without end.
	 */
	if (sig && !sigsetjmp(way_out, 0)) {
		alarm(UNDO_LIMIT);
		udrv_take_over_undo(custody_keeps);
	}
	alarm(0);
	if (!sigsetjmp(way_out, 0))
		custody_close_others();
	app_deadly(SIG_DFL);
	sigaltstack(&none, NULL);
	return sig;
}
