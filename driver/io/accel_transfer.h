/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_transfer.h - read() and write() of buffers.
 */
#ifndef ACCEL_TRANSFER_H
#define ACCEL_TRANSFER_H

#include <linux/fs.h>

ssize_t accel_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t accel_write_iter(struct kiocb *iocb, struct iov_iter *from);

#endif /* ACCEL_TRANSFER_H */
