// SPDX-License-Identifier: GPL-2.0
/* The kernel has iov_iter_extract_pages(). */
#include <linux/uio.h>

ssize_t probe(struct iov_iter *iter, struct page **pages, size_t *first);
ssize_t probe(struct iov_iter *iter, struct page **pages, size_t *first)
{
	return iov_iter_extract_will_pin(iter) +
	       iov_iter_extract_pages(iter, &pages, 1, 1, 0, first);
}
