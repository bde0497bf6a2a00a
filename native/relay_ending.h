/* Why a connection ended, in the two letters that HAProxy's logs have for it (its configuration manual, section 8.5). */
#pragma once

/* clang-format off */
#define RELAY_ENDINGS(X)                                                       \
  X(RELAY_DONE, "--")             /* both sides have finished */               \
  X(RELAY_CLIENT_BROKE, "CD")     /* the client reset it */                    \
  X(RELAY_SERVER_BROKE, "SD")     /* the backend reset it */                   \
  X(RELAY_CLIENT_VANISHED, "cD")  /* the client acknowledges nothing more */   \
  X(RELAY_SERVER_VANISHED, "sD")  /* the backend acknowledges nothing more */  \
  X(RELAY_CLIENT_GAVE_UP, "CC")   /* the client left before there was a backend */ \
  X(RELAY_REFUSED, "SC")          /* no backend took it */                     \
  X(RELAY_TIMED_OUT, "sC")        /* no backend took it, the last by not answering */ \
  X(RELAY_EXHAUSTED, "RC")        /* descriptors or memory were short */       \
  X(RELAY_BACKEND_DOWN, "DD")     /* its backend is down, or is one no more */ \
  X(RELAY_KILLED, "KD")           /* the address is given up, or the relay ends */
/* clang-format on */

#define RELAY_ENDING_NAME(name, code) name,
enum relay_ending { RELAY_ENDINGS(RELAY_ENDING_NAME) RELAY_ENDINGS_COUNT };
#undef RELAY_ENDING_NAME
