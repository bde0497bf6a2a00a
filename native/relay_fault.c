#define _GNU_SOURCE
#include "relay_fault.h"

#include <signal.h>
#include <unistd.h>

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static struct sigaction previous[FAULTS];
static atomic_bool installed;
static __thread struct relay_engine *own;

/* A fault of any other thread is whose it was before. */
static void pass_on(int number, siginfo_t *info, void *context) {
  for (size_t i = 0; i < FAULTS; i++) {
    if (faults[i] != number) continue;
    if (previous[i].sa_flags & SA_SIGINFO) return previous[i].sa_sigaction(number, info, context);
    if (previous[i].sa_handler == SIG_IGN) return;
    if (previous[i].sa_handler != SIG_DFL) return previous[i].sa_handler(number);
    sigaction(number, &previous[i], NULL);
    raise(number);
  }
}

static void faulted(int number, siginfo_t *info, void *context) {
  if (own == NULL) return pass_on(number, info, context);
  atomic_store_explicit(&own->fault, number, memory_order_release);
  for (;;) pause();
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < FAULTS; i++) sigaction(faults[i], &action, &previous[i]);
}

/*
 * All other signals are for Node.js's threads; and splice() to a socket that was reset raises SIGPIPE, as it takes no MSG_NOSIGNAL. In
 * Linux the mask is the calling thread's; pthread_sigmask() has a newer version in newer glibcs.
 */
static void block_others(void) {
  sigset_t others;
  sigfillset(&others);
  for (size_t i = 0; i < FAULTS; i++) sigdelset(&others, faults[i]);
  sigprocmask(SIG_SETMASK, &others, NULL);
}

void relay_fault_own(struct relay_engine *engine) {
  own = engine;
  block_others();
#ifndef __SANITIZE_ADDRESS__ /* which tells more of a fault than that there was one */
  if (!atomic_exchange(&installed, true)) install();
#endif
}
