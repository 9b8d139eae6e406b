"""Block descent for networks with several hidden layers: fused top layers between BLAS products."""
