// What a kernel sees when a host compiler compiles it: CUDA's vocabulary, executed thread by
// thread.
//
// Every CUDA thread is a fibre. Barriers, shuffles and votes wait for those they name, as on a GPU;
// one block runs after another, on the thread of the host that synchronises.
#pragma once

#include "cuda/emulator/arithmetic.hpp"
#include "cuda/emulator/atomics.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/location.hpp"
#include "cuda/emulator/memory_access.hpp"
#include "cuda/emulator/threads.hpp"
