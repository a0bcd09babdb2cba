// SPDX-License-Identifier: GPL-2.0
/* Task work of io_uring gets a struct io_tw_req. */
#include <linux/io_uring/cmd.h>

struct io_uring_cmd *probe(struct io_tw_req request);
struct io_uring_cmd *probe(struct io_tw_req request)
{
	return io_uring_cmd_from_tw(request);
}
