// Room api/process: the process and its threads, from start to exit. It calls all layers below. It promises that no step takes a lock
// that another thread could hold at fork.
//
// The start, the forks and the end of the process.
#pragma once

namespace tenure {

// Whether this process, or one of its parents, is the fork child of a process with other threads. The memory that those threads held at the
// fork is lost to it.
bool threads_lost_in_fork();

}  // namespace tenure
