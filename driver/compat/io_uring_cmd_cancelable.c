// SPDX-License-Identifier: GPL-2.0
/* io_uring asks the driver to cancel a command in flight if its process ends. */
#include <linux/io_uring/cmd.h>

bool probe(struct io_uring_cmd *cmd, unsigned int issue_flags);
bool probe(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	return issue_flags & IO_URING_F_CANCEL;
}
