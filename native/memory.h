#pragma once

/*
 * Has malloc(3) give freed memory back to the kernel as readily at the end of the process's life as at its beginning: by itself it raises its
 * thresholds with every large block that is freed (mallopt(3), M_MMAP_THRESHOLD), and what V8's and the relay's threads used for a moment would
 * stay theirs.
 */
void vipd_keep_memory_small(void);
