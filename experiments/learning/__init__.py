"""Learning by rules: train, compare, gradients, relaxation and tuning."""
