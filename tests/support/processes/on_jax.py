"""The environment of a child process whose Keras runs on JAX."""

from support.repository import ENVIRONMENT

# Each operation of a tiny network is compiled; to optimise it takes longer than it saves.
_XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
ON_JAX = ENVIRONMENT | {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": _XLA_FLAGS,
}
