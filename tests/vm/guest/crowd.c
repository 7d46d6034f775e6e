/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd: more clients than the agent has room for
 *
 * crowd	they say nothing and stay; says "crowded" when all are connected
 * crowd ask	they ask and ask, and never read an answer; says "hung up" when the agent
 *		has hung up on all of them
 *
 * Who does not get in waits, and is told so by nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#define CLIENTS 40

/* One more question, if it fits. Returns true when the agent has hung up. */
static bool ask(struct pollfd *p)
{
	static struct udrv_msg m;

	udrv_msg_init(&m, UDRV_MSG_STATUS, 1);
	switch (udrv_msg_send(p->fd, &m)) {
	case 0:
	case -EAGAIN:
		return false;
	default:
		return true;
	}
}

/*
 * Answers fill each connection, as nobody takes them: then there is nothing
 * left to do but to hang up.
 */
static void ask_all(struct pollfd *p)
{
	unsigned int left = CLIENTS;

	while (left) {
		poll(p, CLIENTS, -1);
		for (unsigned int i = 0; i < CLIENTS; i++) {
			if (!p[i].revents || !ask(&p[i]))
				continue;
			p[i].fd = -1;
			left--;
		}
	}
}

static void say(const char *what)
{
	printf("%s\n", what);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct pollfd p[CLIENTS];

	for (unsigned int i = 0; i < CLIENTS; i++) {
		int sock = udrv_proto_connect(UDRV_AGENT_SOCKET, false);

		if (sock < 0 || fcntl(sock, F_SETFL, O_NONBLOCK)) {
			printf("crowd: client %u: %s\n", i, strerror(sock < 0 ? -sock : errno));
			return 1;
		}
		p[i] = (struct pollfd){ .fd = sock, .events = POLLOUT };
	}
	say("crowded");
	if (argc > 1 && !strcmp(argv[1], "ask")) {
		ask_all(p);
		say("hung up");
	}
	for (;;)
		pause();
}
