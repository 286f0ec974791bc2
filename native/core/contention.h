// Whether other programs want the cores that this one's threads look awake for work on.
#pragma once

#include <chrono>

namespace tilegrad {

// True for a while after a thread was stopped. Threads then look for work no longer than sleeping and waking takes, and
// none takes chunks that others would have to wait for while it is stopped: who has slept is let on a core at once.
bool cores_contended();

// The calling thread has slept for so long of its own accord: it was not stopped.
void note_sleep(std::chrono::steady_clock::duration time);

// Of a thread that does not sleep while one exists, but where it says so.
class RunningThread {
 public:
  RunningThread();
  // Notes that the thread was stopped, if it was, since the last look at its processor time.
  void check();

 private:
  std::chrono::steady_clock::time_point since_;
  std::chrono::nanoseconds ran_;
};

}  // namespace tilegrad
