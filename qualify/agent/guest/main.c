/* SPDX-License-Identifier: Apache-2.0 */
/* Init of the initramfs: reads the command line and the plan, does its stage, tells what happened. */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <unistd.h>

static void hello(const char *stage)
{
	struct utsname u;

	memset(&u, 0, sizeof u);
	uname(&u);
	rec_begin("hello");
	rec_text("stage", stage);
	rec_int("agent", AGENT_VERSION);
	rec_text("release", u.release);
	rec_text("version", u.version);
	rec_text("machine", u.machine);
	rec_str("cmdline", command_line, 2000);
	rec_end();
}

static bool read_plan(struct plan *plan)
{
	uint8_t *text;
	ssize_t size = read_whole("/plan", (size_t)16 << 20, &text);
	char why[300];

	if (size < 0) {
		fail(errno, "cannot read /plan");
		return false;
	}
	if (!plan_parse((char *)text, (size_t)size, plan, why, sizeof why)) { /* the plan points into the text: kept */
		fail(0, "%s", why);
		return false;
	}
	return true;
}

/* What stands in out/: up to 6.18 there is nothing before the handover is finalised */
static void source_out(struct plan *plan)
{
	source_regions(plan);
	if (plan->blobs)
		blobs_of("out", "out");
}

static void source(struct plan *plan)
{
	int error = 0, device;

	system_record();
	device = luo_open(&error);
	source_sessions(plan, device, error);
	if (plan->finalise == FINALISE_BEFORE_LOAD)
		do_finalise("before-load");
	if (plan->finalise != FINALISE_AFTER_LOAD)
		source_out(plan);
	if (!plan->has_load || do_load(plan))
		return;
	if (plan->finalise == FINALISE_AFTER_LOAD) {
		do_finalise("after-load");
		source_out(plan);
	}
	do_jump(plan);
}

static void target(struct plan *plan)
{
	int error = 0, device;

	system_record();
	if (plan->blobs)
		blobs_of("in", "in");
	target_regions(plan);
	port_drain(); /* what follows is what a bad handover kills: let all of the above be out */
	device = luo_open(&error);
	target_sessions(plan, device, error);
	if (plan->blobs)
		blobs_of("out", "out");
}

static void probe(struct plan *plan)
{
	int error = 0, device;

	system_record();
	blobs_of("in", "in");
	blobs_of("out", "out@boot");
	blob_file("/proc/config.gz", "config.gz");
	device = luo_open(&error);
	probe_interfaces(device);
	source_sessions(plan, device, error);
	if (plan->finalise != FINALISE_NEVER)
		do_finalise(plan->finalise == FINALISE_BEFORE_LOAD ? "before-load" : "after-load");
	source_regions(plan);
	blobs_of("out", "out");
}

static void work(void)
{
	static const struct {
		const char *name;
		void (*run)(struct plan *);
	} stages[] = { { "source", source }, { "target", target }, { "probe", probe } };
	static struct plan plan;
	char stage[32];

	option("qualify.stage", "", stage, sizeof stage);
	hello(stage);
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		if (!strcmp(stages[i].name, stage)) {
			if (read_plan(&plan))
				stages[i].run(&plan);
			return;
		}
	fail(0, "qualify.stage=%s on the command line: source, target, control or probe is wanted", stage);
}

int main(void)
{
	char port[256];

	catch_signals();
	system_mount();
	read_command_line();
	option("qualify.port", "/dev/ttyS1", port, sizeof port);
	if (port_open(port)) {
		work();
		rec_begin("end");
		rec_end();
		port_drain();
	}
	sleep(20); /* the host ends the machine; if it does not, the machine ends itself */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
