#include "memory.h"

#include <malloc.h>

/* What both are in the beginning. To set one is to have neither raised. */
enum { THRESHOLD = 128 * 1024 };

void vipd_keep_memory_small(void) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, THRESHOLD);
  mallopt(M_TRIM_THRESHOLD, THRESHOLD);
#endif
}
