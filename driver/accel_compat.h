/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_compat.h - all differences between kernels.
 *
 * Kbuild compiles each file in compat/ against the kernel and defines an
 * ACCEL_HAVE_* for each one that compiles. The driver never compares kernel
 * versions, because vendors backport changes.
 */
#ifndef ACCEL_COMPAT_H
#define ACCEL_COMPAT_H

#include <linux/cc_platform.h>
#include <linux/eventfd.h>
#ifdef ACCEL_HAVE_IO_URING_CMD_HEADER
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#ifdef ACCEL_HAVE_PFN_T
#include <linux/pfn_t.h>
#endif
#include <linux/pci.h>
#include <linux/uio.h>

/*
 * The supported platforms: DMA is coherent with the caches of the CPU, mappings of the card's BARs
 * can be write-combining, and a page of the CPU is a page of the card.
 */
#if !defined(CONFIG_X86_64) && !defined(CONFIG_ARM64) && \
	!(defined(CONFIG_RISCV) && defined(CONFIG_64BIT))
#error "the driver supports x86-64, arm64 and riscv64 only"
#endif
#if PAGE_SHIFT != 12
#error "the driver supports pages of 4 KiB only: configure the kernel for these"
#endif
#ifdef CONFIG_CPU_BIG_ENDIAN
#error "the driver supports little-endian kernels only"
#endif

#ifndef ACCEL_HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Claims all BARs until the driver is unbound. */
static inline int accel_compat_request_regions(struct pci_dev *pdev, const char *name)
{
#ifdef ACCEL_HAVE_PCIM_REQUEST_ALL_REGIONS
	return pcim_request_all_regions(pdev, name);
#else
	/* Managed, since pcim_enable_device() enabled the device. */
	return pci_request_regions(pdev, name);
#endif
}

#ifdef ACCEL_HAVE_IMPORT_NS_WORD
#define ACCEL_IMPORT_NS(name)	MODULE_IMPORT_NS(name)
#else
#define ACCEL_IMPORT_NS(name)	MODULE_IMPORT_NS(#name)
#endif

/* An IOMMU translates the DMA of a device, under control of the kernel's DMA API. */
static inline bool accel_compat_dma_translated(struct device *dev)
{
#ifdef CONFIG_IOMMU_API
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && iommu_is_dma_domain(domain);
#else
	return false;
#endif
}

/* The protection of a mapping of coherent memory, which an encrypted guest shares unencrypted. */
static inline pgprot_t accel_compat_coherent_prot(pgprot_t prot)
{
	return cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT) ? pgprot_decrypted(prot) : prot;
}

/* The call that ends the access of importers, and the callback of importers that it calls. */
#ifdef ACCEL_HAVE_DMA_BUF_MOVE_NOTIFY
#define accel_compat_move_notify	dma_buf_move_notify
#define ACCEL_COMPAT_MOVE_NOTIFY	move_notify
#else
#define accel_compat_move_notify	dma_buf_invalidate_mappings
#define ACCEL_COMPAT_MOVE_NOTIFY	invalidate_mappings
#endif

/*
 * Huge entries for memory without struct pages are safe only if the kernel can
 * mark them. Otherwise pinning such an address takes a reference of a page that
 * does not exist.
 */
#if defined(ACCEL_HAVE_HUGE_FAULT_ORDER) && defined(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP)
#define ACCEL_HAVE_HUGE_PFN

static inline vm_fault_t accel_compat_insert_huge(struct vm_fault *vmf, unsigned long pfn)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;

#ifdef ACCEL_HAVE_PFN_T
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), write);
#else
	return vmf_insert_pfn_pmd(vmf, pfn, write);
#endif
}
#endif

static inline void accel_compat_eventfd_signal(struct eventfd_ctx *eventfd)
{
#ifdef ACCEL_HAVE_EVENTFD_SIGNAL_COUNT
	eventfd_signal(eventfd, 1);
#else
	eventfd_signal(eventfd);
#endif
}

/* The 16 bytes of an entry that belong to the driver. */
static inline const void *accel_compat_uring_payload(const struct io_uring_cmd *cmd)
{
#ifdef ACCEL_HAVE_IO_URING_CMD_POINTER
	return cmd->cmd;
#else
	return cmd->sqe->cmd;
#endif
}

/* Completes a command with two results; the second is for rings with wide entries. */
static inline void accel_compat_uring_done(struct io_uring_cmd *cmd, int result, u64 second,
					   unsigned int issue_flags)
{
#ifdef ACCEL_HAVE_IO_URING_CMD_DONE32
	io_uring_cmd_done32(cmd, result, second, issue_flags);
#else
	io_uring_cmd_done(cmd, result, second, issue_flags);
#endif
}

/*
 * Defines @name for io_uring_cmd_complete_in_task(). It calls @body with the
 * command and the flags for its completion.
 */
#ifdef ACCEL_HAVE_IO_URING_TW_REQ
#define ACCEL_COMPAT_URING_TASK_WORK(name, body)				\
	static void name(struct io_tw_req request, io_tw_token_t token)		\
	{									\
		body(io_uring_cmd_from_tw(request),				\
		     IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);			\
	}
#else
#define ACCEL_COMPAT_URING_TASK_WORK(name, body)				\
	static void name(struct io_uring_cmd *cmd, unsigned int issue_flags)	\
	{									\
		body(cmd, issue_flags);						\
	}
#endif

/*
 * A kernel that can cancel commands issues a command again for that, with a flag, at any time until
 * its completion. So the data of a command lives for an RCU grace period longer than the command.
 */
#ifdef ACCEL_HAVE_IO_URING_CMD_CANCELABLE
static inline bool accel_compat_uring_cancels(unsigned int issue_flags)
{
	return issue_flags & IO_URING_F_CANCEL;
}

static inline void accel_compat_uring_mark(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
}

#define accel_compat_uring_free(data, rcu)	kfree_rcu(data, rcu)
#else
static inline bool accel_compat_uring_cancels(unsigned int issue_flags)
{
	return false;
}

static inline void accel_compat_uring_mark(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
}

#define accel_compat_uring_free(data, rcu)	kfree(data)
#endif

/* How the driver holds pages of an iterator. */
enum accel_pin {
	ACCEL_PIN_NONE,		/* the owner of the iterator holds them */
	ACCEL_PIN_REFERENCE,
	ACCEL_PIN_PINNED,
};

/*
 * Holds the next pages of an iterator, at most @max bytes and @max_pages, and
 * advances it. @write: the card writes the pages. Returns bytes or -errno.
 */
static inline ssize_t accel_compat_pin(struct iov_iter *iter, struct page **pages, size_t max,
				       unsigned int max_pages, bool write, size_t *first,
				       enum accel_pin *how)
{
#ifdef ACCEL_HAVE_IOV_ITER_EXTRACT_PAGES
	*how = iov_iter_extract_will_pin(iter) ? ACCEL_PIN_PINNED : ACCEL_PIN_NONE;
	return iov_iter_extract_pages(iter, &pages, max, max_pages, 0, first);
#else
	struct iovec user = {};
	unsigned long start;
	int got;

	*how = ACCEL_PIN_REFERENCE;
	if (iov_iter_is_bvec(iter))
		return iov_iter_get_pages2(iter, pages, max, max_pages, first);
	if (!user_backed_iter(iter))
		return -EOPNOTSUPP;

	*how = ACCEL_PIN_PINNED;
	iov_iter_advance(iter, 0);	/* skip empty segments */
	if (iter_is_ubuf(iter)) {
		user.iov_base = iter->ubuf + iter->iov_offset;
		user.iov_len = iov_iter_count(iter);
	} else {
		user = iov_iter_iovec(iter);
	}
	start = (unsigned long)user.iov_base;
	*first = offset_in_page(start);
	max = min(max, user.iov_len);
	max_pages = min_t(size_t, max_pages, DIV_ROUND_UP(*first + max, PAGE_SIZE));
	got = pin_user_pages_fast(start & PAGE_MASK, max_pages,
				  (write ? FOLL_WRITE : 0) | (iter->nofault ? FOLL_NOFAULT : 0),
				  pages);
	if (got <= 0)
		return got;
	max = min_t(size_t, max, got * PAGE_SIZE - *first);
	iov_iter_advance(iter, max);
	return max;
#endif
}

static inline void accel_compat_unpin(struct page **pages, unsigned int count, enum accel_pin how,
				      bool dirty)
{
	unsigned int i;

	if (how == ACCEL_PIN_PINNED)
		unpin_user_pages_dirty_lock(pages, count, dirty);
	for (i = 0; how == ACCEL_PIN_REFERENCE && i < count; i++) {
		if (dirty)
			set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
	}
}

/* Marks held pages dirty. Return: false if @nowait, and a page is locked. */
static inline bool accel_compat_dirty(struct page **pages, unsigned int count, enum accel_pin how,
				      bool nowait)
{
	unsigned int i;

	for (i = 0; how != ACCEL_PIN_NONE && i < count; i++) {
		struct folio *folio = page_folio(pages[i]);

		if (folio_test_dirty(folio))
			continue;
		if (!folio_trylock(folio)) {
			if (nowait)
				return false;
			folio_lock(folio);
		}
		folio_mark_dirty(folio);
		folio_unlock(folio);
	}
	return true;
}

static inline bool accel_compat_is_dirty(struct page **pages, unsigned int count,
					 enum accel_pin how)
{
	unsigned int i;

	for (i = 0; how != ACCEL_PIN_NONE && i < count; i++)
		if (!folio_test_dirty(page_folio(pages[i])))
			return false;
	return true;
}

#endif /* ACCEL_COMPAT_H */
