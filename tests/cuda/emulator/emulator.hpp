// CUDA's language features for kernels compiled by a host compiler, executed thread by thread.
//
// Every CUDA thread is a fibre. Barriers, shuffles and votes wait for the threads they name, as on
// a GPU. Blocks run one after another on the host thread that synchronises.
#pragma once

#include "cuda/emulator/arithmetic.hpp"
#include "cuda/emulator/atomics.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/location.hpp"
#include "cuda/emulator/memory_access.hpp"
#include "cuda/emulator/threads.hpp"
