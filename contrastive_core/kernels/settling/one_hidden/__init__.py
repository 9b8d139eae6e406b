"""Block descent for networks with one hidden layer, fused sample by sample."""
