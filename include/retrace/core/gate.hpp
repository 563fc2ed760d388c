// Smooth activations of the form x·σ(v(x)).
#pragma once

namespace retrace {

/// v(x) = 2√(2/π)·(x + 0.044715·x³) for `gelu`, the tanh form of Hendrycks & Gimpel 2016, and
/// v(x) = x for `silu` (ibid.; Ramachandran et al. 2017). Identical for every instruction set.
enum class Gate { gelu, silu };

}  // namespace retrace
