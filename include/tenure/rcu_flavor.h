/* Tenure: the flavour of liburcu that tenure/rcu.h uses, and the names of its functions. Nothing here is for programs. */
#ifndef TENURE_RCU_FLAVOR_H
#define TENURE_RCU_FLAVOR_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#ifndef TENURE_RCU_FLAVOR
#if defined(_URCU_MEMB_H) + defined(_URCU_MB_H) + defined(_URCU_BP_H) + defined(_URCU_QSBR_H) > 1
#error \
    "several flavours of liburcu are included: define TENURE_RCU_FLAVOR as memb, mb, bp or qsbr before tenure/rcu.h"
#elif defined(_URCU_MEMB_H)
#define TENURE_RCU_FLAVOR memb
#elif defined(_URCU_MB_H)
#define TENURE_RCU_FLAVOR mb
#elif defined(_URCU_BP_H)
#define TENURE_RCU_FLAVOR bp
#elif defined(_URCU_QSBR_H)
#define TENURE_RCU_FLAVOR qsbr
#else
#error \
    "include a flavour of liburcu (urcu/urcu-memb.h, -mb.h, -bp.h or -qsbr.h) before tenure/rcu.h"
#endif
#endif

/* Whether a thread of the flavour knows that it is not reading. */
#define TENURE_RCU_KNOWS_memb 1
#define TENURE_RCU_KNOWS_mb 1
#define TENURE_RCU_KNOWS_bp 1
#define TENURE_RCU_KNOWS_qsbr 0

/* Names of the flavour. */
#define TENURE_RCU_PASTE(before, flavor, after) before##flavor##after
#define TENURE_RCU_EXPAND(before, flavor, after) TENURE_RCU_PASTE(before, flavor, after)
#define TENURE_RCU_NAME(after) TENURE_RCU_EXPAND(urcu_, TENURE_RCU_FLAVOR, after)

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
