// Training steps on request: one line of JSON in, one line out, until the input ends.
#pragma once

#include <iosfwd>

namespace step_time {

/// Answers requests, so that another program can time this library's steps in turn with those of
/// another one. Between two requests nothing is computed. A request that cannot be met is answered
/// with {"error": "why"}.
///
///     {"do": "describe"}
///         -> {"instruction_set": "avx2", "vector_bytes": 32, "threads": 2}
///            or {"device": "NVIDIA H100 80GB HBM3"}
///     {"do": "prepare", "row": "a", "network": "revnet", "channels": [32, 64], "blocks": [2, 2],
///      "mode": "reversible", "batch": 128}
///         -> {"parameters": [864, …]}   builds a network and its batch; sizes of its parameters
///     {"do": "step", "row": "a", "steps": 2}
///         -> {"seconds": 0.81, "loss": 2.31}   of all these steps together; the last one's loss
///     {"do": "resident"}
///         -> {"bytes": 9437184, "peak_bytes": 31457280}   of the process, now and at its highest
///
/// Every row has its own device, of `threads` threads on a processor, and so keeps the memory that
/// it uses again.
void serve(std::istream& in, std::ostream& out, int threads);

}  // namespace step_time
