// Room api/process: the process and its threads, from start to exit. It calls all layers below. It promises that no step takes a lock
// that another thread could hold at fork.
//
// Notes of the start, the forks and the end of the process.
#pragma once

namespace tenure {

// Whether this process is the fork child of one that had other threads, or that one's child: what they had in their hands is lost to it.
bool threads_lost_in_fork();

}  // namespace tenure
