// A thread that takes no signals: those are the main thread's, which waits for them by signalfd.
#pragma once

#include <signal.h>

#include <thread>
#include <utility>

namespace vivarium {

template <class Run>
std::thread quiet_thread(Run&& run) {
  // The new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<Run>(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace vivarium
