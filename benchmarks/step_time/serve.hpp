// Training steps on request: reads one line of JSON and writes one line per request.
#pragma once

#include <iosfwd>

namespace step_time {

/// Answers requests until the input ends, so that another program can time steps of this library
/// and of another one, alternating. Computes nothing between requests. The answer to an invalid
/// request is {"error": "reason"}.
///
///     {"do": "describe"}
///         -> {"instruction_set": "avx2", "vector_bytes": 32, "threads": 2}
///            or {"device": "NVIDIA H100 80GB HBM3"}
///     {"do": "prepare", "row": "a", "network": "revnet", "channels": [32, 64], "blocks": [2, 2],
///      "mode": "reversible", "batch": 128}
///         -> {"parameters": [864, …]}   builds a network and its batch; returns parameter sizes
///     {"do": "step", "row": "a", "steps": 2}
///         -> {"seconds": 0.81, "loss": 2.31}   total time, and the loss of the last step
///     {"do": "resident"}
///         -> {"bytes": 9437184, "peak_bytes": 31457280}   of the process, current and peak
///
/// Every row has its own device with `threads` threads, so it reuses its own memory.
void serve(std::istream& in, std::ostream& out, int threads);

}  // namespace step_time
